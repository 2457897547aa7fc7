"""From which storage this process lists the views that are stored beside those of other code."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import TypeAlias

from bff.datastore.port import Datastore, Target
from bff.errors import DatastoreUnavailable
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.projection.definitions import DEFINITIONS
from bff.projection.standing import Standing, Standings, Storage
from bff.supervisor import Backoff, Status, Supervisor

__all__ = ["STEADY", "OnSwitch", "Storages"]

logger = logging.getLogger(__name__)

OnSwitch: TypeAlias = Callable[[], Awaitable[None]]
NAME = "switch"

STEADY: Mapping[type[ViewModel], Storage | None] = MappingProxyType({})
"""Of a process in which nothing waits."""


class Storages:
    """What this process waits for: views whose own storage is not the current one, that is complete and kept up to date.

    ``waiting`` says of each which storage of other code is the current one, None where there is none. It is looked at for each
    read, and is empty in the steady state; only while it is not is there a listener, which hears of the switch. ``on_switch``
    is then called for whoever shows lists.
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, *, backoff: Backoff | None = None) -> None:
        self.waiting: Mapping[type[ViewModel], Storage | None] = STEADY
        self.on_switch: list[OnSwitch] = []
        self._datastore = datastore
        self.since = datetime.now(UTC)
        """Since when this process waits, if it does."""
        self._views = {view.__view__.name: view for view in catalog.beside.values()}
        self._supervisor = Supervisor("storages", backoff=backoff or Backoff(first=0.1, limit=5.0))
        self._switched = asyncio.Event()

    async def __aenter__(self) -> Storages:
        """Raises DatastoreUnavailable: what is listed depends on it."""
        if self._views:
            views = tuple(self._views.values())
            found = zip(views, await Standings(self._datastore).of(views), strict=True)
            self.waiting = {view: standing.current for view, standing in found if not _is_own(view, standing)}
        if self.waiting:
            self._supervisor.start(NAME, self._follow)
        else:
            self._switched.set()
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
                waiting = dict(self.waiting)
                for document in changes.documents:
                    view = self._views.get(document.id)
                    if view is None or view not in waiting:
                        continue
                    standing = Standing.of(document)
                    if _is_own(view, standing):
                        del waiting[view]
                        logger.info("%s: its own storage %s is current", document.id, view.__view__.storage)
                    else:
                        waiting[view] = standing.current
                switched = len(waiting) < len(self.waiting)
                self.waiting = waiting
                self._supervisor.healthy(NAME)
                if switched:
                    for told in self.on_switch:
                        await told()
                if not waiting:
                    self._switched.set()
                    return
        raise DatastoreUnavailable("the listener ended")


def _is_own(view: type[ViewModel], standing: Standing) -> bool:
    return standing.current is not None and standing.current.name == view.__view__.storage
