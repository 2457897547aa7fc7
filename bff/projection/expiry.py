"""Deletes documents whose time has passed."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from types import TracebackType

from bff.datastore.port import Datastore, Delete, Precondition
from bff.errors import Conflict, OutcomeUnknown
from bff.query import Compare, Op, Order, Query
from bff.supervisor import Status, Supervisor
from bff.together import together

__all__ = ["EXPIRES_AT", "Expiry"]

logger = logging.getLogger(__name__)

EXPIRES_AT = "expiresAt"
"""The field that says until when a document is kept; a Firestore TTL policy may be on it as well."""

BATCH = 100
MAX_BATCHES = 100
EVERY_SECONDS = 600.0


class Expiry:
    """Deletes the documents of some collections whose ``expiresAt`` has passed, until it is closed.

    A pass deletes the oldest first, in commits of up to ``BATCH``, and leaves what is over ``MAX_BATCHES`` of them to the next.
    """

    def __init__(self, datastore: Datastore, *collections: str, every_seconds: float = EVERY_SECONDS) -> None:
        self._datastore = datastore
        self._collections = collections
        self._every_seconds = every_seconds
        self._supervisor = Supervisor("expiry")

    async def __aenter__(self) -> Expiry:
        for collection in self._collections:
            self._supervisor.start(collection, partial(self._run, collection))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._supervisor.close()

    def status(self) -> tuple[Status, ...]:
        return self._supervisor.status()

    async def once(self) -> int:
        """How many were found whose time had passed; they are deleted. Raises DatastoreUnavailable."""
        return sum([await self._once(collection) for collection in self._collections])

    async def _once(self, collection: str) -> int:
        found = 0
        for _ in range(MAX_BATCHES):
            query = Query(collection, Compare(EXPIRES_AT, Op.LE, datetime.now(UTC)), (Order(EXPIRES_AT),), BATCH)
            async with self._datastore.snapshot() as snapshot:
                documents = await snapshot.query(query, ())
            if documents:
                # One that was written again meanwhile is a new one.
                await self._delete([Delete(one.path, Precondition(update_time=one.update_time)) for one in documents])
            found += len(documents)
            if len(documents) < BATCH:
                break
        return found

    async def _delete(self, deletes: list[Delete]) -> None:
        try:
            await self._datastore.commit(deletes)
        except (Conflict, OutcomeUnknown):
            if len(deletes) > 1:
                await together(*(self._delete([one]) for one in deletes))
            # A single one was written again, or deleted by another process.

    async def _run(self, collection: str) -> None:
        while True:
            found = await self._once(collection)
            if found:
                logger.info("%s: %d were over their time and are deleted", collection, found)
            self._supervisor.healthy(collection)
            await asyncio.sleep(self._every_seconds)
