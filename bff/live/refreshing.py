"""What waits to be read anew, and the workers that do it: a few at a time, each thing by one of them at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from bff.errors import BroadcastError, DatastoreUnavailable
from bff.live.settle import settle
from bff.supervisor import Backoff, Supervisor

__all__ = ["Refresh", "Refreshing"]

logger = logging.getLogger(__name__)


class Refresh:
    """One thing that can be read anew, by ``work``. ``what`` says which in the log."""

    def __init__(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        self.what = what
        self.work = work
        self.waiting: list[asyncio.Future[None]] = []
        self.owed = False
        self.urgent = False
        self.in_flight = False
        self.forgotten = False
        self.failures = 0
        self.retry: asyncio.TimerHandle | None = None


class Refreshing:
    """As ``Reading`` does for single views: who asks is served by work that begins after the asking, and gets its error.

    What is owed is repeated, with a backoff, until it has succeeded, and gives way to those who ask. However often it is owed
    while it waits, it is done once.
    """

    def __init__(self, *, at_once: int, timeout: float, backoff: Backoff) -> None:
        self._at_once = at_once
        self._timeout = timeout
        self._backoff = backoff
        self._asked: OrderedDict[Refresh, None] = OrderedDict()
        self._owed: OrderedDict[Refresh, None] = OrderedDict()
        self._failing: set[Refresh] = set()
        self._queued = asyncio.Event()

    @property
    def failing(self) -> int:
        """How many failed when they were last tried."""
        return len(self._failing)

    def start(self, supervisor: Supervisor) -> None:
        """Run the workers under this supervisor, until it is closed."""
        for number in range(self._at_once):
            supervisor.start(f"refresh {number}", self._work)

    def ask(self, refresh: Refresh) -> asyncio.Future[None]:
        """Done once it has been done by work that begins from now on; raises what that raised."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refresh.waiting.append(future)
        refresh.urgent = True
        self._queue(refresh)
        return future

    def compare(self, refresh: Refresh) -> asyncio.Future[None]:
        """Owe it; done, or raising, after the first attempt."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refresh.waiting.append(future)
        self.owe(refresh)
        return future

    def owe(self, refresh: Refresh) -> None:
        """Have it done, for nobody who waits."""
        refresh.owed = True
        self._queue(refresh)

    def forget(self, refresh: Refresh) -> None:
        """Nobody needs it any more."""
        self._asked.pop(refresh, None)
        self._owed.pop(refresh, None)
        self._failing.discard(refresh)
        refresh.owed, refresh.forgotten = False, True
        if refresh.retry is not None:
            refresh.retry.cancel()
        settle(refresh.waiting, BroadcastError(f"{refresh.what}: nobody looks at it any more"))
        refresh.waiting = []

    def _queue(self, refresh: Refresh) -> None:
        if refresh.in_flight:
            return  # it is queued when it has landed
        if refresh.urgent:
            self._owed.pop(refresh, None)
            self._asked[refresh] = None
        else:
            self._owed[refresh] = None
        self._queued.set()

    async def _work(self) -> None:
        while True:
            queue = self._asked or self._owed
            if queue:
                refresh, _ = queue.popitem(last=False)
                await self._do(refresh)
            else:
                self._queued.clear()
                await self._queued.wait()

    async def _do(self, refresh: Refresh) -> None:
        waiting, owed = refresh.waiting, refresh.owed
        refresh.waiting, refresh.owed, refresh.urgent, refresh.in_flight = [], False, False, True
        error: BaseException | None = None
        try:
            async with asyncio.timeout(self._timeout):
                await refresh.work()
        except asyncio.CancelledError:
            error = BroadcastError("the read was cancelled")
            raise
        except TimeoutError:
            error = DatastoreUnavailable(f"{refresh.what} was not read within {self._timeout} s")
        except Exception as raised:
            error = raised
        finally:
            refresh.in_flight = False
            self._landed(refresh, waiting, error, owed=owed)

    def _landed(self, refresh: Refresh, waiting: list[asyncio.Future[None]], error: BaseException | None, *, owed: bool) -> None:
        settle(waiting, error)
        if refresh.forgotten:
            return
        if error is None:
            refresh.failures = 0
            self._failing.discard(refresh)
        elif owed:
            self._failed(refresh, error)
        if refresh.waiting or refresh.owed:
            self._queue(refresh)

    def _failed(self, refresh: Refresh, error: BaseException) -> None:
        refresh.failures += 1
        self._failing.add(refresh)
        if refresh.failures == 1:
            logger.error("live: %s cannot be read: %s: %s", refresh.what, type(error).__name__, error)
        if refresh.retry is not None:
            refresh.retry.cancel()
        delay = self._backoff.delay(refresh.failures)
        refresh.retry = asyncio.get_running_loop().call_later(delay, self.owe, refresh)
