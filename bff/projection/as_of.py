"""Up to which timepoint every change is in the stored views: known here, or told by the process that projects them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from bff.datastore.port import Datastore, Target
from bff.errors import DatastoreUnavailable, Stale
from bff.projection.checkpoint import PROJECTORS, checkpoint_path, wish
from bff.projection.projector import Projector
from bff.supervisor import Backoff, Status, Supervisor
from bff.types import Timepoint, Value

__all__ = ["AsOf", "LocalAsOf", "RemoteAsOf"]

WISH_SECONDS = 0.25


class AsOf(Protocol):
    """How far the stored views have come. A read that begins after an answer of these sees every change up to it."""

    async def now(self) -> Timepoint:
        """The timepoint up to which every change is in what is stored, as far as it is known here; 0 where nothing is.

        Raises DatastoreUnavailable.
        """
        ...

    async def wait_for(self, timepoint: Timepoint, seconds: float) -> Timepoint:
        """Wait until every change up to the timepoint is in what is stored. The as-of timepoint then.

        Raises Stale where it is not within so many seconds.
        """
        ...


class LocalAsOf:
    """Of the projector of this process."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector

    async def now(self) -> Timepoint:
        return self._projector.as_of

    async def wait_for(self, timepoint: Timepoint, seconds: float) -> Timepoint:
        try:
            return await self._projector.wait_for(timepoint, seconds)
        except TimeoutError:
            raise _stale(timepoint, seconds, self._projector.as_of) from None


class RemoteAsOf:
    """Of the projector of this name in another process, by the checkpoint that it saves.

    One listener follows the checkpoint for all that ask, from the first of them until this is closed. A projector saves about
    once a second where it has news, and seldom where it has none: so whoever waits has a wish written, which the projector hears
    of; a wish is for all that wait, and there are at most four a second.
    """

    def __init__(self, datastore: Datastore, name: str = "main", *, backoff: Backoff | None = None) -> None:
        self._datastore = datastore
        self._name = name
        self._path = checkpoint_path(name)
        self._backoff = backoff or Backoff(first=0.1, limit=5.0)
        self._supervisor = Supervisor("as-of", backoff=self._backoff)
        self._as_of: Timepoint | None = None
        self._moved = asyncio.Event()
        self._asked = asyncio.Event()
        self._following = False

    async def __aenter__(self) -> RemoteAsOf:
        self._supervisor = Supervisor("as-of", backoff=self._backoff)
        self._following = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._supervisor.close()

    def status(self) -> tuple[Status, ...]:
        """How its tasks are: for ``/readyz``. None before anybody has asked."""
        return self._supervisor.status()

    async def now(self) -> Timepoint:
        self._follow_it()
        if self._as_of is None:
            async with self._datastore.snapshot() as snapshot:
                [document] = await snapshot.get([self._path])
            self._told(document.data)
        return self._as_of or 0

    async def wait_for(self, timepoint: Timepoint, seconds: float) -> Timepoint:
        self._follow_it()
        try:
            async with asyncio.timeout(seconds):
                if (self._as_of or 0) < timepoint:
                    # Once: a timepoint that the wish does not bring is one that is still to come.
                    self._asked.set()
                while (self._as_of or 0) < timepoint:
                    await self._moved.wait()
        except TimeoutError:
            raise _stale(timepoint, seconds, self._as_of or 0) from None
        return self._as_of or 0

    def _follow_it(self) -> None:
        if not self._following:
            self._following = True
            self._supervisor.start("follow", self._follow)
            self._supervisor.start("wish", self._wish)

    async def _follow(self) -> None:
        # From the present state on: that is a handful of documents, one a projector and a mediator.
        async with self._datastore.listen([Target(PROJECTORS)]) as listening:
            async for changes in listening:
                for document in changes.documents:
                    if document.path == self._path:
                        self._told(document.data)
                self._supervisor.healthy("follow")
        raise DatastoreUnavailable("the listener ended")

    async def _wish(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._datastore.commit([wish(self._name)])
            except BaseException:
                self._asked.set()
                raise
            self._supervisor.healthy("wish")
            await asyncio.sleep(WISH_SECONDS)

    def _told(self, data: Mapping[str, Value] | None) -> None:
        timepoint = 0 if data is None else data.get("timepoint")
        # Several may save under one name, and one of them an older point than the last: what was written stays written.
        if isinstance(timepoint, int) and (self._as_of is None or timepoint > self._as_of):
            self._as_of = timepoint
            self._moved.set()
            self._moved = asyncio.Event()


def _stale(timepoint: Timepoint, seconds: float, as_of: Timepoint) -> Stale:
    seen = f"have come to {as_of}" if as_of else "have not come anywhere yet"
    return Stale(f"the views {seen}, not to {timepoint}, within {seconds:g} s")
