"""What every resolver finds in ``info.context``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.live.hub import Hub
from bff.model.catalog import Catalog
from bff.model.session import use_session
from bff.model.view_model import ViewModel
from bff.projection.reader import ViewReader
from bff.resolvers.loaders import Loaders
from bff.resolvers.view_document import ViewDocument

__all__ = ["Context"]


@dataclass(slots=True)
class Context:
    """One operation's way to everything: a new one for every query, mutation and subscription.

    ``request`` is what the operation came with (Starlette's Request or WebSocket); ``state`` is for you.
    """

    datastore: Datastore
    catalog: Catalog
    views: ViewReader
    hub: Hub
    request: Any = None
    state: dict[str, Any] = field(default_factory=dict)
    _loaders: Loaders = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._loaders = Loaders(self.views)

    def renew(self) -> None:
        """Forget what was read. Called before each event of a subscription, and after each mutation."""
        self._loaders = Loaders(self.views)

    def activate(self) -> AbstractContextManager[Any]:
        """Have ``City.get``, ``city.save`` and the like go to the datastore inside the ``with``."""
        return use_session(DatastoreSession(self.datastore))

    def load(self, view: type[ViewModel], key: str) -> Awaitable[ViewDocument | None]:
        """The stored view of a key, None where there is none; batched with every other load of this level.

        Raises BadUserInput, at once, where the key cannot be one.
        """
        view.split_key(key)
        return self._loaders.load(view, key)

    async def load_many(self, view: type[ViewModel], keys: Sequence[str]) -> list[ViewDocument | None]:
        """The stored views, in the order of the keys."""
        return list(await asyncio.gather(*(self.load(view, key) for key in keys)))

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[ViewDocument | None]:
        """The views as they are right now, built from a snapshot: what a mutation answers."""
        return [ViewDocument.of(stored) for stored in await self.views.fresh(view, keys)]
