"""Flushes the log to the disk, beside whatever else is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bff.datastore.sqlite.writer_thread import WriterThread, tell
from bff.errors import OutcomeUnknown

__all__ = ["Flush", "LogFlush"]

# As SQLite flushes its log, where there is it: nobody needs to know when the file was changed.
FLUSH: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


class Flush:
    """One of them, for whoever waits for it.

    Mostly it is over before anybody does, so that the thread tells the event loop only where somebody waits: to be told
    takes the interpreter from what is done meanwhile.
    """

    __slots__ = ("_ended", "_loop", "_over", "_path", "_problem", "_told")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] | None = None
        self._over = False
        self._problem: OSError | None = None
        self._told = False

    @property
    def pending(self) -> bool:
        """Whether it is under way, or has failed and nobody was told."""
        return not self._over or (self._problem is not None and not self._told)

    async def done(self) -> None:
        """Wait until it is. Raises OutcomeUnknown where the disk has failed."""
        if self._ended is None:
            self._ended = self._loop.create_future()
        # Looked at after the thread can see that somebody waits: one of the two sees the other.
        if not self._over:
            # Others wait for it, too: whoever is cancelled ends it for nobody else.
            await asyncio.shield(self._ended)
        if self._problem is not None:
            self._told = True
            raise OutcomeUnknown(f"sqlite: flushing {self._path}: the disk reported an error ({self._problem})")

    def over(self, problem: OSError | None) -> None:
        """In the thread: it is done, or has failed."""
        self._problem = problem
        self._over = True
        if self._ended is not None:
            tell(self._loop, self._end)

    def _end(self) -> None:
        assert self._ended is not None, "the thread has seen that somebody waits"
        self._ended.set_result(None)


class LogFlush:
    """For a commit that was made without. In the writer's thread, which releases the interpreter meanwhile; one at a time.

    A flush is of a file, whoever has it open. It is opened once: SQLite keeps its own log open for as long, and each call of the
    system is another change of threads. SQLite locks other files than its log: to close this one frees no lock.
    """

    def __init__(self, thread: WriterThread, path: Path, failed: Callable[[], None]) -> None:
        """``failed`` is called in the thread, before anybody is told."""
        self._thread = thread
        self._failed = failed
        self._path = path.with_name(f"{path.name}-wal")
        self._log: int | None = None
        self._last: Flush | None = None

    @property
    def pending(self) -> bool:
        """Whether something was committed that is not flushed yet, as far as anybody was told."""
        return self._last is not None and self._last.pending

    def begin(self) -> Flush:
        """Something was committed, while nothing was pending."""
        assert not self.pending, "one at a time: what else is to be flushed is committed in the thread"
        self._last = flush = Flush(self._path)
        self._thread.hand_over(lambda: flush.over(self._flush()))
        return flush

    async def done(self) -> None:
        """Wait until what was committed so far is flushed. Raises OutcomeUnknown where the disk has failed."""
        if self._last is not None and self._last.pending:
            await self._last.done()

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
            self._failed()
            return error
        return None
