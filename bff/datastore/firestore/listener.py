"""A listener: one Listen stream on asyncio that is opened again whenever it ends, freezes or loses its place."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from bff.datastore.firestore.connection import Connection
from bff.datastore.firestore.emulated import DelayedClaims
from bff.datastore.firestore.heartbeat import Heartbeat
from bff.datastore.firestore.listen_state import ListenState
from bff.datastore.firestore.listen_stream import ListenStream, Place, StreamEnded
from bff.datastore.port import Changes, ResumePoint, Target

__all__ = ["FirestoreListening"]

logger = logging.getLogger(__name__)

MOST_WAITING = 16
FIRST_DELAY = 0.05
LONGEST_DELAY = 8.0


class FirestoreListening:
    """See ``bff.datastore.port.Listening``. It is its own context manager and its own iterator.

    A slow reader holds up the stream: at most a few batches wait here.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        connection: Connection,
        targets: Sequence[Target],
        since: ResumePoint | None,
        heartbeat: float,
    ) -> None:
        self._connect = connect
        self._connection = connection
        self._heartbeat = Heartbeat()
        self._heartbeat_seconds = heartbeat
        self._state = ListenState(targets, connection.names, since, self._heartbeat.path)
        self._claims = DelayedClaims(self._pass_on) if connection.address.emulator is not None else None
        self._waiting: deque[Changes] = deque()
        self._room = asyncio.Event()
        self._nudge = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._error: BaseException | None = None
        self._closed = False
        self._place: Place | None = None
        self._put = self._taken = self._done = 0
        self._caught_up: int | None = None

    async def __aenter__(self) -> FirestoreListening:
        if self._tasks or self._closed:
            raise RuntimeError("a listener is entered once")
        self._tasks.append(asyncio.create_task(self._supervise(), name="bff.firestore.listener"))
        if self._claims is not None:
            self._tasks.append(asyncio.create_task(self._claims.run(), name="bff.firestore.listener: claims"))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End it, and wait until it has ended. Whoever iterates over it comes to the end."""
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        self._news.set()
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
            await self._heartbeat.remove(self._connection)

    def __aiter__(self) -> AsyncIterator[Changes]:
        return self

    async def __anext__(self) -> Changes:
        self._done = self._taken  # whoever comes back has done with what it was given
        while True:
            if self._waiting:
                self._room.set()
                self._taken += 1
                return self._waiting.popleft()
            if self._error is not None and not self._closed:
                raise self._error
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()

    @property
    def following(self) -> bool:
        return self._caught_up is not None and self._done >= self._caught_up and not self._closed

    def nudge(self) -> None:
        self._nudge.set()

    async def _supervise(self) -> None:
        try:
            await self._keep_following()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # what no retry can heal, told to whoever iterates
            self._error = error
            self._news.set()

    async def _keep_following(self) -> None:
        failures = 0
        while True:
            place = Place()
            try:
                await self._follow(place, failures)
            except StreamEnded as ended:
                failures = 1 if place.consistent else failures + 1
                if ended.lost_place:
                    self._state.forget()
                level = logging.WARNING if failures in {1, 10, 100} else logging.DEBUG
                logger.log(level, "a listener's stream ended (%d in a row), it is opened again: %s", failures, ended)
            await asyncio.sleep(min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), LONGEST_DELAY) * random.uniform(0.5, 1.0))

    async def _follow(self, place: Place, failures: int) -> None:
        """Follow one stream until it ends. Raises StreamEnded, or DatastoreError where another stream would end as well."""
        # A connection of its own each time: the old one may be what hangs.
        connection = await self._connect()
        self._place = place
        try:
            stream = ListenStream(connection, self._state, self._heartbeat, self._heartbeat_seconds, place, self._nudge, failures)
            await stream.follow(self._pass_on if self._claims is None else self._claims.deliver)
        finally:
            self._place = self._caught_up = None
            await connection.close()

    async def _pass_on(self, changes: Changes) -> None:
        while len(self._waiting) >= MOST_WAITING:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(changes)
        self._put += 1
        if self._caught_up is None and changes.resume is not None and self._place is not None and self._place.consistent:
            self._caught_up = self._put
        self._news.set()
