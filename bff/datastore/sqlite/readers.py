"""Read transactions: the connections they run on, and the snapshots that hold them.

What runs where, and why: docs/decisions/sqlite-reads-on-the-loop.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from bff.datastore.sqlite.connection import LOCKED, connect, patiently, primary_code, translated, translation
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.pace import HERE_DOCUMENTS, HERE_SECONDS, MOST_HERE, STEPS, UNHURRIED, Pace, TooLong
from bff.datastore.sqlite.querying import count_results, run_query
from bff.datastore.sqlite.reading import read_clock, read_documents
from bff.datastore.sqlite.rounds import Rounds
from bff.datastore.sqlite.workers import Workers
from bff.document import Document
from bff.errors import DatastoreUnavailable
from bff.query import Query
from bff.types import Timepoint

__all__ = ["READ_SECONDS", "Readers", "SQLiteSnapshot"]

T = TypeVar("T")

READ_SECONDS = 60.0
MAX_SNAPSHOTS = 128
IDLE_CONNECTIONS = 8
THREADS = 4
NOT_HERE = LOCKED | {sqlite3.SQLITE_INTERRUPT}
"""What ends a read on the event loop, and is no failure of a thread's: a lock is waited for there."""


class Readers:
    """Connections that only read, each held by one snapshot at a time, and the threads that use them."""

    def __init__(self, path: Path, names: Names) -> None:
        self.path = path
        self.names = names
        self._workers = Workers("bff-sqlite-read", THREADS)
        self._idle: list[sqlite3.Connection] = []
        self._places = asyncio.Semaphore(MAX_SNAPSHOTS)
        self.rounds = Rounds()
        self._closed = False

    def snapshot(self) -> SQLiteSnapshot:
        return SQLiteSnapshot(self)

    async def enter(self) -> None:
        """Take one of the places for snapshots."""
        if not self._places.locked():
            await self._places.acquire()  # at once
            return
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise DatastoreUnavailable(
                f"sqlite: {MAX_SNAPSHOTS} snapshots of {self.path} are open already, and none was closed for {READ_SECONDS:g} s"
            ) from None

    def leave(self) -> None:
        self._places.release()

    async def run(self, work: Callable[[], T], interrupt: Callable[[], None]) -> T:
        try:
            return await self._workers.run(work, interrupt, READ_SECONDS)
        except TimeoutError:
            raise DatastoreUnavailable(f"sqlite: a read of {self.path} took over {READ_SECONDS:g} s and was ended") from None

    def begin(self) -> tuple[sqlite3.Connection, Timepoint]:
        """A connection with a read transaction, and what it sees up to; in a worker thread."""
        try:
            connection = self._idle.pop()
        except IndexError:  # not asked for before: another thread may take the last one in between
            connection = patiently(lambda: connect(self.path, durable=False))
        return connection, self._begun(connection, lambda: patiently(lambda: read_clock(connection)))

    def begin_here(self) -> tuple[sqlite3.Connection, Timepoint]:
        """The same on the event loop: neither opens a file nor waits for a lock. Raises TooLong where that would be needed."""
        if not self._idle:
            raise TooLong
        connection = self._idle.pop()
        return connection, self._begun(connection, lambda: read_clock(connection))

    def _begun(self, connection: sqlite3.Connection, first_read: Callable[[], Timepoint]) -> Timepoint:
        try:
            connection.execute("BEGIN")
            return first_read()  # fixes what the transaction sees
        except BaseException:
            connection.close()
            raise

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

    serial = True
    """A connection makes one read at a time."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._connection: sqlite3.Connection | None = None
        self._timepoint: Timepoint | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> SQLiteSnapshot:
        await self._readers.enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._close()
        self._readers.leave()

    @property
    def timepoint(self) -> Timepoint:
        """Of the last commit that the reads see. Raises RuntimeError before the first read."""
        if self._timepoint is None:
            raise RuntimeError("a snapshot's timepoint is known after its first read")
        return self._timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        wanted = list(paths)
        if len(wanted) > MOST_HERE:
            return await self.read(lambda connection: read_documents(connection, wanted, fields))
        found: list[Document] = []
        for start in range(0, len(wanted) or 1, HERE_DOCUMENTS):
            found += await self.read_here(partial(_read_some, wanted[start : start + HERE_DOCUMENTS], fields))
        return found

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        return await self.read_here(lambda connection, pace: run_query(connection, self._readers.names, query, fields, pace))

    async def count(self, query: Query) -> int:
        return await self.read_here(lambda connection, pace: count_results(connection, self._readers.names, query, pace))

    async def read_here(self, work: Callable[[sqlite3.Connection, Pace], T]) -> T:
        """Run a read that is likely to be short: on the event loop, and once more in a thread where it turns out not to be."""
        rounds = self._readers.rounds
        await rounds.turn()
        if not self._turn.locked():
            began = perf_counter()
            try:
                return self._read_here(work, Pace(began + HERE_SECONDS))
            except TooLong:
                pass
            finally:
                rounds.spend(perf_counter() - began)
        return await self.read(lambda connection: work(connection, UNHURRIED))

    def _read_here(self, work: Callable[[sqlite3.Connection, Pace], T], pace: Pace) -> T:
        self._check_open()
        try:
            if self._connection is None:
                self._connection, self._timepoint = self._readers.begin_here()
            self._connection.set_progress_handler(pace.is_over, STEPS)
            try:
                return work(self._connection, pace)
            finally:
                self._connection.set_progress_handler(None, 0)
        except sqlite3.Error as error:
            if primary_code(error) in NOT_HERE:
                raise TooLong from None
            raise translation(error, self._readers.path, "reading") from error

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read in a thread. Reads of one snapshot take turns; those of others run beside them."""
        async with self._turn:
            self._check_open()
            return await self._readers.run(lambda: self._read(work), self._interrupt)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the snapshot is closed: read within its `async with`")
        self._readers.check_open()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated(self._readers.path, "reading"):
            if self._connection is None:
                self._connection, self._timepoint = self._readers.begin()
            return work(self._connection)

    def _interrupt(self) -> None:
        if self._connection is not None:
            self._connection.interrupt()

    def _close(self) -> None:
        self._closed = True
        if self._connection is not None:
            self._readers.end(self._connection)
            self._connection = None


def _read_some(paths: Sequence[str], fields: Sequence[str] | None, connection: sqlite3.Connection, pace: Pace) -> list[Document]:
    return read_documents(connection, paths, fields, pace)
