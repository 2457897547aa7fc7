"""Read transactions: the connections they run on, and the snapshots that hold them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from bff.datastore.sqlite.connection import connect, patiently, translated
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.reading import count_results, read_clock, read_documents, run_query
from bff.datastore.sqlite.workers import Workers
from bff.document import Document
from bff.errors import DatastoreUnavailable
from bff.query import Query
from bff.storable import check_path
from bff.types import Timepoint

__all__ = ["READ_SECONDS", "Readers", "SQLiteSnapshot"]

T = TypeVar("T")

READ_SECONDS = 60.0
MAX_SNAPSHOTS = 128
IDLE_CONNECTIONS = 8
THREADS = 4


class Readers:
    """Connections that only read, each held by one snapshot at a time, and the threads that use them."""

    def __init__(self, path: Path, names: Names) -> None:
        self.path = path
        self.names = names
        self._workers = Workers("bff-sqlite-read", THREADS)
        self._idle: list[sqlite3.Connection] = []
        self._places = asyncio.Semaphore(MAX_SNAPSHOTS)
        self._closed = False

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SQLiteSnapshot]:
        await self._enter()
        snapshot = SQLiteSnapshot(self)
        try:
            yield snapshot
        finally:
            snapshot.close()
            self._places.release()

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise DatastoreUnavailable(
                f"sqlite: {MAX_SNAPSHOTS} snapshots of {self.path} are open already, and none was closed for {READ_SECONDS:g} s"
            ) from None

    async def run(self, work: Callable[[], T], interrupt: Callable[[], None]) -> T:
        try:
            return await self._workers.run(work, interrupt, READ_SECONDS)
        except TimeoutError:
            raise DatastoreUnavailable(f"sqlite: a read of {self.path} took over {READ_SECONDS:g} s and was ended") from None

    def begin(self) -> sqlite3.Connection:
        """A connection with a read transaction, in a worker thread."""
        try:
            connection = self._idle.pop()
        except IndexError:  # not asked for before: another thread may take the last one in between
            connection = patiently(lambda: connect(self.path, durable=False))
        try:
            connection.execute("BEGIN")
            patiently(lambda: read_clock(connection))  # the first read fixes what the transaction sees
        except BaseException:
            connection.close()
            raise
        return connection

    def end(self, connection: sqlite3.Connection) -> None:
        """End the transaction and keep the connection for the next one. Waits for nothing."""
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            return
        if self._closed or len(self._idle) >= IDLE_CONNECTIONS:
            connection.close()
        else:
            self._idle.append(connection)

    def check_open(self) -> None:
        if self._closed:
            raise DatastoreUnavailable(f"sqlite: {self.path} is closed: open it with `async with`")

    async def close(self) -> None:
        """Reads that are under way end with DatastoreUnavailable."""
        self._closed = True
        await self._workers.close()
        while self._idle:
            self._idle.pop().close()


class SQLiteSnapshot:
    """Reads within one transaction, which begins with the first read."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._connection: sqlite3.Connection | None = None
        self._timepoint: Timepoint | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def timepoint(self) -> Timepoint:
        """Of the last commit that the reads see. Raises RuntimeError before the first read."""
        if self._timepoint is None:
            raise RuntimeError("a snapshot's timepoint is known after its first read")
        return self._timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        wanted = [check_path(path) for path in paths]
        return await self.read(lambda connection: read_documents(connection, wanted, fields))

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        return await self.read(lambda connection: run_query(connection, self._readers.names, query, fields))

    async def count(self, query: Query) -> int:
        return await self.read(lambda connection: count_results(connection, self._readers.names, query))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read in a thread. Reads of one snapshot take turns; those of others run beside them."""
        async with self._turn:
            if self._closed:
                raise RuntimeError("the snapshot is closed: read within its `async with`")
            self._readers.check_open()
            return await self._readers.run(lambda: self._read(work), self._interrupt)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated(self._readers.path, "reading"):
            if self._connection is None:
                self._connection = self._readers.begin()
                self._timepoint = read_clock(self._connection)
            return work(self._connection)

    def _interrupt(self) -> None:
        if self._connection is not None:
            self._connection.interrupt()

    def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            self._readers.end(self._connection)
            self._connection = None
