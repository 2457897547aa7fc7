"""Views whose builds fail: which, why, and when to try again."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass
from datetime import UTC, datetime

from bff.supervisor import Backoff

__all__ = ["Failure", "Failures"]

LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Failure:
    """One view that cannot be built: its last good value is served meanwhile."""

    view: str
    key: str
    error: str
    since: datetime
    attempts: int


class Failures:
    """Failing views, up to ``limit`` of them; those above are only counted: their metadata says so, and ``Sweep`` finds them."""

    def __init__(self, backoff: Backoff | None = None, limit: int = LIMIT) -> None:
        self._backoff = backoff or Backoff(first=0.5, limit=300.0)
        self._limit = limit
        self._failures: dict[tuple[str, str], Failure] = {}
        self._due: list[tuple[float, tuple[str, str], int]] = []
        self._more = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._failures)

    def __contains__(self, item: object) -> bool:
        return item in self._failures

    def first(self, count: int) -> tuple[Failure, ...]:
        """The ones that fail the longest."""
        return tuple(heapq.nsmallest(count, self._failures.values(), key=lambda failure: failure.since))

    def failed(self, view: str, key: str, error: str, attempts: int | None = None, since: datetime | None = None) -> None:
        """A build failed; ``attempts`` and ``since`` are what its metadata remembers of a former life."""
        item = (view, key)
        before = self._failures.get(item)
        if before is None and len(self._failures) >= self._limit:
            self.dropped += 1
            return
        count = before.attempts + 1 if before is not None else attempts or 1
        self._failures[item] = Failure(view, key, error, before.since if before else since or datetime.now(UTC), count)
        heapq.heappush(self._due, (asyncio.get_running_loop().time() + self._backoff.delay(count), item, count))
        self._more.set()

    def succeeded(self, view: str, key: str) -> None:
        self._failures.pop((view, key), None)

    async def due(self) -> tuple[str, str]:
        """Wait for the next view that is to be tried again."""
        while True:
            self._more.clear()
            now = asyncio.get_running_loop().time()
            while self._due and self._due[0][0] <= now:
                _, item, count = heapq.heappop(self._due)
                failure = self._failures.get(item)
                # One that failed again since, or was built, is due at another time or never.
                if failure is not None and failure.attempts == count:
                    return item
            try:
                async with asyncio.timeout_at(self._due[0][0] if self._due else None):
                    await self._more.wait()
            except TimeoutError:
                continue
