"""A datastore that kills its own process (SIGKILL) right before or right after one of its calls."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Self

from bff.datastore.connect import open_datastore
from bff.datastore.port import Changes, Commit, Datastore, Expectation, Listening, ResumePoint, Snapshot, Target, Write
from bff.document import Document, collection_of
from bff.query import Query
from bff.types import Timepoint
from tests.delivered import Delivered

__all__ = ["KILL", "OVERRIDE", "SIGNAL", "TRACE", "KillPoint", "KillingDatastore"]

KILL = "FAULTS_KILL"
"""Names the environment variable of the point at which to die; none: never."""

OVERRIDE = "FAULTS_DATASTORE_URL"
"""Names the environment variable of what is opened in place of BFF_DATASTORE_URL, where it is set."""

SIGNAL = "FAULTS_SIGNAL"
"""Names the environment variable of the signal it sends itself in place of SIGKILL: with SIGSTOP it is frozen at that point."""

TRACE = "FAULTS_TRACE"
"""Names the environment variable of the file that is told each call."""


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Before or after the ``number``-th call of a kind: ``after 3 commit orders products``."""

    phase: Literal["before", "after"]
    number: int
    kind: str

    def __str__(self) -> str:
        return f"{self.phase} {self.number} {self.kind}"

    @classmethod
    def parse(cls, text: str) -> KillPoint:
        phase, number, kind = text.split(" ", 2)
        return cls("before" if phase == "before" else "after", int(number), kind)


class KillingDatastore:
    """What BFF_DATASTORE_URL names, until the call that FAULTS_KILL names. Each is read when it is opened."""

    def __init__(self) -> None:
        self._inner: Datastore | None = None
        self._point: KillPoint | None = None
        self._trace: str | None = None
        self._calls: Counter[str] = Counter()
        self._done: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def calls(self) -> Counter[str]:
        """How many calls of each kind were begun since it was opened."""
        return self._calls

    @property
    def inner(self) -> Datastore:
        if self._inner is None:
            raise RuntimeError("it is not open")
        return self._inner

    async def __aenter__(self) -> Self:
        point = os.environ.get(KILL)
        self._point = KillPoint.parse(point) if point else None
        self._trace = os.environ.get(TRACE) or None
        self._calls.clear()
        self._inner = await _datastore(os.environ.get(OVERRIDE) or os.environ["BFF_DATASTORE_URL"]).__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.inner.__aexit__(*exc_info)
        self._inner = None

    async def ping(self) -> Timepoint:
        return await self.inner.ping()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self.inner.snapshot() as snapshot:
            yield _KillingSnapshot(self, snapshot)

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes = list(writes)
        number, kind = self.begin("commit", (write.path for write in writes))
        commit = await self.inner.commit(writes, expect)
        self.end(number, kind)
        return commit

    @asynccontextmanager
    async def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AsyncIterator[Listening]:
        async with self.inner.listen(targets, since) as listening:
            yield Delivered(self._batches(listening), listening)

    async def _batches(self, listening: Listening) -> AsyncIterator[Changes]:
        """Before a batch is handed on, and after it has been processed."""
        async for changes in listening:
            number, kind = self.begin("listen", (document.path for document in changes.documents))
            yield changes
            self.end(number, kind)

    def begin(self, call: str, paths: Iterable[str]) -> tuple[int, str]:
        """A call is about to be made; its number, and its kind: what it does to which collections."""
        kind = " ".join([call, *sorted({collection_of(path) for path in paths})])
        self._calls[kind] += 1
        if self._trace is not None:
            with open(self._trace, "a") as trace:
                trace.write(f"{kind}\n")
        self._at("before", self._calls[kind], kind)
        return self._calls[kind], kind

    def end(self, number: int, kind: str) -> None:
        """The call was made: ``after`` counts those that were, since one that meets a conflict is made again."""
        self._done[kind] += 1
        self._at("after", self._done[kind], kind)

    def _at(self, phase: Literal["before", "after"], number: int, kind: str) -> None:
        if KillPoint(phase, number, kind) == self._point:
            os.kill(os.getpid(), signal.Signals[os.environ.get(SIGNAL, "SIGKILL")])


class _KillingSnapshot:
    def __init__(self, outer: KillingDatastore, inner: Snapshot) -> None:
        self._outer = outer
        self._inner = inner

    @property
    def timepoint(self) -> Timepoint:
        return self._inner.timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        number, kind = self._outer.begin("get", paths)
        documents = await self._inner.get(paths, fields)
        self._outer.end(number, kind)
        return documents

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        number, kind = self._outer.begin("query", (f"{query.collection}/any",))
        documents = await self._inner.query(query, fields)
        self._outer.end(number, kind)
        return documents

    async def count(self, query: Query) -> int:
        number, kind = self._outer.begin("count", (f"{query.collection}/any",))
        count = await self._inner.count(query)
        self._outer.end(number, kind)
        return count


def _datastore(url: str) -> Datastore:
    if not url.startswith("firestore:"):
        return open_datastore(url)
    from bff.datastore.firestore.address import Address
    from bff.datastore.firestore.datastore import FirestoreDatastore

    # A listener that hears nothing knows where it has come to by its heartbeat: a test does not wait 15 seconds for it.
    return FirestoreDatastore(Address.from_url(url), heartbeat=1.0)


def _conforms(datastore: KillingDatastore) -> Datastore:
    return datastore
