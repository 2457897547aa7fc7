"""Handles documents, each version once: what mediators and forms have in common."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

from bff.datastore.port import Datastore, Delete, ExpectDocument, Set, Write
from bff.datastore.session import TransactionSession, transaction
from bff.document import Document
from bff.errors import Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.projection.attempts import DIED, NotedAttempts
from bff.projection.dirty_keys import Batch, Item
from bff.projection.follower import Follower
from bff.projection.handled import MEDIATORS, Handled, handled_path
from bff.projection.paging import pages, with_prefix
from bff.projection.status import FAILURES_SHOWN, WorkStatus
from bff.query import And, Compare, Op, Query
from bff.supervisor import Backoff
from bff.types import Timepoint

__all__ = ["Handling", "HandlingOptions"]

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 2000
PAGE = 100


@dataclass(frozen=True, slots=True)
class HandlingOptions:
    """``attempts`` is after how many attempts a version that raises is set aside, ``seconds`` how long one may take.

    ``retry`` is how long to wait between attempts.
    """

    attempts: int = 10
    seconds: float = 60.0
    concurrency: int = 4
    save_seconds: float = 1.0
    retry: Backoff | None = None
    backoff: Backoff | None = None


class Handling(ABC):
    """What one mediator, or one form, does about documents (a Subject). ``name`` is what its notes are kept under."""

    def __init__(
        self, datastore: Datastore, name: str, collections: Iterable[str], options: HandlingOptions, groups: Iterable[str] = ()
    ) -> None:
        self.name = name
        self._datastore = datastore
        self._options = options
        self.follower = Follower(
            datastore,
            f"mediator:{name}",
            collections,
            self,
            groups=groups,
            concurrency=options.concurrency,
            batch=1,
            save_seconds=options.save_seconds,
            retry=options.retry,
            backoff=options.backoff,
        )
        self._noted = NotedAttempts(datastore, name, self.follower.name, options.attempts)

    @abstractmethod
    def concerns(self, document: Document) -> bool:
        """Whether a document that exists is one of those that it handles, as far as the document tells."""
        ...

    @abstractmethod
    async def handle(self, session: TransactionSession, document: Document, before: Handled | None) -> Handled | None:
        """Within a unit of work: do what is to be done about the present state of a document.

        ``before`` is the note of what was handled, without failures. Returns the note to keep in its place, None where none is
        needed, and ``before`` itself where nothing is new.
        """
        ...

    def gave_up(self, document: Document) -> Sequence[Write]:
        """What is written when a version is set aside; the document itself may be."""
        return ()

    def status(self) -> WorkStatus:
        failures = self.follower.failures
        return WorkStatus(
            self.name,
            self.follower.progress.as_of,
            len(self.follower.dirty),
            len(failures) + failures.dropped,
            failures.first(FAILURES_SHOWN),
            self.follower.supervisor.status(),
        )

    async def again(self, path: str) -> str | None:
        """Handle a document now, also where it was set aside: what was raised, None where it is handled.

        Raises DatastoreUnavailable, OutcomeUnknown.
        """
        return await self._attempt(path, forced=True)

    async def begin(self) -> None:
        await self._noted.start(self.follower.progress.written)
        failing = And((Compare("mediator", Op.EQ, self.name), Compare("failing", Op.EQ, True)))
        async for documents in pages(self._datastore, Query(MEDIATORS, failing)):
            for handled in filter(None, map(Handled.from_document, documents)):
                self.follower.failures.failed(self.name, handled.path, handled.error or "", handled.attempts)
                self._noted.found(handled)

    def seen(self, documents: Sequence[Document]) -> None:
        """Nothing is learnt from what others do."""
        return

    async def concerned(self, documents: Sequence[Document]) -> AsyncIterator[Item]:
        for document in documents:
            if self._noted.is_left(document):
                continue
            # Which class a document was of that is gone, only the note of it tells.
            if not document.exists or self.concerns(document):
                yield self.name, document.path

    async def missing(self) -> AsyncIterator[Item]:
        async for documents in pages(self._datastore, Query(MEDIATORS, with_prefix(MEDIATORS, self.name)), PAGE):
            paths = [handled.path for handled in map(Handled.from_document, documents) if handled is not None]
            async with self._datastore.snapshot() as snapshot:
                gone = [document.path for document in await snapshot.get(paths) if not document.exists]
            for path in gone:
                yield self.name, path

    async def note(self) -> None:
        # Notes of documents cannot wait.
        await self._noted.write_down(self.follower.progress.written)

    async def work(self, batch: Batch) -> None:
        for path in batch[1]:
            await self._attempt(path)

    async def run(self, path: str, *, forced: bool, tried: list[Timepoint]) -> None:
        """One attempt, in a unit of work. ``tried`` is told which version it is about, once that is read."""
        await transaction(self._datastore, lambda session: self._handle(session, path, forced, tried))

    async def read(self, session: TransactionSession, path: str) -> tuple[Document, Handled | None]:
        """A document and its note, as a unit of work sees them."""
        document, note = await session.unit.get([path, handled_path(self.name, path)])
        return document, Handled.from_document(note)

    def write_note(self, session: TransactionSession, path: str, note: Handled | None) -> None:
        """Have the note part of a unit of work."""
        note_path = handled_path(self.name, path)
        session.unit.write(Delete(note_path) if note is None else Set(note_path, note.to_data()))

    async def _attempt(self, path: str, *, forced: bool = False) -> str | None:
        if forced or not (self._noted.wary or (self.name, path) in self.follower.failures):
            return await self._try(path, forced=forced)
        async with self._noted.turn():
            last = await self._noted.begin(path)
            if last is not None:
                return await self._failed(path, last, DIED)
            try:
                error = await self._try(path, forced=False)
            except asyncio.CancelledError:
                self._noted.cut_short(path)
                raise
            self._noted.ended(path)
            return error

    async def _try(self, path: str, *, forced: bool) -> str | None:
        tried: list[Timepoint] = []
        try:
            async with asyncio.timeout(self._options.seconds):
                await self.run(path, forced=forced, tried=tried)
        except (DatastoreUnavailable, OutcomeUnknown):
            raise
        except Exception as error:
            if isinstance(error, TimeoutError) and not str(error):
                error = TimeoutError(f"it took more than {self._options.seconds:g} s")
            return await self._failed(path, tried[-1] if tried else 0, error)
        self.follower.failures.succeeded(self.name, path)
        return None

    async def _handle(self, session: TransactionSession, path: str, forced: bool, tried: list[Timepoint]) -> None:
        document, stored = await self.read(session, path)
        tried.append(document.update_time)
        if stored is not None and not forced and stored.sets_aside(document):
            return
        before = stored if stored is None or stored.error is None else stored.settled()
        # The same for each attempt at this version, and for whoever handles it again.
        session.origin = f"{self.name}:{path}@{document.update_time or f'after {before.seen if before else 0}'}"
        # A note of nothing but a failure says nothing of what was handled.
        after = await self.handle(session, document, before if before is not None and before.seen else None)
        if after != stored:
            self.write_note(session, path, after)

    async def _failed(self, path: str, version: Timepoint, error: Exception) -> str:
        """Note that the document is not handled, so that it is tried again whatever happens to this process."""
        message = f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE]
        if (self.name, path) not in self.follower.failures:
            logger.error("%s: handling %s raised: %s", self.name, path, message, exc_info=error)
        note_path = handled_path(self.name, path)
        async with self._datastore.snapshot() as snapshot:
            note, document = await snapshot.get([note_path, path])
            now = snapshot.timepoint
        before = Handled.from_document(note) or Handled(self.name, path, 0)
        failing = before.failed_at(version, message, now, self._options.attempts)
        writes: list[Write] = []
        if failing.dead and not before.dead and document.update_time == version:
            writes += self.gave_up(document)
            failing = replace(failing, own=bool(writes))
        expect = [ExpectDocument(one.path, one.update_time if one.exists else None) for one in (note, document)]
        if not failing.dead:
            self.follower.failures.failed(self.name, path, message, failing.attempts)
        try:
            await self._datastore.commit([Set(note_path, failing.to_data()), *writes], expect if writes else expect[:1])
        except Conflict:
            # Somebody else was here: the document was handled or has changed, or another failure was noted. Have another look.
            self.follower.failures.failed(self.name, path, message, failing.attempts)
            return message
        if failing.dead:
            self.follower.failures.succeeded(self.name, path)
            if not before.dead:
                logger.error("%s: %s is set aside after %d attempts: see bff dead list", self.name, path, failing.attempts)
        return message
