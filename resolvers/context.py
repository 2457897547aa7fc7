"""What every resolver finds in ``info.context``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import OperationType
from graphql.pyutils import Path

from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.model.catalog import Catalog
from bff.model.session import use_session
from bff.model.view_model import ViewModel
from bff.observability.tally import Tally
from bff.observability.tracing import NO_TRACING, Tracing
from bff.principal import ANONYMOUS, Principal
from bff.projection.fresh_reader import FreshReader
from bff.projection.reader import ViewReader
from bff.request_extensions import NAME, NOTHING_ASKED, RequestExtensions
from bff.resolvers.commits import Commits
from bff.resolvers.consistency import Consistency
from bff.resolvers.followed import MAX_LINKS
from bff.resolvers.freshness import Freshness
from bff.resolvers.idempotency import Idempotency
from bff.resolvers.idempotency_key import idempotency_key
from bff.resolvers.loaders import Loaders
from bff.resolvers.reads import Reads
from bff.resolvers.source import Source
from bff.resolvers.versions import ReadVersions
from bff.resolvers.view_document import ViewDocument

if TYPE_CHECKING:
    from bff.live.hub import Hub
    from bff.live.restricted_hub import RestrictedHub

__all__ = ["Context"]


@dataclass(slots=True)
class Context:
    """One operation's way to everything: a new one for every query, mutation and subscription.

    ``request`` is what the operation came with (Starlette's Request or WebSocket), ``principal`` who has sent it; ``state`` is
    for you. ``views`` and ``hub`` show what this principal may see, which is the same for each ``audience``. ``asked`` is what it
    asks for in ``extensions.bff``, ``fingerprint()`` the same for requests that ask the same. ``told`` goes out as
    ``extensions.bff`` of the response. ``kind`` is what is operated, ``consistency`` what its process knows; ``commits`` are
    those of a mutation. ``source`` makes the events of a subscription, which follows ``max_links`` linked views at most, and
    ``version`` is that of the last event.
    """

    datastore: Datastore
    catalog: Catalog
    views: ViewReader
    hub: Hub | RestrictedHub
    request: Any = None
    principal: Principal = ANONYMOUS
    state: dict[str, Any] = field(default_factory=dict)
    asked: RequestExtensions = NOTHING_ASKED
    fingerprint: Callable[[], str] = str
    told: dict[str, Any] = field(default_factory=dict)
    kind: OperationType = OperationType.QUERY
    consistency: Consistency = field(default_factory=Consistency)
    commits: Commits | None = None
    source: Source | None = None
    version: str | None = None
    max_links: int = MAX_LINKS
    audience: str = ""
    tally: Tally = field(default_factory=Tally)
    tracing: Tracing = NO_TRACING
    _freshness: Freshness = field(init=False, repr=False)
    _loaders: Loaders = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._freshness = Freshness(self.consistency, self.asked)
        self._loaders = Loaders(self.views)

    def renew(self) -> None:
        """Forget what was read. Called before each event of a subscription, and after each mutation."""
        self._loaders = Loaders(self.views, None if self.source is None else self.source.followed)

    @property
    def reads(self) -> Reads:
        """What was read since ``renew``."""
        return self._loaders.reads

    @property
    def read_versions(self) -> ReadVersions | None:
        """Which versions were read since ``renew``; None where something could not be read."""
        return ReadVersions.of(self.reads)

    async def unchanged(self, read: ReadVersions) -> bool:
        """Whether reading these again would find the same (``bff.serving.etags.VersionedContext``)."""
        return await read.unchanged(self.views, self.catalog)

    async def perform(self, execute: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Execute a query or a mutation (``bff.serving.context.OperationContext``)."""
        if self.kind is OperationType.MUTATION:
            return await self._change(execute)
        await self._wait()
        response = await execute()
        self.told |= self._freshness.told()
        return self._with_told(response)

    async def _change(self, execute: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        key = idempotency_key(self.request, self.asked)
        known = self.consistency
        once = None
        if key is not None:
            once = Idempotency(self.datastore, known.effects, key, self.fingerprint(), known.idempotency_hours, self.principal)
            before = await once.begin()
            if before is not None:
                return before
        await self._freshness.note()
        async with Commits(known.effects, self._visible, once) as self.commits:
            response = await execute()
            self.told |= {**await self.commits.told(), **self._freshness.told()}
            response = self._with_told(response)
            return response if once is None else await once.finish(response)

    async def _visible(self, affected: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these views, by name and key, those that the principal may know of."""
        views = self.catalog.views
        keys: dict[str, list[str]] = {}
        for name, key in affected:
            if views[name].__view__.has_readers:
                keys.setdefault(name, []).append(key)
        hidden = set()
        for name, some in keys.items():
            found = await self.views.read_at(views[name], some)
            hidden |= {(name, one.key) for one in found.views if one.document is None}
        return [one for one in affected if one not in hidden]

    async def begin(self) -> None:
        """Before a subscription is opened."""
        await self._wait()

    async def _wait(self) -> None:
        """Have what is read be as new as the request asks for. Raises Stale."""
        views = await self._freshness.reader(self.datastore, self.views)
        if views is not self.views:
            self.views = views
            self.renew()

    async def freshen(self, view: type[ViewModel], key: str) -> None:
        """Have the stored view be as new as the request asks for: before a subscription reads it."""
        if isinstance(self.views, FreshReader):
            await self.views.fresh(view, [key])

    async def event(self, execute: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Execute one event of a subscription."""
        self.told.clear()
        response = await execute()
        self.version = None if self.source is None else self.source.version()
        if self.asked.given and self.version is not None:
            self.told["version"] = self.version
        self.told |= self._freshness.told(0 if self.source is None else self.source.as_of())
        # What the first event showed was stored by then: those that follow are at least as new.
        if isinstance(self.views, FreshReader):
            self.views = self.views.stored
        return self._with_told(response)

    def seen(self) -> bool:
        """Whether the subscriber holds what the last event showed, or something newer."""
        return self.source is not None and self.source.seen()

    def _with_told(self, response: dict[str, Any]) -> dict[str, Any]:
        if not self.told:
            return response
        extensions = response.get("extensions") or {}
        return {**response, "extensions": {**extensions, NAME: {**self.told}}}

    def activate(self) -> AbstractContextManager[Any]:
        """Have ``City.get``, ``city.save`` and the like go to the datastore inside the ``with``."""
        return use_session(DatastoreSession(self.datastore, None if self.commits is None else self.commits.made))

    def load(self, view: type[ViewModel], key: str, path: Path | None = None) -> Awaitable[ViewDocument | None]:
        """The stored view of a key, None where there is none; batched with every other load of this level.

        ``path`` is the place in the response that it is for (``info.path``): by it a live list knows which node shows the view.
        Raises BadUserInput, at once, where the key cannot be one.
        """
        view.split_key(key)
        return self._loaders.load(view, key, path)

    async def load_many(self, view: type[ViewModel], keys: Sequence[str]) -> list[ViewDocument | None]:
        """The stored views, in the order of the keys."""
        return list(await asyncio.gather(*(self.load(view, key) for key in keys)))

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[ViewDocument | None]:
        """The views as they are right now, built from a snapshot: what a mutation answers."""
        return [ViewDocument.of(stored) for stored in await self.views.fresh(view, keys)]
