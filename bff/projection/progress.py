"""How far a projector has come."""

from __future__ import annotations

import asyncio
from collections import deque

from bff.datastore.port import ResumePoint
from bff.projection.dirty_keys import DirtyKeys
from bff.types import Timepoint

__all__ = ["Progress"]

LONGEST_BACKLOG = 1000


class Progress:
    """Knows the as-of timepoint: up to where every change has been seen, and what follows from it written.

    The listener reports where it has come to (``seen``); that counts once everything that was dirty by then is done.
    """

    def __init__(self, dirty: DirtyKeys) -> None:
        self._dirty = dirty
        self._seen: deque[tuple[int, ResumePoint]] = deque()
        self._moved = asyncio.Event()
        self.written: ResumePoint | None = None

    @property
    def as_of(self) -> Timepoint:
        """0 where nothing is known yet."""
        return 0 if self.written is None else self.written.timepoint

    def begin(self, point: ResumePoint | None) -> None:
        """Everything up to here was written before."""
        self._seen.clear()
        self.written = point
        self._move()

    def seen(self, point: ResumePoint) -> None:
        if len(self._seen) >= LONGEST_BACKLOG:
            self._seen.pop()
        self._seen.append((self._dirty.mark(), point))
        self.advance()

    def advance(self) -> None:
        """Something was done: see how far that brings us."""
        if not self._seen:
            return
        oldest = self._dirty.oldest()
        while self._seen and self._seen[0][0] < oldest:
            self.written = self._seen.popleft()[1]
            self._move()

    async def wait_for_first(self) -> None:
        """Wait until the listener has told everything once, and that is written."""
        while self.written is None:
            await self._moved.wait()

    async def wait_for(self, timepoint: Timepoint) -> Timepoint:
        """Wait until every change up to the timepoint is written. The as-of timepoint then."""
        while self.as_of < timepoint:
            await self._moved.wait()
        return self.as_of

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
