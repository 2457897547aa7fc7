"""A mutation that comes again under its idempotency key is not done again, and is answered as it was the first time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from bff.datastore.port import Commit, Datastore, EarlyCommit, ExpectDocument, Set
from bff.datastore.session import Done, TransactionSession, transaction
from bff.document import Document, join_path
from bff.errors import Conflict, DatastoreError, IdempotencyKeyReused, OutcomeUnknown
from bff.principal import ANONYMOUS, Principal
from bff.projection.views_affected import ViewsAffected
from bff.resolvers.idempotency_record import COLLECTION, Entry, IdempotencyRecord
from bff.types import Value

if TYPE_CHECKING:
    from bff.projection.effects import Effects

__all__ = ["Idempotency"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEEP_SECONDS = 5.0
ATTEMPTS = 8


class Idempotency:
    """One operation under its key.

    The record of each of its mutations is part of the mutation's own commit: whoever comes with the key while it runs conflicts
    with it, and finds the record afterwards. The response is added once it is made; the first one that is, is everybody's.
    A mutation that fails commits nothing, and so leaves no record: it may be tried again under its key.
    """

    def __init__(
        self,
        datastore: Datastore,
        effects: Effects | None,
        key: str,
        fingerprint: str,
        hours: float,
        owner: Principal = ANONYMOUS,
    ) -> None:
        self._datastore = datastore
        self._effects = effects
        self._path = join_path(COLLECTION, hashlib.sha256(_named(key, owner)).hexdigest())
        self._fingerprint = fingerprint
        self._hours = hours
        self._failed = False
        self._reused: IdempotencyKeyReused | None = None

    async def begin(self) -> dict[str, Any] | None:
        """The response that was given before. Raises IdempotencyKeyReused, DatastoreUnavailable."""
        record = self._record(await self._read())
        return None if record.response is None else orjson.loads(record.response)

    async def run(self, name: str, work: Callable[[TransactionSession], Awaitable[Value]]) -> tuple[Done[Value], ViewsAffected]:
        """Do one mutation of the operation, or find that it was done: what it came to, and what it affects.

        ``name`` is its place in the response. Raises IdempotencyKeyReused, and what ``transaction`` raises.
        """

        async def once(session: TransactionSession) -> tuple[Entry, bool]:
            [document] = await session.unit.get([self._path])
            record = self._record(document)
            known = record.entries.get(name)
            if known is not None:
                return known, True
            answer = await work(session)
            # Before the commit, so that it is part of the record; read as of the unit of work, to hold no second snapshot.
            changes = session.changes()
            affected = ViewsAffected() if self._effects is None else await self._effects.of(changes, session.unit.snapshots)
            entry = Entry(answer, affected)
            session.unit.write(Set(self._path, record.with_entry(name, entry).to_data(), lasting=True))
            return entry, False

        try:
            try:
                done = await transaction(self._datastore, once)
            except OutcomeUnknown as unknown:
                done = await self._look(once, unknown)
        except IdempotencyKeyReused as error:
            self._reused = error
            raise
        except BaseException:
            self._failed = True
            raise
        entry, replayed = done.result
        timepoint = entry.committed_at if replayed and entry.committed_at is not None else done.timepoint
        return Done(entry.given(), EarlyCommit(Commit(timepoint)), done.changes, done.attempts), entry.affected

    async def _look(self, once: Callable[[TransactionSession], Awaitable[T]], unknown: OutcomeUnknown) -> Done[T]:
        """The record tells whether what nobody knows of was made. Where it was not, it is done now: it cannot be made any more.

        Raises ``unknown`` where that comes to nothing.
        """
        try:
            return await transaction(self._datastore, once)
        except Exception as error:
            raise unknown from error

    async def finish(self, response: dict[str, Any]) -> dict[str, Any]:
        """The response to give: this one, or the one that was given to whoever came with the same key and was faster.

        Raises IdempotencyKeyReused where another operation had the key all the while.
        """
        if self._reused is not None:
            raise self._reused
        if self._failed or "errors" in response:
            return response
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                return await self._keep(response)
        except (DatastoreError, IdempotencyKeyReused, TimeoutError, TypeError) as error:
            # It is done, and its entries say so: who comes again is answered from them.
            logger.warning("the response under an idempotency key could not be kept: %s: %s", type(error).__name__, error)
            return response

    async def _keep(self, response: dict[str, Any]) -> dict[str, Any]:
        raw = orjson.dumps(response)
        for _ in range(ATTEMPTS):
            document = await self._read()
            record = self._record(document)
            if record.response is not None:
                first: dict[str, Any] = orjson.loads(record.response)
                return first
            write = Set(self._path, replace(record, response=raw).to_data())
            expect = ExpectDocument(self._path, document.update_time if document.exists else None)
            try:
                await self._datastore.commit([write], [expect])
            except (Conflict, OutcomeUnknown):
                continue
            return response
        raise Conflict(f"{self._path} was written by others each time")

    async def _read(self) -> Document:
        async with self._datastore.snapshot() as snapshot:
            [document] = await snapshot.get([self._path])
        return document

    def _record(self, document: Document) -> IdempotencyRecord:
        """What is remembered, or the beginning of it. Raises IdempotencyKeyReused where that is of another operation."""
        now = datetime.now(UTC)
        record = IdempotencyRecord.from_document(document, now)
        if record is None:
            return IdempotencyRecord(self._fingerprint, now + timedelta(hours=self._hours))
        if record.fingerprint != self._fingerprint:
            raise IdempotencyKeyReused("this idempotency key came before with another operation, or with other variables")
        return record


def _named(key: str, owner: Principal) -> bytes:
    """A key is its owner's: another one's of the same name is another key, and tells nothing of what the first came to."""
    text = key.encode(errors="surrogatepass")
    if owner.id is None:
        return text
    # 0xFF is in no text: nobody can write a key that is taken for another one's.
    return b"\xff" + json.dumps([owner.tenant, owner.id]).encode() + b"\xff" + text
