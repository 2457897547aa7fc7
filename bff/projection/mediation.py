"""Runs what Mediators do when documents change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType

from bff.datastore.port import Datastore, Delete, ExpectDocument, Set
from bff.datastore.session import TransactionSession, transaction
from bff.document import Document, collection_of
from bff.errors import Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.mediator import Mediator, SourceDefinition
from bff.projection.dirty_keys import Batch, Item
from bff.projection.failures import Failure
from bff.projection.follower import Follower
from bff.projection.handled import MEDIATORS, Handled, What, handled_path, what_happened
from bff.projection.paging import pages, with_prefix
from bff.projection.status import FAILURES_SHOWN
from bff.query import And, Compare, Op, Query
from bff.supervisor import Backoff, State, Status
from bff.types import Timepoint
from bff.values import same_data

__all__ = ["Mediation", "MediatorStatus"]

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 2000
PAGE = 100


@dataclass(frozen=True, slots=True)
class MediatorStatus:
    """``failures`` are the first of the ``failing`` documents whose trigger raises, with the mediator and the path."""

    name: str
    as_of: Timepoint
    waiting: int
    failing: int
    failures: tuple[Failure, ...]
    tasks: tuple[Status, ...]

    @property
    def healthy(self) -> bool:
        return all(task.state is not State.FAILING for task in self.tasks)


class Mediation:
    """Calls the triggers of every Mediator that has sources, until it is closed.

    A trigger takes effect exactly once for each version of a document that it is called for, whatever crashes: what it writes and
    the note that the version is handled are one commit. Versions that follow each other faster than they are handled count as
    one, the newest; what a trigger itself writes to the document that it was called for calls it no more. At the first start of a
    mediator the documents that are there already are created ones.

    A trigger that raises is tried again with backoff, and when its document changes, and holds up no other.
    """

    def __init__(
        self,
        datastore: Datastore,
        catalog: Catalog,
        *,
        concurrency: int = 4,
        save_seconds: float = 1.0,
        retry: Backoff | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._triggers = [
            _Triggers(datastore, mediator, concurrency, save_seconds, retry, backoff)
            for mediator in catalog.mediators
            if mediator.__mediator__.sources
        ]

    async def __aenter__(self) -> Mediation:
        for triggers in self._triggers:
            triggers.follower.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            for triggers in self._triggers:
                stack.push_async_callback(triggers.follower.close)

    def status(self) -> tuple[MediatorStatus, ...]:
        return tuple(triggers.status() for triggers in self._triggers)

    async def wait_for(self, timepoint: Timepoint, timeout: float = 30.0) -> None:
        """Wait until every change up to the timepoint is handled, or its failure is noted. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            for triggers in self._triggers:
                await triggers.follower.wait_for(timepoint)


class _Triggers:
    """One mediator's triggers (a Subject)."""

    def __init__(
        self,
        datastore: Datastore,
        mediator: type[Mediator],
        concurrency: int,
        save_seconds: float,
        retry: Backoff | None,
        backoff: Backoff | None,
    ) -> None:
        self._datastore = datastore
        self._mediator = mediator()
        definition = mediator.__mediator__
        self._name = definition.name
        self._sources: dict[str, list[SourceDefinition]] = {}
        for source in definition.sources:
            self._sources.setdefault(source.model.__document__.collection, []).append(source)
        self.follower = Follower(
            datastore,
            f"mediator:{definition.name}",
            self._sources,
            self,
            concurrency=concurrency,
            batch=1,
            save_seconds=save_seconds,
            retry=retry,
            backoff=backoff,
        )

    def status(self) -> MediatorStatus:
        failures = self.follower.failures
        return MediatorStatus(
            self._name,
            self.follower.progress.as_of,
            len(self.follower.dirty),
            len(failures) + failures.dropped,
            failures.first(FAILURES_SHOWN),
            self.follower.supervisor.status(),
        )

    async def begin(self) -> None:
        failing = And((Compare("mediator", Op.EQ, self._name), Compare("failing", Op.EQ, True)))
        async for documents in pages(self._datastore, Query(MEDIATORS, failing)):
            for handled in filter(None, map(Handled.from_document, documents)):
                self.follower.failures.failed(self._name, handled.path, handled.error or "", handled.attempts)

    def seen(self, documents: Sequence[Document]) -> None:
        """Nothing is learnt from what others do."""

    async def concerned(self, documents: Sequence[Document]) -> AsyncIterator[Item]:
        for document in documents:
            # Which class a document was of that is gone, only the note of it tells.
            if not document.exists or any(source.model.holds(document) for source in self._sources[document.collection]):
                yield self._name, document.path

    async def missing(self) -> AsyncIterator[Item]:
        async for documents in pages(self._datastore, Query(MEDIATORS, with_prefix(MEDIATORS, self._name)), PAGE):
            paths = [handled.path for handled in map(Handled.from_document, documents) if handled is not None]
            async with self._datastore.snapshot() as snapshot:
                gone = [document.path for document in await snapshot.get(paths) if not document.exists]
            for path in gone:
                yield self._name, path

    async def note(self) -> None:
        """There is nothing that could wait: every note is of the commit that it tells of."""

    async def work(self, batch: Batch) -> None:
        for path in batch[1]:
            try:
                await transaction(self._datastore, lambda session, path=path: self._handle(session, path))  # type: ignore[misc]
            except (DatastoreUnavailable, OutcomeUnknown):
                raise
            except Exception as error:
                await self._failed(path, error)
            else:
                self.follower.failures.succeeded(self._name, path)

    async def _handle(self, session: TransactionSession, path: str) -> None:
        """Within a unit of work: see what is new about the document, call the triggers, and note that it is handled."""
        note_path = handled_path(self._name, path)
        document, note = await session.unit.get([path, note_path])
        before = Handled.from_document(note)
        what = what_happened(document, before)
        if what is None:
            if before is not None and before.error is not None:
                session.unit.write(_settled(note_path, before))
            return
        last: DomainModel | None = None
        for source in self._sources.get(collection_of(path), ()):
            model = self._model(session, source, document, before, what)
            if model is None:
                continue
            for trigger in source.triggers:
                if trigger.kind in {what, "change"}:
                    await trigger.call(self._mediator, model)
            last = model
        if what == "delete":
            session.unit.write(Delete(note_path))
            return
        data = None if last is None else last.to_data()
        own = data is not None and document.data is not None and not same_data(data, document.data)
        handled = Handled(self._name, path, document.update_time, data if self._keeps(path) else None, own=own)
        session.unit.write(Set(note_path, handled.to_data()))

    def _model(
        self, session: TransactionSession, source: SourceDefinition, document: Document, before: Handled | None, what: What
    ) -> DomainModel | None:
        if what != "delete":
            return session.adopt(source.model, document)
        if before is None or before.data is None:
            return None
        last = Document(document.path, before.data, before.seen)
        return source.model.from_document(last) if source.model.holds(last) else None

    def _keeps(self, path: str) -> bool:
        """Whether any trigger will want to know what was deleted."""
        sources = self._sources.get(collection_of(path), ())
        return any(trigger.kind in {"delete", "change"} for source in sources for trigger in source.triggers)

    async def _failed(self, path: str, error: Exception) -> None:
        """Note that the document is not handled, so that it is tried again whatever happens to this process."""
        message = f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE]
        if (self._name, path) not in self.follower.failures:
            logger.error("%s: a trigger for %s raised, and will be tried again: %s", self._name, path, message, exc_info=error)
        note_path = handled_path(self._name, path)
        async with self._datastore.snapshot() as snapshot:
            [note] = await snapshot.get([note_path])
        before = Handled.from_document(note) or Handled(self._name, path, 0)
        failing = replace(before, error=message, attempts=before.attempts + 1, own=False)
        self.follower.failures.failed(self._name, path, message, failing.attempts)
        try:
            await self._datastore.commit(
                [Set(note_path, failing.to_data())], [ExpectDocument(note_path, note.update_time if note.exists else None)]
            )
        except Conflict:
            return  # another process was here: it handled the document, or noted its own failure


def _settled(path: str, before: Handled) -> Set | Delete:
    """A failure that is over because the version that failed is."""
    return Delete(path) if not before.seen else Set(path, replace(before, error=None, attempts=0).to_data())
