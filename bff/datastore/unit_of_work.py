"""One serializable unit of work: reads at one timepoint, writes that wait, and a commit that holds only if the reads still do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from bff.datastore.port import (
    Commit,
    Datastore,
    Delete,
    EarlyCommit,
    Expectation,
    ExpectDocument,
    ExpectQuery,
    Merge,
    Set,
    Snapshot,
    Snapshots,
    Write,
)
from bff.document import Document
from bff.matching import run
from bff.query import Query
from bff.types import Timepoint, Value
from bff.values import same_data

__all__ = ["Change", "CommitEarly", "UnitOfWork"]

CommitEarly: TypeAlias = Callable[[Iterable[Write], Iterable[Expectation]], Awaitable[EarlyCommit]]


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit makes of a document. ``before`` is None where it was written without being read."""

    before: Document | None
    after: Document


class UnitOfWork:
    """Reads and writes that take effect together or not at all.

    Every read is remembered, absent documents and query results included, and commits only hold if each would still be
    answered the same: optimistic concurrency control, which never makes a reader wait. It reads its own writes.
    """

    def __init__(self, datastore: Datastore, snapshot: Snapshot) -> None:
        self._datastore = datastore
        self._snapshot = snapshot
        self._documents: dict[str, Document] = {}
        self._expectations: list[Expectation] = []
        self._writes: dict[str, Write] = {}

    @property
    def snapshots(self) -> Snapshots:
        """Reads beside the unit of work, at its timepoint: the commit does not depend on what they find."""
        return _Beside(self._snapshot)

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        """The whole documents are read whatever ``fields`` says: a later read or write may be about the others."""
        unknown = [path for path in dict.fromkeys(paths) if path not in self._documents]
        if unknown:
            for document in await self._snapshot.get(unknown):
                self._documents[document.path] = document
                self._expectations.append(ExpectDocument(document.path, document.update_time if document.exists else None))
        return [self._as_written(self._documents[path]).only(fields) for path in paths]

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        return [document.only(fields) for document in await self._query(query)]

    async def count(self, query: Query) -> int:
        """By reading the results: the commit holds only if they are still the same."""
        return len(await self._query(query))

    async def _query(self, query: Query) -> list[Document]:
        mine = [path for path in self._writes if query.selects(Document(path, None))]
        # Each document written here can push at most one stored one out of a limited result, or leave it.
        wide = query if query.limit is None else replace(query, limit=query.limit + len(mine))
        found = await self._snapshot.query(wide)
        self._expectations.append(ExpectQuery(wide, tuple((document.path, document.update_time) for document in found)))
        self._documents.update((document.path, document) for document in found if document.path not in self._documents)
        if not mine:
            return found
        written = await self.get(mine)
        others = [document for document in found if document.path not in self._writes]
        return run(query, [*others, *(document for document in written if document.exists)])

    def write(self, write: Write) -> None:
        """Have it done at the commit; a later write to the same document builds on it."""
        before = self._writes.get(write.path)
        self._writes[write.path] = write if before is None else _after(before, write)

    def changes(self) -> list[Change]:
        """What the writes so far make of the documents they are of, as far as that differs from what was read."""
        changes = []
        for path in self._writes:
            before = self._documents.get(path)
            after = self._as_written(before or Document(path, None))
            if before is None or not _same(before, after):
                changes.append(Change(before, after))
        return changes

    async def commit(self) -> Timepoint:
        """Make the writes if every read still holds. Raises Conflict where one does not, and what ``Datastore.commit`` raises."""
        if not self._writes:
            return await self._timepoint()
        return (await self._datastore.commit(self._writes.values(), self._expectations)).timepoint

    async def commit_early(self) -> EarlyCommit:
        """As ``commit``, but returns before what it has made is flushed, where the datastore can do that."""
        early: CommitEarly | None = getattr(self._datastore, "commit_early", None)
        if early is None or not self._writes:
            return EarlyCommit(Commit(await self.commit()))
        return await early(self._writes.values(), self._expectations)

    async def _timepoint(self) -> Timepoint:
        """Reads of one timepoint are consistent as they are: there is nothing to protect."""
        # A snapshot that nobody read from has none yet.
        return self._snapshot.timepoint if self._expectations else await self._datastore.ping()

    def _as_written(self, document: Document) -> Document:
        write = self._writes.get(document.path)
        match write:
            case None:
                return document
            case Set(data=data):
                return Document(document.path, data, document.update_time)
            case Delete():
                return Document(document.path, None)
            case Merge(data=data, remove=remove):
                kept = {name: value for name, value in (document.data or {}).items() if name not in remove}
                return Document(document.path, {**kept, **data}, document.update_time)


class _Beside:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        yield self._snapshot


def _same(before: Document, after: Document) -> bool:
    if before.data is None or after.data is None:
        return before.data is after.data
    return same_data(before.data, after.data)


def _after(before: Write, write: Write) -> Write:
    """One write that does what two in a row do. The precondition is of the first: it speaks of the document as it is stored."""
    match before, write:
        case Set(), Merge():
            data: dict[str, Value] = {name: value for name, value in before.data.items() if name not in write.remove}
            return Set(before.path, {**data, **write.data}, before.precondition)
        case Merge(), Merge():
            kept = {name: value for name, value in before.data.items() if name not in write.remove}
            removed = tuple(name for name in {*before.remove, *write.remove} if name not in write.data)
            return Merge(before.path, {**kept, **write.data}, removed, before.precondition)
        case Delete(), Merge():
            return Set(write.path, write.data, before.precondition)
        case _, Set():
            return Set(write.path, write.data, before.precondition)
        case _:
            return Delete(write.path, before.precondition)
