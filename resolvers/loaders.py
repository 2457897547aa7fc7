"""Reads of views, batched: everything one level of an operation asks of a view type is one read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from aiodataloader import DataLoader
from graphql.pyutils import Path

from bff.errors import DatastoreUnavailable
from bff.model.view_model import ViewModel
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from bff.resolvers.followed import Followed
from bff.resolvers.reads import Reads
from bff.resolvers.view_document import ViewDocument

__all__ = ["Loaders"]


class ViewLoader(DataLoader[str, ViewDocument | None]):
    """Reads views of one type by key."""

    def __init__(self, views: ViewReader, view: type[ViewModel], reads: Reads, followed: Followed | None) -> None:
        super().__init__()
        self._views = views
        self._view = view
        self._reads = reads
        self._followed = followed

    async def batch_load_fn(self, keys: list[str]) -> list[ViewDocument | Exception | None]:  # type: ignore[override]
        followed = self._followed
        found: dict[str, StoredView | Exception] = {}
        if followed is not None:
            found.update(followed.open(self._view, keys))
        missing = [key for key in keys if key not in found]
        if missing:
            found.update(zip(missing, await self._read(missing), strict=True))
        return [self._result(key, found[key], followed) for key in keys]

    async def _read(self, keys: list[str]) -> Sequence[StoredView | Exception]:
        try:
            # What is wrong with one view is nothing to those that share its batch.
            return await self._views.read_each(self._view, keys)
        except asyncio.CancelledError:
            # aiodataloader would leave its waiters hanging; this task ends here either way.
            return [DatastoreUnavailable("the read was cancelled") for _ in keys]
        except Exception as error:
            return [error for _ in keys]

    def _result(self, key: str, found: StoredView | Exception, followed: Followed | None) -> ViewDocument | Exception | None:
        name = self._view.__view__.name
        if isinstance(found, Exception):
            self._reads.fail(name, key)
            if followed is not None:
                followed.missed(name, key)
            return found
        if followed is not None:
            found = followed.found(found)
        self._reads.add(found)
        return ViewDocument.of(found)


class Loaders:
    """One loader per view type, for one request or one event of a subscription: what was read once is not read again.

    With ``followed``, what is followed already is not read at all, and everything else is followed from before it is read.
    Make one inside the running loop, and share it with nobody: a batch runs in the context of whoever asked first.
    """

    def __init__(self, views: ViewReader, followed: Followed | None = None) -> None:
        self._views = views
        self._followed = followed
        self.reads = Reads()
        self._loaders: dict[type[ViewModel], ViewLoader] = {}

    def load(self, view: type[ViewModel], key: str, path: Path | None = None) -> Awaitable[ViewDocument | None]:
        """The view of a key, None where there is none. Call it before anything is awaited: two ticks later is another batch.

        ``path`` is the place in the response that it is for.
        """
        self.reads.ask(view.__view__.name, key, path)
        loader = self._loaders.get(view)
        if loader is None:
            loader = self._loaders[view] = ViewLoader(self._views, view, self.reads, self._followed)
        # Shielded: one waiter that is cancelled would cancel the result of every other.
        return asyncio.shield(loader.load(key))
