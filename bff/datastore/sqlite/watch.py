"""Notices what other processes commit to the file."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bff.datastore.sqlite.connection import connect, patiently, translated
from bff.errors import DatastoreUnavailable

__all__ = ["Watch"]

log = logging.getLogger(__name__)

POLL_SECONDS = 0.04
POLL_AFTER_FAILURE = 1.0


class Watch:
    """Asks SQLite 25 times a second whether the file has changed: a look at shared memory.

    It is asked on the event loop, since it takes a few microseconds, less than handing it to a thread would.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed

    async def run(self) -> None:
        """Until cancelled. A failure counts as a change: whoever then reads the file finds out."""
        pause = POLL_SECONDS
        while True:
            try:
                with translated(self._path, "watching"):
                    await self._poll()
            except DatastoreUnavailable as error:
                if pause == POLL_SECONDS:
                    log.warning("%s; trying again every %g s", error, POLL_AFTER_FAILURE)
                pause = POLL_AFTER_FAILURE
            self._changed()
            await asyncio.sleep(pause)

    async def _poll(self) -> None:
        connection = connect(self._path, durable=False)
        try:
            seen = self._version(connection)
            while True:
                await asyncio.sleep(POLL_SECONDS)
                version = self._version(connection)
                if version != seen:
                    seen = version
                    self._changed()
        finally:
            connection.close()

    def _version(self, connection: sqlite3.Connection) -> int:
        """Changes whenever another connection has committed (https://www.sqlite.org/pragma.html#pragma_data_version)."""
        return int(patiently(lambda: connection.execute("PRAGMA data_version").fetchone()[0], seconds=0.01))
