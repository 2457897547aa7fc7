"""A running listener: reads the feed whenever there is news, when its reader asks for more.

There is no queue and no task: what has not been asked for is still in the file, and comes merged when it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from bff.datastore.port import Changes, ResumePoint, Target
from bff.datastore.sqlite.feed import Feed, News
from bff.datastore.sqlite.pace import Pace
from bff.datastore.sqlite.readers import Readers
from bff.errors import DatastoreUnavailable
from bff.types import Timepoint

__all__ = ["SQLiteListening"]

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.25
"""Batches without documents come no sooner after another batch: writes elsewhere need not wake this listener each time."""

MAX_BACKOFF = 5.0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a listener stands. Within a resend, ``resend`` is when it began and ``after`` what it has come to."""

    database: str = ""
    until: Timepoint = 0
    resend: Timepoint | None = None
    after: tuple[int, bytes] | None = None
    checked: bool = False


class SQLiteListening:
    def __init__(self, readers: Readers, targets: Sequence[Target], since: ResumePoint | None) -> None:
        self._readers = readers
        self._feed = Feed(readers.names, targets)
        self._since = since
        self._position = Position()
        self._told: Timepoint | None = None if since is None else since.timepoint
        self._quiet_until = 0.0
        self._news = asyncio.Event()
        self._closed = False
        self._failures = 0
        self._whole = False
        self._following = False

    @property
    def following(self) -> bool:
        return self._following and not self._closed

    def wake(self) -> None:
        """There may be news."""
        self._news.set()

    def nudge(self) -> None:
        self._quiet_until = 0.0
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Changes]:
        return self

    async def __anext__(self) -> Changes:
        # Nothing of the state moves before the batch is returned: a cancelled call loses nothing.
        self._following = self._whole  # whoever comes back has done with what it was given
        if self._whole and not self._news.is_set() and self._told == self._position.until:
            # Whatever was committed since the last look, here or by another process, wakes it: there is nothing to look for.
            await self._wait(owed=False)
        while not self._closed:
            self._news.clear()
            try:
                async with self._readers.snapshot() as snapshot:
                    changes, position = await snapshot.read_here(self._next)
            except DatastoreUnavailable as error:
                self._following = self._whole = False
                if not self._closed:
                    await self._back_off(error)
                continue
            self._failures = 0
            self._position = position
            self._whole = position.resend is None
            self._following = self._following and self._whole
            if changes is not None and (changes.documents or changes.reset or changes.resume is None or self._is_due()):
                return self._deliver(changes)
            self._following = True
            await self._wait(owed=changes is not None)
        raise StopAsyncIteration

    def _is_due(self) -> bool:
        return asyncio.get_running_loop().time() >= self._quiet_until

    def _deliver(self, changes: Changes) -> Changes:
        if changes.resume is not None:
            self._told = changes.resume.timepoint
        self._quiet_until = asyncio.get_running_loop().time() + QUIET_SECONDS
        return changes

    async def _wait(self, *, owed: bool) -> None:
        """For news, or a nudge; or, where a batch without documents is owed, for the time that it is due."""
        try:
            async with asyncio.timeout_at(self._quiet_until if owed else None):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _back_off(self, error: DatastoreUnavailable) -> None:
        self._failures += 1
        pause = min(MAX_BACKOFF, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        log.warning("listener: %s; trying again in %.1f s", error, pause)
        try:
            async with asyncio.timeout(pause):
                while not self._closed:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass

    # On a snapshot's connection; of a resend, in a worker thread:

    def _next(self, connection: sqlite3.Connection, pace: Pace) -> tuple[Changes | None, Position]:
        position = self._position if self._position.checked else self._start(connection)
        if position.resend is None:
            news = self._feed.news(connection, position.until, pace)
            if news is not None:
                return self._news_batch(news, position)
            pace.long()
            position = replace(position, resend=self._present(connection), after=None)
            return self._resend(connection, position, reset=True)
        pace.long()
        return self._resend(connection, position, reset=position.after is None)

    def _start(self, connection: sqlite3.Connection) -> Position:
        database = self._feed.database(connection)
        since = self._since
        if since is None or since.token not in {"", database}:
            return Position(database, resend=self._present(connection), checked=True)
        return Position(database, until=since.timepoint, checked=True)

    def _present(self, connection: sqlite3.Connection) -> Timepoint:
        return int(connection.execute("SELECT last FROM clock").fetchone()[0])

    def _news_batch(self, news: News, position: Position) -> tuple[Changes | None, Position]:
        moved = replace(position, until=news.until)
        if not news.documents and news.until == self._told:
            return None, moved
        return Changes(news.documents, ResumePoint(news.until, position.database)), moved

    def _resend(self, connection: sqlite3.Connection, position: Position, *, reset: bool) -> tuple[Changes, Position]:
        """The next page. Each is read at its own time, so that no transaction stays open for as long as the listener's
        reader takes; with the last one comes what has changed since the first, and all is true for one time."""
        page = self._feed.page(connection, position.after)
        if page.after is not None:
            return Changes(page.documents, None, reset), replace(position, after=page.after)
        news = self._feed.news(connection, position.resend or 0)
        if news is None:
            # More has changed meanwhile than one delivery holds: begin anew, but after this page.
            return Changes(page.documents, None, reset), replace(position, resend=self._present(connection), after=None)
        documents = {document.path: document for document in (*page.documents, *news.documents)}
        resume = ResumePoint(news.until, position.database)
        return Changes(tuple(documents.values()), resume, reset), Position(position.database, news.until, checked=True)
