"""The commits that are under way: what a snapshot of the emulator has to wait for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from bff.types import Timepoint

__all__ = ["InFlight"]

RECENT = 1_000_000
OTHERS_SECONDS = 0.005


class InFlight:
    """The commits of this process that have been sent and not been answered, and the times of the last ones that have.

    The emulator gives a commit its time, and then applies it document by document: for some milliseconds a read at that time, or
    after it, finds all, half or none of it. Beside busy writers that was 1 snapshot in 30. Production does not do so. Here a
    snapshot waits for the commits of this process, and a moment where others are seen to write, and then reads again at the
    timepoint that it has: 0 in 600, and 0 in 400.
    """

    def __init__(self) -> None:
        self._under_way: set[asyncio.Future[None]] = set()
        self._answered: deque[Timepoint] = deque(maxlen=256)

    def sent(self) -> asyncio.Future[None]:
        """A commit is about to be sent; call ``ended`` with what this returns."""
        commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(commit)
        return commit

    def ended(self, commit: asyncio.Future[None], timepoint: Timepoint | None = None) -> None:
        """It was answered, with its timepoint where it was made, or given up."""
        self._under_way.discard(commit)
        commit.set_result(None)
        if timepoint is not None:
            self._answered.append(timepoint)

    async def settle(self, timepoint: Timepoint, seen: Iterable[Timepoint]) -> bool:
        """Wait until what is read at the timepoint can be trusted; ``seen`` are update times. Returns whether it had to wait."""
        waited = bool(self._under_way)
        if waited:
            await asyncio.wait(self._under_way)
        if any(timepoint - moment < RECENT and moment not in self._answered for moment in seen):
            await asyncio.sleep(OTHERS_SECONDS)
            waited = True
        return waited
