"""Notices what other processes commit to the file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bff.datastore.sqlite.connection import connect, patiently, translated

__all__ = ["Watch"]

POLL_SECONDS = 0.04


class Watch:
    """Asks SQLite 25 times a second whether the file has changed: a look at shared memory.

    It is asked on the event loop, since it takes a few microseconds, less than handing it to a thread would.
    """

    def __init__(self, path: Path, changed: Callable[[], None], well: Callable[[], None] = lambda: None) -> None:
        """``well`` is called once the file can be looked at."""
        self._path = path
        self._changed = changed
        self._well = well

    async def run(self) -> None:
        """Until cancelled. Raises DatastoreUnavailable, which counts as a change: whoever then reads the file finds out."""
        try:
            with translated(self._path, "watching"):
                await self._poll()
        finally:
            self._changed()

    async def _poll(self) -> None:
        connection = connect(self._path, durable=False)
        try:
            seen = self._version(connection)
            self._well()
            self._changed()  # what was committed before that is not told by it
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
