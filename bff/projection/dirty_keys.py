"""Which views are to be built again: each once, in order, however often they are asked for."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import islice
from typing import Final, TypeAlias

from bff.types import Timepoint

__all__ = ["ANY", "Batch", "DirtyKeys"]

ANY: Final[Timepoint] = 2**63
"""Later than any timepoint: what was built before does not do."""

Batch: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of a view and some of its keys."""

Item: TypeAlias = tuple[str, str]
"""The name of a view and one of its keys."""


class DirtyKeys:
    """A queue of view keys without duplicates: first come, first served within a view, and the views take turns.

    A key that is asked for while it is being built is built once more afterwards. Only ids are held, and ``room`` lets whoever
    fills the queue wait while it is full.
    """

    def __init__(self, limit: int = 10_000, on_progress: Callable[[], None] = lambda: None) -> None:
        self._limit = limit
        self._on_progress = on_progress
        self._sequence = 0
        self._waiting: dict[str, dict[str, None]] = {}
        self._count = 0
        self._owed: dict[Item, int] = {}
        """Every key that waits or is being built, with the position since which it is owed a build."""
        self._building: dict[Item, int] = {}
        """Every key that is being built, with the position at which that began: what it reads holds everything up to there."""
        self._again: dict[Item, int] = {}
        """Keys that were asked for while being built. What is being built may have read the state before that."""
        self._by_age: list[tuple[int, Item]] = []
        """A heap of what is in `_owed` and `_again`; entries that no longer are so are dropped when they surface."""
        self._wanted: dict[Item, Timepoint] = {}
        """Of every key that waits for its next build, up to when that is to have read."""
        self._taken: dict[Item, Timepoint] = {}
        """The same of every key that is being built."""
        self._takes = 0
        self._filled = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()

    def __len__(self) -> int:
        return self._count + len(self._again)

    @property
    def building(self) -> int:
        return len(self._building)

    def add(self, view: str, key: str, wanted: Timepoint = ANY) -> None:
        """Have the view built, from what is stored from now on.

        A build that somebody else has made meanwhile will do, if it has read everything up to ``wanted``.
        """
        self._sequence += 1
        item = (view, key)
        self._wanted[item] = max(wanted, self._wanted.get(item, 0))
        if item not in self._owed:
            self._owed[item] = self._sequence
            self._wait(item)
        elif item in self._building and item not in self._again:
            self._again[item] = self._sequence
        else:
            return
        heapq.heappush(self._by_age, (self._sequence, item))

    def again(self, view: str, key: str, *, in_vain: bool = False) -> None:
        """Have the view built once more, since what its build read was changed meanwhile, or since the build was ``in_vain``.

        Unlike after ``add``, what is owed is owed since that build began, or since before it where it was in vain.
        """
        item = (view, key)
        since = self._building.get(item)
        if since is None:
            self.add(view, key)
            return
        self._wanted[item] = ANY
        if in_vain:
            since = self._owed[item]
        self._again[item] = min(since, self._again.get(item, since))
        heapq.heappush(self._by_age, (self._again[item], item))

    async def room(self) -> None:
        """Wait until the queue is not full."""
        await self._roomy.wait()

    async def take(self, limit: int | Callable[[str], int]) -> Batch:
        """Up to ``limit`` keys of the view whose turn it is, the longest waiting ones; ``done`` is to be called with them.

        The limit is a number, or what gives one for the name of a view.
        """
        await self._something()
        self._takes += 1
        view = next(iter(self._waiting))
        keys = self._waiting.pop(view)
        taken = tuple(islice(keys, limit if isinstance(limit, int) else limit(view)))
        self._sequence += 1
        for key in taken:
            del keys[key]
            self._building[view, key] = self._sequence
            self._taken[view, key] = self._wanted.pop((view, key))
        if keys:
            self._waiting[view] = keys  # at the end: the other views come first
        self._count -= len(taken)
        if self._count < self._limit:
            self._roomy.set()
        return view, taken

    async def overdue(self, seconds: float) -> None:
        """Wait until something waits, and nothing has been taken for so many seconds."""
        while True:
            await self._something()
            takes = self._takes
            await asyncio.sleep(seconds)
            if self._count and self._takes == takes:
                return

    def done(self, batch: Batch) -> None:
        """These have been built, or their failure has been recorded."""
        view, keys = batch
        for key in keys:
            item = (view, key)
            del self._building[item]
            del self._owed[item]
            del self._taken[item]
            if item in self._again:
                self._owed[item] = self._again.pop(item)
                self._wait(item)
        self._on_progress()

    def wanted(self, view: str, key: str) -> Timepoint:
        """Up to when the build of a key that was taken is to have read."""
        return self._taken.get((view, key), ANY)

    def asked_again(self, batch: Batch) -> Batch:
        """Of a batch that is being built, the keys that were asked for meanwhile."""
        view, keys = batch
        return view, tuple(key for key in keys if (view, key) in self._again)

    def mark(self) -> int:
        """A position: everything asked for so far is done once ``oldest`` is greater."""
        return self._sequence

    def oldest(self) -> int:
        """The position since which a build is owed the longest, or the next one where none is."""
        while self._by_age:
            position, item = self._by_age[0]
            if self._owed.get(item) == position or self._again.get(item) == position:
                return position
            heapq.heappop(self._by_age)
        return self._sequence + 1

    async def _something(self) -> None:
        """Wait until something waits."""
        while not self._count:
            self._filled.clear()
            await self._filled.wait()

    def _wait(self, item: Item) -> None:
        view, key = item
        self._waiting.setdefault(view, {})[key] = None
        self._count += 1
        self._filled.set()
        if self._count >= self._limit:
            self._roomy.clear()
