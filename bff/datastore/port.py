"""The port to a document database with transactions and listeners.

Adapters pass ``bff.testing.datastore_conformance`` unchanged. They translate every driver error into ``bff.errors``, bound every
call in time, and never block the event loop for longer than a read of one document takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from bff.document import Document
from bff.query import Query
from bff.types import Timepoint, Value

__all__ = [
    "Changes",
    "Commit",
    "Datastore",
    "Delete",
    "EarlyCommit",
    "ExpectDocument",
    "ExpectQuery",
    "Expectation",
    "Listening",
    "Merge",
    "Precondition",
    "Reader",
    "ResumePoint",
    "Set",
    "Snapshot",
    "Snapshots",
    "Target",
    "Write",
]


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of a document for a write to it to be made: that it exists or not, or when it was last changed."""

    exists: bool | None = None
    update_time: Timepoint | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """Replace the whole document, or create it.

    One that is ``lasting`` is deleted by nobody for as long as a commit can be under way: one that must find it absent cannot be
    made twice, so that it can be sent again where its answer is lost.
    """

    path: str
    data: Mapping[str, Value]
    precondition: Precondition | None = None
    derived: bool = field(default=False, compare=False)
    lasting: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Merge:
    """Replace these top-level fields, remove those in ``remove``, keep the others; create the document if there is none."""

    path: str
    data: Mapping[str, Value]
    remove: tuple[str, ...] = ()
    precondition: Precondition | None = None
    derived: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the document; removing an absent one is no error."""

    path: str
    precondition: Precondition | None = None
    derived: bool = field(default=False, compare=False)


Write: TypeAlias = Set | Merge | Delete
"""One that is ``derived`` will be made again from what is stored if it is lost. Of a commit of such writes alone a datastore may
say that it is made before it would survive the loss of power. If it does not survive that, no later commit has: what is stored
afterwards is what was stored at some moment before, with everything in it that is not derived."""


@dataclass(frozen=True, slots=True)
class ExpectDocument:
    """The document is as it was read: last changed at ``update_time``, or absent where that is None."""

    path: str
    update_time: Timepoint | None


@dataclass(frozen=True, slots=True)
class ExpectQuery:
    """The query has the results it had when read: these paths, last changed at these timepoints, in this order."""

    query: Query
    results: tuple[tuple[str, Timepoint], ...]


Expectation: TypeAlias = ExpectDocument | ExpectQuery


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did. ``timepoint`` is its commit time: a snapshot taken afterwards sees it.

    A write that changes nothing keeps the document's old update time, is no change to listeners, and costs no timepoint:
    a commit of only such writes has the timepoint up to which the datastore is known to be unchanged.
    """

    timepoint: Timepoint


async def _survives() -> None:
    return


@dataclass(frozen=True, slots=True)
class EarlyCommit:
    """A commit that is made, and can be read, but may be lost with the power until ``flushed()`` has returned: before that,
    nobody is told that it was made. ``flushed`` raises OutcomeUnknown. No other commit is made before that.
    """

    commit: Commit
    flushed: Callable[[], Awaitable[None]] = _survives


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a listener stopped. ``timepoint`` is what it had seen everything up to; ``token`` is the adapter's own."""

    timepoint: Timepoint
    token: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What to listen to: the documents of a collection or, with ``group``, of every collection of that id."""

    collection: str
    group: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """Documents that changed, present or absent (deleted), each once, at its newest state in this batch.

    - ``reset``: a full resend begins with this batch: the listener is told the present state of everything; a document that
      has not come when the next ``resume`` does is gone.
    - ``resume`` is None in the middle of a resend. Otherwise everything up to ``resume.timepoint`` has been delivered, no
      commit in half. A batch without documents only moves the resume point.
    """

    documents: tuple[Document, ...]
    resume: ResumePoint | None
    reset: bool = False


class Reader(Protocol):
    """Reads documents, all of them true at one timepoint. Snapshots and units of work are readers.

    ``fields`` is a mask: of a document only these top-level fields are read, as far as it has them, and neither sent nor decoded
    are the others. With ``()`` a document that exists has ``data={}``: it is there, and ``update_time`` says since when.

    One whose reads are made one after the other, whoever asks for several at once, may say so by an attribute ``serial = True``.
    """

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        """The documents, one per path and in its order, absent ones with ``data=None``; one batched read."""
        ...

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        """The results, in the query's full order. Raises InvalidQuery."""
        ...

    async def count(self, query: Query) -> int:
        """How many results the query has, its cursors and its limit included, without reading them. Raises InvalidQuery."""
        ...


class Snapshot(Reader, Protocol):
    """Reads at one timepoint, which is not before any commit that had returned when the snapshot was opened."""

    @property
    def timepoint(self) -> Timepoint:
        """The timepoint that the reads are true for. Known after the first read on some datastores: read first."""
        ...


class Snapshots(Protocol):
    """What opens snapshots: a datastore, or a unit of work, whose only one it is."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Reads at one timepoint."""
        ...


class Listening(Protocol):
    """A running listener: ``async for changes in listening``.

    It heals itself: a lost connection is reopened with backoff and resumed, with at worst a resend. It only ends when it is
    closed, and only raises what no retry can heal (a bad target, no permission).
    """

    def __aiter__(self) -> AsyncIterator[Changes]: ...

    @property
    def following(self) -> bool:
        """Whether it is up to date, as far as it knows: everything up to the present comes to its reader as it happens.

        False before its reader has come back from the first batch with a ``resume``, and again from when a connection is lost, a
        resend begins or the datastore does not answer until the same holds anew: so what was late is behind its reader then. A
        datastore that falls silent is noticed by the adapter's own means, and no sooner.
        """
        ...

    def nudge(self) -> None:
        """Have it come soon to every timepoint that ``ping()`` has returned, also where nothing changes.

        Without it, the resume point of a listener to which nothing happens may stand still for a while.
        """
        ...


class Datastore(Protocol):
    """A document database. Opened and closed as an async context manager; one per event loop.

    One that waits for a disk may have a method ``commit_early``, as ``commit``, that returns an ``EarlyCommit``: what is made of
    the commit can be made while it is flushed. One whose reads do not wait, so that they are made one after the other whoever
    asks, may say so by an attribute ``serial = True``.
    """

    @property
    def url(self) -> str:
        """What it was opened with, without secrets: for logs and ``bff doctor``."""
        ...

    async def __aenter__(self) -> Datastore:
        """Open it. Raises DatastoreUnavailable or SettingsError, with a message that says what to do."""
        ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def ping(self) -> Timepoint:
        """Go there and back, within seconds. The datastore's present timepoint. Raises DatastoreUnavailable."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Reads at one timepoint, for up to a minute."""
        ...

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        """Make all writes, in order, or none; only if every precondition and expectation holds.

        Raises Conflict where one does not hold, DocumentTooLarge, DatastoreUnavailable (nothing was written), OutcomeUnknown.
        """
        ...

    def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AbstractAsyncContextManager[Listening]:
        """Follow the targets from ``since``, or from the present state (as a resend) where that is None.

        ``ResumePoint(await datastore.ping())`` means "from now". Where ``since`` is too old for the datastore to tell what
        changed, the listener begins with a resend. Entering waits for nothing; a datastore that is down is waited for.
        """
        ...
