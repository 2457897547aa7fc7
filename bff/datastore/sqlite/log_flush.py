"""Flushes the log to the disk, beside whatever else is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bff.datastore.sqlite.writer_thread import WriterThread
from bff.errors import OutcomeUnknown

__all__ = ["LogFlush"]

# As SQLite flushes its log, where there is it: nobody needs to know when the file was changed.
FLUSH: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


class LogFlush:
    """For a commit that was made without. In the writer's thread, which releases the interpreter meanwhile; one at a time.

    A flush is of a file, whoever has it open. It is opened once: SQLite keeps its own log open for as long, and each call of the
    system is another change of threads. SQLite locks other files than its log: to close this one frees no lock.
    """

    def __init__(self, thread: WriterThread, path: Path) -> None:
        self._thread = thread
        self._path = path.with_name(f"{path.name}-wal")
        self._log: int | None = None
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
        self._thread.hand_over(self._flush, lambda error: self._end(running, error))

    async def done(self) -> None:
        """Wait until what was committed so far is flushed. Raises OutcomeUnknown where the disk has failed."""
        if self._running is not None:
            # Others wait for it, too: whoever is cancelled ends it for nobody else.
            await asyncio.shield(self._running)

    def close(self) -> None:
        """Nothing is to be flushed any more. The thread has ended."""
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def _flush(self) -> OSError | None:
        """In the thread."""
        try:
            if self._log is None:
                self._log = os.open(self._path, os.O_RDONLY)
            FLUSH(self._log)
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
