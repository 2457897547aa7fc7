"""The embedded datastore: one SQLite file, shared by the processes of one machine."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bff.datastore.port import Commit, Delete, EarlyCommit, Expectation, ResumePoint, Target, Write
from bff.datastore.sqlite.commits import Commits
from bff.datastore.sqlite.listening import SQLiteListening
from bff.datastore.sqlite.log_flush import LogFlush
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.readers import Readers, SQLiteSnapshot
from bff.datastore.sqlite.schema import open_database
from bff.datastore.sqlite.short_commits import ShortCommits
from bff.datastore.sqlite.url import path_of_url
from bff.datastore.sqlite.wakes import Wakes
from bff.datastore.sqlite.watch import Watch
from bff.datastore.sqlite.workers import Workers
from bff.datastore.sqlite.writer_thread import WriterThread
from bff.datastore.sqlite.writing import CommitRequest, Writer
from bff.errors import DatastoreUnavailable
from bff.storable import check_path, checked
from bff.supervisor import Backoff, Status, Supervisor
from bff.types import Timepoint

__all__ = ["SQLiteDatastore"]

PING_SECONDS = 5.0


class SQLiteDatastore:
    """A Datastore in a file; in memory where there is none.

    Memory is a file in a private temporary directory, removed on closing and never flushed to the disk: so everything is
    the same for it, snapshots beside writes and listeners too, which SQLite's own shared memory databases have not
    (their readers and writers lock each other out).
    """

    serial = True
    """What reads are made of is the event loop's time: they do not overlap."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._file = None if path is None else Path(path)
        self._url = "sqlite://" if self._file is None else f"sqlite:///{self._file}"
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._writing: Workers | None = None
        self._thread: WriterThread | None = None
        self._flush: LogFlush | None = None
        self._connection: sqlite3.Connection | None = None
        self._readers: Readers | None = None
        self._commits: Commits | None = None
        self._wakes = Wakes(self._wake, lambda: self._commits is not None and self._commits.busy)
        self._listeners: set[SQLiteListening] = set()
        self._watching: Supervisor | None = None

    @classmethod
    def from_url(cls, url: str) -> SQLiteDatastore:
        """For ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` (memory). Raises SettingsError."""
        return cls(path_of_url(url))

    @property
    def url(self) -> str:
        return self._url

    async def __aenter__(self) -> SQLiteDatastore:
        if self._readers is not None:
            raise RuntimeError(f"{self.url} is open already")
        if self._file is None:
            self._directory = tempfile.TemporaryDirectory(prefix="bff-memory-")
            path = Path(self._directory.name) / "memory.db"
        else:
            path = self._file.absolute()
        self._writing = Workers("bff-sqlite-write", 1)
        try:
            connection = await self._writing.run(lambda: open_database(path, durable=self._file is not None), lambda: None)
        except BaseException:
            await self._release()
            raise
        names = Names()
        self._connection = connection
        self._readers = Readers(path, names)
        writer = Writer(connection, path, names, durable=self._file is not None)
        short = ShortCommits(writer, path, self._readers.rounds)
        self._thread = thread = WriterThread("bff-sqlite-commit")
        self._flush = LogFlush(thread, path, writer.distrust_disk)
        self._commits = Commits(thread, writer, short, self._flush, self._wakes.committed)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            for listener in tuple(self._listeners):
                listener.close()
            await self._stop_watching()
            if self._commits is not None:
                await self._commits.close()
        finally:
            try:
                if self._readers is not None:
                    await self._readers.close()
                if self._writing is not None and self._connection is not None:
                    # The last connection to close moves the log into the file, which can take a while.
                    await self._writing.run(self._connection.close, lambda: None)
            finally:
                await self._release()

    async def _release(self) -> None:
        self._wakes.close()
        if self._thread is not None:
            self._thread.close()
        if self._flush is not None:
            self._flush.close()
        if self._writing is not None:
            await self._writing.close()
        if self._directory is not None:
            self._directory.cleanup()
        self._writing = self._thread = self._connection = self._directory = None
        self._commits = self._flush = self._readers = None

    def _opened(self) -> tuple[Readers, Commits]:
        if self._readers is None or self._commits is None:
            raise DatastoreUnavailable(f"{self.url} is not open: open it with `async with`")
        return self._readers, self._commits

    async def ping(self) -> Timepoint:
        readers, _ = self._opened()
        try:
            async with asyncio.timeout(PING_SECONDS), readers.snapshot() as snapshot:
                await snapshot.get([])
                return snapshot.timepoint
        except TimeoutError:
            raise DatastoreUnavailable(f"{self.url} did not answer within {PING_SECONDS:g} s") from None

    def snapshot(self) -> SQLiteSnapshot:
        readers, _ = self._opened()
        return readers.snapshot()

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        _, commits = self._opened()
        return await commits.commit(_request(writes, expect))

    async def commit_early(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> EarlyCommit:
        """As ``commit``: see ``bff.datastore.port.EarlyCommit``."""
        _, commits = self._opened()
        return await commits.commit_early(_request(writes, expect))

    @asynccontextmanager
    async def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AsyncIterator[SQLiteListening]:
        readers, _ = self._opened()
        listener = SQLiteListening(readers, targets, since)
        self._listeners.add(listener)
        if self._watching is None:
            self._watching = Supervisor("sqlite", backoff=Backoff(first=0.1, limit=2.0))
            well = partial(self._watching.healthy, "watch")
            self._watching.start("watch", Watch(readers.path, self._wake, well).run)
        try:
            yield listener
        finally:
            listener.close()
            self._listeners.discard(listener)
            if not self._listeners:
                await self._stop_watching()

    def status(self) -> tuple[Status, ...]:
        """How its tasks are: for ``/readyz``. There are none while nobody listens."""
        return () if self._watching is None else self._watching.status()

    async def _stop_watching(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            await watching.close()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.wake()


def _request(writes: Iterable[Write], expect: Iterable[Expectation]) -> CommitRequest:
    asked = tuple(writes)
    derived = all(write.derived for write in asked)
    return CommitRequest(asked, tuple(expect), tuple(map(text_of, asked)), derived)


def text_of(write: Write) -> bytes | None:
    """The data of a write as it is stored. Raises what is wrong with a write by itself."""
    if isinstance(write, Delete):
        check_path(write.path)
        return None
    return checked(write.path, write.data)
