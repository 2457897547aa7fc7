"""From which storage this process lists the views that are stored beside those of other code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Protocol, TypeAlias

from bff.datastore.port import Datastore, Target
from bff.errors import DatastoreUnavailable, Stale
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.projection.definitions import DEFINITIONS
from bff.projection.standing import Standing, Standings, Storage
from bff.supervisor import Backoff, Status, Supervisor
from bff.types import Timepoint

__all__ = ["STEADY", "Kept", "OnSwitch", "Storages"]

OnSwitch: TypeAlias = Callable[[], Awaitable[None]]
SWITCH, KEPT = "switch", "kept"

PATIENCE_SECONDS = 30.0
"""How often at most the projectors of this code are asked how far they have come."""

STEADY: Mapping[type[ViewModel], Storage | None] = MappingProxyType({})
"""Of a process in which nothing waits."""


class Kept(Protocol):
    """Knows how far the projectors of this code have come: ``bff.projection.as_of.RemoteAsOf``."""

    async def wait_for(self, timepoint: Timepoint, seconds: float) -> Timepoint:
        """Raises Stale where they have not come there within so many seconds."""
        ...


class Storages:
    """What this process waits for: views of which its own storage is not known to be complete and kept up.

    It is so where it is the current one. It is, too, where it is complete, and a projector of the same code has come to when this
    process began: then one of other code was the last to make its own the current one. ``kept`` is asked for that, in a process
    that has no projector.

    ``waiting`` says of each which storage of other code is the current one, None where there is none. It is looked at for each
    read, and is empty in the steady state; only while it is not are there listeners. ``on_switch`` is called for whoever shows
    lists when there is less to wait for.
    """

    def __init__(
        self,
        datastore: Datastore,
        catalog: Catalog,
        *,
        kept: Callable[[], AbstractAsyncContextManager[Kept]] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.waiting: Mapping[type[ViewModel], Storage | None] = STEADY
        self.on_switch: list[OnSwitch] = []
        self.since = datetime.now(UTC)
        """Since when this process waits, if it does."""
        self._datastore = datastore
        self._views = {view.__view__.name: view for view in catalog.beside.values()}
        self._kept = kept
        self._is_kept = False
        self._began: Timepoint = 0
        self._standings: dict[type[ViewModel], Standing] = {}
        self._supervisor = Supervisor("storages", backoff=backoff or Backoff(first=0.1, limit=5.0))
        self._switched = asyncio.Event()

    async def __aenter__(self) -> Storages:
        """Raises DatastoreUnavailable: what is listed depends on it."""
        if self._views:
            views = tuple(self._views.values())
            self._standings = dict(zip(views, await Standings(self._datastore).of(views), strict=True))
            self.waiting = self._left(self._standings)
        if not self.waiting:
            self._switched.set()
            return self
        self._began = await self._datastore.ping()
        self._supervisor.start(SWITCH, self._follow)
        if self._kept is not None:
            self._supervisor.start(KEPT, partial(self._follow_kept, self._kept))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._supervisor.close()

    @property
    def beside(self) -> bool:
        """Whether any view of this process is stored beside those of other code."""
        return bool(self._views)

    def status(self) -> tuple[Status, ...]:
        return self._supervisor.status()

    async def wait(self, timeout: float = 30.0) -> None:
        """Wait until nothing is waited for. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._switched.wait()

    async def _follow(self) -> None:
        # From the present state on: a document a view.
        async with self._datastore.listen([Target(DEFINITIONS)]) as listening:
            async for changes in listening:
                for document in changes.documents:
                    if (view := self._views.get(document.id)) is not None:
                        self._standings[view] = Standing.of(document)
                self._supervisor.healthy(SWITCH)
                if await self._settled(KEPT):
                    return
        raise DatastoreUnavailable("the listener ended")

    async def _follow_kept(self, kept: Callable[[], AbstractAsyncContextManager[Kept]]) -> None:
        async with kept() as as_of:
            while not self._is_kept:
                with suppress(Stale):
                    await as_of.wait_for(self._began, PATIENCE_SECONDS)
                    self._is_kept = True
        await self._settled(SWITCH)

    async def _settled(self, other: str) -> bool:
        """Whether there is nothing to wait for any more: then the ``other`` task has nothing to do either."""
        before, self.waiting = self.waiting, self._left(self.waiting)
        if len(self.waiting) < len(before):
            for told in self.on_switch:
                await told()
        if self.waiting:
            return False
        self._supervisor.stop(other)
        self._switched.set()
        return True

    def _left(self, views: Iterable[type[ViewModel]]) -> dict[type[ViewModel], Storage | None]:
        return {view: self._standings[view].current for view in views if not self._is_up(view)}

    def _is_up(self, view: type[ViewModel]) -> bool:
        standing, own = self._standings[view], view.__view__.storage
        if standing.current is not None and standing.current.name == own:
            return True
        found = standing.find(own)
        return self._is_kept and found is not None and found.complete
