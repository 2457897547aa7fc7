"""Commits, on the one connection that writes: blocking, so for the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bff.datastore.port import Commit, Delete, Expectation, ExpectDocument, Merge, Precondition, Write
from bff.datastore.sqlite.connection import begin_writing, translated
from bff.datastore.sqlite.index import update_entries
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.reading import read_clock, run_query
from bff.datastore.sqlite.schema import TOMBSTONES, now
from bff.document import collection_of
from bff.errors import BFFError, Conflict, OutcomeUnknown
from bff.order_key import path_key
from bff.storable import check_document
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document, same_data

__all__ = ["CommitRequest", "Writer"]

PRUNE_EVERY = 1024


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What one call of ``commit`` asks for."""

    writes: tuple[Write, ...]
    expect: tuple[Expectation, ...]


@dataclass(slots=True)
class Pending:
    """A document within a commit: as it is stored, and as the writes so far make it."""

    id: int | None
    raw: bytes | None
    update_time: Timepoint | None
    old: Mapping[str, Value] | None
    new: Mapping[str, Value] | None


class Writer:
    """Applies commits. Several that wait at once share a transaction, and so the one flush to the disk that takes the time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, names: Names) -> None:
        self._connection = connection
        self._path = path
        self._names = names
        self._deletions = 0

    def apply(self, requests: Sequence[CommitRequest], wanted: Callable[[], bool]) -> list[Commit | BFFError]:
        """For each request what it came to. A refused one leaves no trace; an error of the file refuses all of them.

        Raises DatastoreUnavailable where nothing was written, OutcomeUnknown where the disk failed in the flush itself.
        """
        connection = self._connection
        try:
            with translated(self._path, "writing to"):
                begin_writing(connection, wanted)
                last = read_clock(connection)
                outcomes: list[Commit | BFFError] = []
                for request in requests:
                    outcome = self._attempt(request, last)
                    outcomes.append(outcome)
                    if isinstance(outcome, Commit):
                        last = outcome.timepoint
            with translated(self._path, "committing to", on_disk_error=OutcomeUnknown):
                connection.execute("COMMIT")
        except BaseException:
            self._names.forget()
            raise
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return outcomes

    def _attempt(self, request: CommitRequest, last: Timepoint) -> Commit | BFFError:
        """One request, in its own savepoint: what is refused after it began to write is undone."""
        connection = self._connection
        connection.execute("SAVEPOINT request")
        try:
            timepoint = self._apply(request, last)
        except BFFError as refused:
            connection.execute("ROLLBACK TO request")
            connection.execute("RELEASE request")
            self._names.forget()
            return refused
        connection.execute("RELEASE request")
        return Commit(timepoint)

    def _apply(self, request: CommitRequest, last: Timepoint) -> Timepoint:
        for expectation in request.expect:
            self._check_expectation(expectation)
        documents: dict[str, Pending] = {}
        for write in request.writes:
            document = documents.get(write.path) or self._load(write.path)
            if write.precondition is not None:
                check_precondition(write.path, write.precondition, document)
            document.new = written(document, write)
            documents[write.path] = document
        changed = {path: document for path, document in documents.items() if document.old is not document.new}
        raws = {path: dump_document(document.new) for path, document in changed.items() if document.new is not None}
        changed = {path: document for path, document in changed.items() if is_changed(document, raws.get(path))}
        if not changed:
            return last
        # The hybrid clock: the machine's time, but later than every commit before, whatever the machine's clock does.
        timepoint = max(now(), last + 1)
        for path, document in changed.items():
            self._store(path, document, raws.get(path), timepoint)
        self._connection.execute("UPDATE clock SET last = ?", (timepoint,))
        return timepoint

    def _check_expectation(self, expectation: Expectation) -> None:
        if isinstance(expectation, ExpectDocument):
            found = self._connection.execute("SELECT update_time FROM documents WHERE path = ?", (path_key(expectation.path),))
            row = found.fetchone()
            if (None if row is None else row[0]) != expectation.update_time:
                raise Conflict(f"{expectation.path} was changed by somebody else")
            return
        results = run_query(self._connection, self._names, expectation.query, ())
        if tuple((document.path, document.update_time) for document in results) != expectation.results:
            raise Conflict(f"the results of a query on {expectation.query.collection} were changed by somebody else")

    def _load(self, path: str) -> Pending:
        found = self._connection.execute(
            "SELECT id, data, update_time FROM documents WHERE path = ?", (path_key(path),)
        ).fetchone()
        if found is None:
            return Pending(None, None, None, None, None)
        id, raw, update_time = found
        data = load_document(raw)
        return Pending(id, raw, update_time, data, data)

    def _store(self, path: str, document: Pending, raw: bytes | None, timepoint: Timepoint) -> None:
        connection, key = self._connection, path_key(path)
        scope = self._names.scope(connection, collection_of(path))
        id = document.id
        if raw is None:
            connection.execute("DELETE FROM documents WHERE id = ?", (id,))
            connection.execute("INSERT OR REPLACE INTO tombstones (path, scope, time) VALUES (?, ?, ?)", (key, scope, timepoint))
            self._deletions += 1
            if self._deletions % PRUNE_EVERY == 0:
                self._prune()
        elif id is None:
            cursor = connection.execute(
                "INSERT INTO documents (path, scope, update_time, data) VALUES (?, ?, ?, ?)", (key, scope, timepoint, raw)
            )
            id = cursor.lastrowid
            connection.execute("DELETE FROM tombstones WHERE path = ?", (key,))
        else:
            connection.execute("UPDATE documents SET update_time = ?, data = ? WHERE id = ?", (timepoint, raw, id))
        update_entries(connection, self._names, path, key, id or 0, document.old, document.new)

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


def written(document: Pending, write: Write) -> Mapping[str, Value] | None:
    """The document's data after a write."""
    if isinstance(write, Delete):
        return None
    if isinstance(write, Merge):
        merged = {name: value for name, value in (document.new or {}).items() if name not in write.remove}
        merged.update(write.data)
        check_document(write.path, merged)
        return merged
    return dict(write.data)


def is_changed(document: Pending, raw: bytes | None) -> bool:
    if document.old is None or document.new is None:
        return document.old is not document.new
    return raw != document.raw and not same_data(document.old, document.new)
