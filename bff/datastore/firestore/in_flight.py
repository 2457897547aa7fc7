"""The commits that are under way: what a snapshot of the emulator has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from bff.types import Timepoint

__all__ = ["Concerns", "InFlight", "Sent", "Watch"]

RECENT = 1_000_000
OTHERS_SECONDS = 0.005
MOST_ANSWERED = 256

Concerns: TypeAlias = Callable[[str], bool]
"""Whether what is read depends on the document of this path."""


@dataclass(eq=False, slots=True)
class Sent:
    """A commit that was sent: what it writes, and whether it has been answered or given up."""

    paths: Collection[str]
    ended: asyncio.Future[None]


class InFlight:
    """The commits of this process that have been sent and not been answered, and the times of the last ones that have.

    The emulator gives a commit its time, and then applies it document by document: for some milliseconds a read at that time, or
    after it, finds all, half or none of it. Beside busy writers that was 1 snapshot in 30. Production does not do so. Here a
    snapshot waits for those commits of this process that write what it reads, and a moment where others are seen to write, and
    then reads again at the timepoint that it has: 0 in 600, and 0 in 400 twice.
    """

    def __init__(self) -> None:
        self._under_way: set[Sent] = set()
        self._watches: set[Watch] = set()
        self._answered: dict[Timepoint, None] = {}

    def sent(self, paths: Collection[str]) -> Sent:
        """A commit that writes these is about to be sent; call ``ended`` with what this returns."""
        commit = Sent(paths, asyncio.get_running_loop().create_future())
        self._under_way.add(commit)
        for watch in self._watches:
            watch.commits.append(commit)
        return commit

    def ended(self, commit: Sent, timepoint: Timepoint | None = None) -> None:
        """It was answered, with its timepoint where it was made, or given up."""
        self._under_way.discard(commit)
        commit.ended.set_result(None)
        if timepoint is not None:
            self._answered[timepoint] = None
            if len(self._answered) > MOST_ANSWERED:
                del self._answered[next(iter(self._answered))]

    def watch(self) -> Watch:
        """Before a read that finds out a snapshot's timepoint; ``close`` it when that is known."""
        watch = Watch(self, [*self._under_way])
        self._watches.add(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        self._watches.discard(watch)

    async def others(self, timepoint: Timepoint, seen: Iterable[Timepoint]) -> bool:
        """Wait a moment where other processes have written just before the timepoint; ``seen`` are update times.

        Returns whether it had to wait.
        """
        if any(timepoint - moment < RECENT and moment not in self._answered for moment in seen):
            await asyncio.sleep(OTHERS_SECONDS)
            return True
        return False


class Watch:
    """The commits that were under way while the timepoint of a snapshot was found out: each may be half made at it."""

    def __init__(self, in_flight: InFlight, commits: list[Sent]) -> None:
        self._in_flight = in_flight
        self.commits = commits

    def close(self) -> None:
        """The timepoint is known: what is sent from now on is after it."""
        self._in_flight.unwatch(self)

    async def settle(self, concerns: Concerns) -> bool:
        """Wait for those that write what is read. Returns whether there were any: what was read before may be half of one."""
        writing = [commit for commit in self.commits if any(map(concerns, commit.paths))]
        pending = [commit.ended for commit in writing if not commit.ended.done()]
        if pending:
            await asyncio.wait(pending)
        return bool(writing)
