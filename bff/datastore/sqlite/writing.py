"""Commits, on the one connection that writes: blocking, so for the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bff.datastore.port import Commit, Expectation, ExpectDocument, Merge, Precondition, Write
from bff.datastore.sqlite.connection import CHECKPOINT_PAGES, begin_writing, move_log, translated
from bff.datastore.sqlite.index import Difference, Indexed, difference, update_entries
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.pace import HERE_BYTES, STEPS, UNHURRIED, Pace, TooLong
from bff.datastore.sqlite.querying import run_query
from bff.datastore.sqlite.reading import read_clock, read_rows, read_update_times
from bff.datastore.sqlite.schema import TOMBSTONES, now
from bff.document import collection_of
from bff.errors import BFFError, Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.order_key import path_key
from bff.storable import checked
from bff.types import Timepoint, Value
from bff.values import changed_fields, load_document

__all__ = ["CommitRequest", "Writer"]

PRUNE_EVERY = 1024


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What one call of ``commit`` asks for. ``texts``: the data of each write as it is stored, None for a ``Delete``.

    ``derived``: all that is written can be made again, so that it need not wait for the disk.
    """

    writes: tuple[Write, ...]
    expect: tuple[Expectation, ...]
    texts: tuple[bytes | None, ...]
    derived: bool = False


@dataclass(slots=True)
class Pending:
    """A document within a commit: the bytes that are stored, and those that the writes so far make of it. None: there is none.

    The data is read from them alone, so that the index is of what is stored, whatever becomes of what the caller holds.
    """

    id: int | None
    old: bytes | None
    update_time: Timepoint | None
    new: bytes | None


@dataclass(frozen=True, slots=True)
class Storing:
    """A document that is to be written, and all that takes: from here on nothing is refused."""

    path: str
    document: Pending
    difference: Difference


class Writer:
    """Applies commits. Several that wait at once share a transaction, and so the one flush to the disk that takes the time.

    A transaction of derived documents alone is not flushed. The log is written and read from its beginning: the next flush is of
    it, too, and after a loss of power it ends before the first transaction that was lost.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, names: Names, *, durable: bool = False) -> None:
        """``durable``: the connection flushes what it commits."""
        self._connection = connection
        self._path = path
        self._names = names
        self._flushes = self._durable = durable
        self._checkpoints = True
        self._deletions = 0
        self.distrusts_disk = False
        """Whether a flush has failed, so that the log is to be moved into the file before anything else is committed.

        The system takes what it failed to write for written: later flushes leave it out, and after a loss of power the log
        ends there (https://wiki.postgresql.org/wiki/Fsync_Errors). What is moved is written once more, and flushed.
        """

    def apply(self, requests: Sequence[CommitRequest], wanted: Callable[[], bool]) -> list[Commit | BFFError]:
        """For each request what it came to. A refused one leaves no trace; an error of the file refuses all of them.

        Raises DatastoreUnavailable where nothing was written, OutcomeUnknown where the disk failed in the flush itself.
        """
        if self.distrusts_disk:
            with translated(self._path, "moving the log into"):
                move_log(self._connection, wanted)
            self.distrusts_disk = False
        return self._apply(requests, wanted, UNHURRIED)

    def apply_here(self, request: CommitRequest, pace: Pace) -> Commit | BFFError:
        """What one request came to, on the event loop: no lock is waited for, nothing flushed, no log moved into the file.

        Raises TooLong where it is to be made in a thread, and OutcomeUnknown.
        """
        self._connection.set_progress_handler(pace.is_over, STEPS)
        try:
            [outcome] = self._apply([request], lambda: False, pace)
        except DatastoreUnavailable:
            # Locked, interrupted, or whatever else is wrong: nothing was written, and the thread waits for it, or says it.
            raise TooLong from None
        finally:
            self._connection.set_progress_handler(None, 0)
        return outcome

    def flushes(self, request: CommitRequest) -> bool:
        """Whether a commit of it alone waits for the disk."""
        return self._durable and not request.derived

    def distrust_disk(self) -> None:
        """A flush has failed."""
        self.distrusts_disk = True

    def _apply(self, requests: Sequence[CommitRequest], wanted: Callable[[], bool], pace: Pace) -> list[Commit | BFFError]:
        connection = self._connection
        try:
            with translated(self._path, "writing to"):
                here = pace is not UNHURRIED
                self._set(flushes=not here and not all(request.derived for request in requests), checkpoints=not here)
                begin_writing(connection, wanted)
                before = last = read_clock(connection)
                outcomes: list[Commit | BFFError] = []
                for request in requests:
                    outcome = self._attempt(request, last, pace)
                    outcomes.append(outcome)
                    if isinstance(outcome, Commit):
                        last = outcome.timepoint
                if last != before:
                    connection.execute("UPDATE clock SET last = ?", (last,))
                pace.tick()
            connection.set_progress_handler(None, 0)  # it is too late now
            with translated(self._path, "committing to", on_disk_error=OutcomeUnknown):
                connection.execute("COMMIT")
        except BaseException as error:
            self._names.forget()
            if isinstance(error, OutcomeUnknown):
                self.distrust_disk()
            raise
        finally:
            if connection.in_transaction:
                # What is interrupted here would leave the transaction open, and every commit after it refused.
                connection.set_progress_handler(None, 0)
                connection.execute("ROLLBACK")
        return outcomes

    def _set(self, *, flushes: bool, checkpoints: bool) -> None:
        """Whether the next transaction is to be flushed, and to move the log into the file if that is long enough."""
        pragmas = []
        if self._durable and self._flushes is not flushes:
            pragmas.append(f"PRAGMA synchronous = {'FULL' if flushes else 'NORMAL'}")
        if self._checkpoints is not checkpoints:
            pragmas.append(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES if checkpoints else 0}")
        if pragmas:
            # Not ``execute``: they take effect when they are prepared, and prepared statements are kept.
            self._connection.executescript(";".join(pragmas))
            self._flushes, self._checkpoints = flushes, checkpoints

    def _attempt(self, request: CommitRequest, last: Timepoint, pace: Pace) -> Commit | BFFError:
        """One request. What is refused is refused before it writes, so that there is nothing to undo."""
        try:
            storing = self._prepare(request, pace)
        except BFFError as refused:
            return refused
        if not storing:
            return Commit(last)
        # The hybrid clock: the machine's time, but later than every commit before, whatever the machine's clock does.
        timepoint = max(now(), last + 1)
        if self._deletions % PRUNE_EVERY + len(storing) >= PRUNE_EVERY:
            pace.long()  # it may be time to prune
        update_entries(self._connection, self._names, [self._store(one, timepoint) for one in storing])
        return Commit(timepoint)

    def _prepare(self, request: CommitRequest, pace: Pace) -> list[Storing]:
        """What changes, and how. Raises what a commit is refused with."""
        documents = self._load(dict.fromkeys(write.path for write in request.writes))
        self._check_expectations(request.expect, documents, pace)
        for write, text in zip(request.writes, request.texts, strict=True):
            document = documents[write.path]
            if write.precondition is not None:
                check_precondition(write.path, write.precondition, document)
            document.new = written(document, write, text)
        storing: list[Storing] = []
        for path, document in documents.items():
            if document.old == document.new:
                continue
            pace.tick()
            if len(document.old or b"") > HERE_BYTES:
                pace.long()
            old, new = _data(document.old), _data(document.new)
            changed = changed_fields(old or {}, new or {})
            if changed or old is None or new is None:
                size = len(document.new or b"")
                storing.append(Storing(path, document, difference(path, old, new, changed, size)))
        return storing

    def _check_expectations(self, expectations: Sequence[Expectation], loaded: Mapping[str, Pending], pace: Pace) -> None:
        expected = [(one.path, one.update_time) for one in expectations if isinstance(one, ExpectDocument)]
        others = [path for path, _ in expected if path not in loaded]
        found = read_update_times(self._connection, others)
        for path, update_time in expected:
            if (loaded[path].update_time if path in loaded else found.get(path)) != update_time:
                raise Conflict(f"{path} was changed by somebody else")
        for one in expectations:
            if isinstance(one, ExpectDocument):
                continue
            results = run_query(self._connection, self._names, one.query, (), pace)
            if tuple((document.path, document.update_time) for document in results) != one.results:
                raise Conflict(f"the results of a query on {one.query.collection} were changed by somebody else")

    def _load(self, paths: Iterable[str]) -> dict[str, Pending]:
        """The documents of these paths, in their order, as they are now."""
        found = read_rows(self._connection, ", id, data", list(paths))
        documents: dict[str, Pending] = {}
        for path in paths:
            row = found.get(path_key(path))
            if row is None:
                documents[path] = Pending(None, None, None, None)
            else:
                _, update_time, id, data = row
                documents[path] = Pending(id, data, update_time, data)
        return documents

    def _store(self, storing: Storing, timepoint: Timepoint) -> Indexed:
        """Store a document; what is then to be done to the index."""
        connection, path, key = self._connection, storing.path, path_key(storing.path)
        id, data = storing.document.id, storing.document.new
        if data is None:
            scope = self._names.scope(connection, collection_of(path))
            connection.execute("DELETE FROM documents WHERE id = ?", (id,))
            connection.execute("INSERT OR REPLACE INTO tombstones (path, scope, time) VALUES (?, ?, ?)", (key, scope, timepoint))
            self._deletions += 1
            if self._deletions % PRUNE_EVERY == 0:
                self._prune()
        elif id is None:
            scope = self._names.scope(connection, collection_of(path))
            cursor = connection.execute(
                "INSERT INTO documents (path, scope, update_time, data) VALUES (?, ?, ?, ?)", (key, scope, timepoint, data)
            )
            id = cursor.lastrowid
            connection.execute("DELETE FROM tombstones WHERE path = ?", (key,))
        else:
            connection.execute("UPDATE documents SET update_time = ?, data = ? WHERE id = ?", (timepoint, data, id))
        return Indexed(path, key, id or 0, storing.difference)

    def _prune(self) -> None:
        """Forget the oldest deletions over the bound, and note up to when the feed is incomplete for it."""
        connection = self._connection
        over = connection.execute("SELECT count(*) FROM tombstones").fetchone()[0] - TOMBSTONES
        if over <= 0:
            return
        # A commit is forgotten whole: the feed from the horizon on lacks no half of one.
        horizon = connection.execute("SELECT time FROM tombstones ORDER BY time LIMIT 1 OFFSET ?", (over,)).fetchone()[0]
        connection.execute("DELETE FROM tombstones WHERE time <= ?", (horizon,))
        connection.execute("UPDATE clock SET horizon = ?", (horizon,))


def check_precondition(path: str, precondition: Precondition, document: Pending) -> None:
    """Raises Conflict. A document that this same commit has written is the new one, but was last changed when it was before."""
    exists = document.new is not None
    if precondition.exists is not None and precondition.exists is not exists:
        raise Conflict(f"{path} {'exists already' if exists else 'does not exist'}")
    if precondition.update_time is not None and not (exists and precondition.update_time == document.update_time):
        raise Conflict(f"{path} was {'changed' if exists else 'deleted'} by somebody else")


def written(document: Pending, write: Write, text: bytes | None) -> bytes | None:
    """What the document is stored as after a write; ``text`` is that of its data."""
    if not isinstance(write, Merge):
        return text
    merged = {name: value for name, value in (_data(document.new) or {}).items() if name not in write.remove}
    merged.update(write.data)
    return checked(write.path, merged)


def _data(stored: bytes | None) -> dict[str, Value] | None:
    return None if stored is None else load_document(stored)
