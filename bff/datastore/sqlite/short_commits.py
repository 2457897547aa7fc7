"""Makes commits on the event loop where that takes microseconds: no thread is woken, and none wakes the loop again.

What is made here, and what never is: docs/decisions/sqlite-reads-on-the-loop.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter

from bff.datastore.port import Commit
from bff.datastore.sqlite.pace import HERE_BYTES, HERE_DOCUMENTS, HERE_SECONDS, HERE_WRITES, Pace, TooLong
from bff.datastore.sqlite.rounds import Rounds
from bff.datastore.sqlite.writing import CommitRequest, Writer
from bff.errors import BFFError

__all__ = ["IN_A_ROW", "ShortCommits"]

IN_A_ROW = 64
"""After so many commits here, one is made in the thread, which moves the log into the file when it is long."""


class ShortCommits:
    """For a ``Writer`` that nobody else uses at the moment."""

    def __init__(self, writer: Writer, path: Path, rounds: Rounds) -> None:
        self._writer = writer
        self._path = os.fspath(path)
        self._rounds = rounds
        self._left = 0
        self._moved: int | None = None

    def make(self, request: CommitRequest, *, early: bool) -> Commit | BFFError | None:
        """What it came to; None where it is to be made in the thread, and nothing was written.

        With ``early``, also what is to be flushed: by the caller.
        """
        if not self._left or self._rounds.is_over or self._writer.distrusts_disk or not _is_short(request):
            return None
        if self._writer.flushes(request) and not early:
            return None
        if self._last_moved() != self._moved:
            return None
        began = perf_counter()
        try:
            outcome = self._writer.apply_here(request, Pace(began + HERE_SECONDS))
        except TooLong:
            return None
        finally:
            self._rounds.spend(perf_counter() - began)
        self._left -= 1
        return outcome

    def handed_over(self) -> None:
        """The thread is about to make a transaction."""
        self._moved = self._last_moved()
        self._left = IN_A_ROW

    def _last_moved(self) -> int | None:
        """When the log was last moved into the file, which is written to by nothing else. The commit after that may begin the
        log anew, and flush its beginning."""
        try:
            return os.stat(self._path).st_mtime_ns
        except OSError:
            return None


def _is_short(request: CommitRequest) -> bool:
    return (
        len(request.writes) <= HERE_WRITES
        and len(request.expect) <= HERE_DOCUMENTS
        and sum([len(text) for text in request.texts if text is not None]) <= HERE_BYTES
    )
