"""Reads of views, batched: everything one level of an operation asks of a view type is one read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aiodataloader import DataLoader

from bff.errors import DatastoreUnavailable
from bff.model.view_model import ViewModel
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from bff.resolvers.view_document import ViewDocument

__all__ = ["Loaders"]


class ViewLoader(DataLoader[str, ViewDocument | None]):
    """Reads views of one type by key."""

    def __init__(self, views: ViewReader, view: type[ViewModel]) -> None:
        super().__init__()
        self._views = views
        self._view = view

    async def batch_load_fn(self, keys: list[str]) -> list[ViewDocument | Exception | None]:  # type: ignore[override]
        try:
            # What is wrong with one view is nothing to those that share its batch.
            found = await self._views.read_each(self._view, keys)
        except asyncio.CancelledError:
            # aiodataloader would leave its waiters hanging; this task ends here either way.
            return [DatastoreUnavailable("the read was cancelled") for _ in keys]
        return [ViewDocument.of(stored) if isinstance(stored, StoredView) else stored for stored in found]


class Loaders:
    """One loader per view type, for one request or one event of a subscription: what was read once is not read again.

    Make one inside the running loop, and share it with nobody: a batch runs in the context of whoever asked first.
    """

    def __init__(self, views: ViewReader) -> None:
        self._views = views
        self._loaders: dict[type[ViewModel], ViewLoader] = {}

    def load(self, view: type[ViewModel], key: str) -> Awaitable[ViewDocument | None]:
        """The view of a key, None where there is none. Call it before anything is awaited: two ticks later is another batch."""
        loader = self._loaders.get(view)
        if loader is None:
            loader = self._loaders[view] = ViewLoader(self._views, view)
        # Shielded: one waiter that is cancelled would cancel the result of every other.
        return asyncio.shield(loader.load(key))
