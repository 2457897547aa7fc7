"""The document by which a listener makes sure that the server still tells it of changes."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from bff.datastore.firestore.commits import Committer
from bff.datastore.firestore.connection import Connection
from bff.datastore.firestore.in_flight import InFlight
from bff.datastore.firestore.names import HEARTBEATS
from bff.datastore.port import Delete, Set
from bff.errors import DatastoreError
from bff.types import Timepoint

__all__ = ["Heartbeat"]

logger = logging.getLogger(__name__)

REMOVE_SECONDS = 2.0
KEPT = timedelta(days=1)


class Heartbeat:
    """A document of one listener's own: written when there was silence, and seen back when all is well.

    A server that is frozen, or a connection that leads nowhere, looks like one where nothing happens; gRPC's keepalive took more
    than a minute to tell. ``expiresAt`` is for a TTL policy, if one likes: a process that is killed leaves its document behind.
    """

    def __init__(self) -> None:
        self.path = f"{HEARTBEATS}/{uuid4().hex}"
        self._written = False

    async def beat(self, connection: Connection) -> Timepoint:
        """Write it. A listener that is well comes to the timepoint returned, or past it. Raises DatastoreError."""
        now = datetime.now(UTC)
        self._written = True
        return (
            await Committer(connection, InFlight()).commit([Set(self.path, {"at": now, "expiresAt": now + KEPT})], ())
        ).timepoint

    async def remove(self, connection: Connection) -> None:
        if not self._written:
            return
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                await Committer(connection, InFlight()).commit([Delete(self.path)], ())
        except (DatastoreError, TimeoutError) as error:
            logger.info("%s was left behind: %s", self.path, error)
        else:
            self._written = False
