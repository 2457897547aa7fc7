"""Flushes the log to the disk, beside whatever else is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bff.datastore.sqlite.workers import Workers
from bff.errors import OutcomeUnknown

__all__ = ["LogFlush"]

# As SQLite flushes its log, where there is it: nobody needs to know when the file was changed.
FLUSH: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


class LogFlush:
    """For a commit that was made without. In the writer's thread, which releases the interpreter meanwhile; one at a time.

    A flush is of a file, whoever has it open. SQLite locks other files than its log: to close this one frees no lock.
    """

    def __init__(self, workers: Workers, path: Path) -> None:
        self._workers = workers
        self._path = path.with_name(f"{path.name}-wal")
        self._running: asyncio.Future[None] | None = None
        self._flushed = False

    @property
    def pending(self) -> bool:
        """Whether something was committed that is not flushed yet."""
        if self._running is not None and self._flushed:
            # The thread is done, and the event loop was too busy to be told.
            self._end(self._running, None)
        return self._running is not None

    def begin(self) -> None:
        """Something was committed, while nothing was pending."""
        assert self._running is None, "one at a time: what else is to be flushed is committed in the thread"
        self._running = running = asyncio.get_running_loop().create_future()
        self._flushed = False
        self._workers.hand_over(self._flush, lambda error: self._end(running, error))

    async def done(self) -> None:
        """Wait until what was committed so far is flushed. Raises OutcomeUnknown where the disk has failed."""
        if self._running is not None:
            # Others wait for it, too: whoever is cancelled ends it for nobody else.
            await asyncio.shield(self._running)

    def _flush(self) -> OSError | None:
        """In the thread."""
        try:
            log = os.open(self._path, os.O_RDONLY)
            try:
                FLUSH(log)
            finally:
                os.close(log)
        except OSError as error:
            return error
        self._flushed = True
        return None

    def _end(self, running: asyncio.Future[None], error: OSError | None) -> None:
        if running.done():
            return  # it was known before the event loop was told
        self._running = None
        if error is None:
            running.set_result(None)
        else:
            running.set_exception(OutcomeUnknown(f"sqlite: flushing {self._path}: the disk reported an error ({error})"))
            running.exception()  # looked at, so that asyncio does not report it: whoever waited may be gone
