"""What is set aside: documents that no mediator could handle, and effects that could not be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from bff.datastore.port import Datastore
from bff.model.outbox_entry import OUTBOX, OutboxEntry
from bff.projection.handled import MEDIATORS, Handled
from bff.projection.handling import Handling
from bff.projection.outbox import Outbox
from bff.projection.paging import pages
from bff.query import Compare, Op, Query
from bff.types import Timepoint, Value

__all__ = ["DeadCounts", "DeadLetter", "DeadLetters"]

DEAD = Compare("dead", Op.EQ, True)


@dataclass(frozen=True, slots=True)
class DeadCounts:
    documents: int
    effects: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``name`` is a mediator's or a form's, and ``key`` a document's path; or an effect's name, and the key of what it sends.

    ``error`` is what was raised the last of ``attempts`` times, first at ``since``. ``payload`` is an effect's.
    """

    name: str
    key: str
    error: str
    attempts: int
    since: Timepoint
    is_effect: bool = False
    payload: Value = None


class DeadLetters:
    """Finds what is set aside in a datastore, and tries it again by ``handlings`` and ``outbox``, which need not be running."""

    def __init__(self, datastore: Datastore, handlings: Iterable[Handling] = (), outbox: Outbox | None = None) -> None:
        self._datastore = datastore
        self._handlings = {handling.name: handling for handling in handlings}
        self._outbox = outbox

    async def __aiter__(self) -> AsyncIterator[DeadLetter]:
        """Documents first, then effects. Raises DatastoreUnavailable."""
        async for documents in pages(self._datastore, Query(MEDIATORS, DEAD)):
            for handled in filter(None, map(Handled.from_document, documents)):
                yield DeadLetter(handled.mediator, handled.path, handled.error or "", handled.attempts, handled.since)
        async for documents in pages(self._datastore, Query(OUTBOX, DEAD)):
            for entry in filter(None, map(OutboxEntry.from_document, documents)):
                yield DeadLetter(entry.effect, entry.key, entry.error or "", entry.attempts, entry.since, True, entry.payload)

    async def counts(self) -> DeadCounts:
        """How many are set aside. Raises DatastoreUnavailable."""
        async with self._datastore.snapshot() as snapshot:
            return DeadCounts(await snapshot.count(Query(MEDIATORS, DEAD)), await snapshot.count(Query(OUTBOX, DEAD)))

    def knows(self, letter: DeadLetter) -> bool:
        """Whether what could try it again is here."""
        if letter.is_effect:
            return self._outbox is not None and self._outbox.knows(letter.name)
        return letter.name in self._handlings

    async def retry(self, letter: DeadLetter) -> str | None:
        """Try it once more, now: what was raised, or None where it is done and no longer set aside.

        Others are told nothing: processes that run find it done, as they find whatever another one has done. Raises KeyError
        where it is not known here, and DatastoreUnavailable.
        """
        if not letter.is_effect:
            return await self._handlings[letter.name].again(letter.key)
        if self._outbox is None:
            raise KeyError(letter.name)
        return await self._outbox.again(letter.key)
