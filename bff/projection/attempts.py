"""Attempts that are noted before they are made, since they may be the end of their process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bff.datastore.port import Datastore, Delete, ExpectDocument, ResumePoint, Set
from bff.document import Document
from bff.errors import Conflict
from bff.projection.checkpoint import checkpoint_path
from bff.projection.handled import Handled, handled_path, what_happened
from bff.types import Timepoint

__all__ = ["DIED", "HandlerDied", "NotedAttempts"]


class HandlerDied(Exception):
    """What is noted of an attempt that was the end of its process."""


DIED = HandlerDied("the process ended before this was done")


class NotedAttempts:
    """The attempts of one mediator, or of one form, that are noted, and what is known of those that nobody came back from.

    A handler may be the end of its process, and so no attempt that anybody counts. So an attempt is noted before it is made where
    there is reason to: at a document that has failed before, and, where the life before did not come through its start, at
    everything until this one has, one after another. That a life has not is said by ``_bff_projectors/<name>:starting``. No
    other attempt costs a write.
    """

    def __init__(self, datastore: Datastore, name: str, follower: str, most: int) -> None:
        """``name`` is what notes are kept under, ``follower`` what the checkpoint is, ``most`` how often one version is tried."""
        self._datastore = datastore
        self._name = name
        self._most = most
        self._start_path = f"{checkpoint_path(follower)}:starting"
        self._starting = False
        self.wary = False
        """Whether every attempt is to be noted."""
        self._from: ResumePoint | None = None
        self._died: dict[str, Timepoint] = {}
        """Paths of the documents, and their versions, at which a process ended: tried again after a while, others first."""
        self._begun: dict[str, Timepoint] = {}
        """What was noted here to have begun."""
        self._cut: set[str] = set()
        self._alone = asyncio.Lock()

    async def start(self, written: ResumePoint | None) -> None:
        """This life begins, from where the checkpoint is. Raises DatastoreUnavailable; to be called again then."""
        if self._starting:
            return
        start = Set(self._start_path, {}, derived=True)
        async with self._datastore.snapshot() as snapshot:
            [before] = await snapshot.get([start.path])
        # The life before this one did not come through its start: whatever it had in hand may have been why.
        self.wary = before.exists
        if not before.exists:
            await self._datastore.commit([start])
        self._from, self._starting = written, True

    def found(self, handled: Handled) -> None:
        """A note of a failure that was there before this life."""
        if handled.begun:
            self._died[handled.path] = handled.failed

    def is_left(self, document: Document) -> bool:
        """Whether a process ended at this version: it is tried again in its time, and not because it was delivered."""
        return self._died.get(document.path) == document.update_time

    async def write_down(self, written: ResumePoint | None) -> None:
        """What could wait: that the start is through, and that what had begun was cut short. Raises DatastoreUnavailable."""
        if self._starting and written is not self._from:
            await self._datastore.commit([Delete(self._start_path, derived=True)])
            self._starting = self.wary = False
        while self._cut:
            await self._withdraw(next(iter(self._cut)))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One at a time while all are noted: of several that had begun, nobody could tell which was the end of the process."""
        if not self.wary:
            yield
            return
        async with self._alone:
            yield

    async def begin(self, path: str) -> Timepoint | None:
        """Note that an attempt begins. The version at which it is one too many, and is not to be made; None otherwise.

        Raises DatastoreUnavailable, OutcomeUnknown.
        """
        async with self._datastore.snapshot() as snapshot:
            note, document = await snapshot.get([handled_path(self._name, path), path])
            now = snapshot.timepoint
        version, stored = document.update_time, Handled.from_document(note)
        before = stored or Handled(self._name, path, 0)
        if before.sets_aside(document) or (before.error is None and what_happened(document, stored) is None):
            return None  # there is nothing to be done
        if before.has_begun(version):
            if self._begun.get(path) == version:
                return None  # by us: the datastore has not answered since
            if before.attempts >= self._most:
                self._died.pop(path, None)
                return version
        begun = before.begun_at(version, f"{type(DIED).__name__}: {DIED}", now)
        try:
            await self._datastore.commit(
                [Set(note.path, begun.to_data())], [ExpectDocument(note.path, note.update_time if note.exists else None)]
            )
        except Conflict:
            return None  # somebody else is at it
        self._begun[path] = version
        return None

    def ended(self, path: str) -> None:
        """The attempt was made, whatever it came to."""
        self._begun.pop(path, None)
        self._died.pop(path, None)

    def cut_short(self, path: str) -> None:
        """This process is told to end in the middle of the attempt."""
        if path in self._begun:
            self._cut.add(path)

    async def _withdraw(self, path: str) -> None:
        async with self._datastore.snapshot() as snapshot:
            [note] = await snapshot.get([handled_path(self._name, path)])
        stored = Handled.from_document(note)
        if stored is not None and stored.has_begun(self._begun[path]):
            left = stored.withdrawn()
            write = Delete(note.path) if left is None else Set(note.path, left.to_data())
            with suppress(Conflict):
                await self._datastore.commit([write], [ExpectDocument(note.path, note.update_time)])
        self._cut.discard(path)
