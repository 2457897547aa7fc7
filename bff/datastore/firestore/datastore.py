"""Google Cloud Firestore, as a ``Datastore``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakSet

from bff.datastore.firestore.address import Address
from bff.datastore.firestore.commits import Committer
from bff.datastore.firestore.connection import Connection, Credentials, find_credentials
from bff.datastore.firestore.failures import unavailable
from bff.datastore.firestore.in_flight import InFlight
from bff.datastore.firestore.listener import FirestoreListening
from bff.datastore.firestore.snapshot import FirestoreSnapshot
from bff.datastore.port import Commit, Expectation, Listening, ResumePoint, Target, Write
from bff.errors import DatastoreUnavailable
from bff.together import together
from bff.types import Timepoint

__all__ = ["FirestoreDatastore"]

PING_PATH = "_bff_ping/ping"
PING_SECONDS = 8.0


class FirestoreDatastore:
    """A Firestore database, on asyncio. One per event loop.

    ``timeout`` is how many seconds a call may go without getting on. ``heartbeat`` is after how many seconds of silence a
    listener makes sure that the server still tells it of changes.
    """

    def __init__(self, address: Address, *, timeout: float = 10.0, heartbeat: float = 15.0) -> None:
        self._address = address
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._credentials: Credentials | None = None
        self._connection: Connection | None = None
        self._committer: Committer | None = None
        self._in_flight = InFlight()
        self._listeners: WeakSet[FirestoreListening] = WeakSet()

    @classmethod
    def from_url(cls, url: str) -> FirestoreDatastore:
        """``firestore://project[/database][?emulator=host:port]``. Raises SettingsError."""
        return cls(Address.from_url(url))

    @property
    def url(self) -> str:
        return self._address.url

    async def __aenter__(self) -> FirestoreDatastore:
        if self._connection is not None:
            raise RuntimeError(f"{self.url} is open already")
        self._credentials = await find_credentials(self._address)
        self._connection = connection = await self._connect()
        self._committer = Committer(connection, self._in_flight)
        try:
            # Reads have a connection of their own. Commits should not have to wait for theirs, or not know whether there is one.
            await together(self.ping(), connection.connected())
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._close()

    async def ping(self) -> Timepoint:
        snapshot = FirestoreSnapshot(self._opened, InFlight())
        try:
            async with asyncio.timeout(PING_SECONDS):
                await snapshot.get([PING_PATH])
        except TimeoutError:
            raise unavailable(self._address, f"no answer within {PING_SECONDS:g} s") from None
        return snapshot.timepoint

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[FirestoreSnapshot]:
        yield FirestoreSnapshot(self._opened, self._in_flight)

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes, expect = list(writes), list(expect)
        if not writes and not expect:
            return Commit(await self.ping())
        assert self._opened is not None
        assert self._committer is not None
        return await self._committer.commit(writes, expect)

    def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AbstractAsyncContextManager[Listening]:
        listening = FirestoreListening(self._connect, self._opened, targets, since, self._heartbeat)
        self._listeners.add(listening)
        return listening

    async def _connect(self) -> Connection:
        return await Connection.open(self._address, self._credentials, self._timeout)

    @property
    def _opened(self) -> Connection:
        if self._connection is None:
            raise DatastoreUnavailable(f"{self.url} is not open: use it within `async with`")
        return self._connection

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._committer = None
        for listening in list(self._listeners):
            await listening.close()
        if connection is not None:
            await connection.close()
