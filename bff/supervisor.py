"""Keeps named long-lived coroutines running, and says how they are."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType

from bff.observability.request_id import current_request_id

__all__ = ["Backoff", "State", "Status", "Supervisor"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th failure in a row: exponential, between half and all of it, so that no herd forms."""

    first: float = 0.05
    limit: float = 10.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after ``failures`` (1, 2, …) failures in a row."""
        doublings = min(max(failures, 1) - 1, 32)
        return min(self.first * 2.0**doublings, self.limit) * random.uniform(0.5, 1.0)


class State(StrEnum):
    RUNNING = "running"
    FAILING = "failing"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Status:
    """How a supervised coroutine is: ``state`` since when, ``failures`` in a row, and what the last one was.

    It is FAILING from its first failure until it has been healthy again: until it says so (``Supervisor.healthy``) or has run
    for a while. ``last_error`` stays, for whoever comes to look afterwards. It is FINISHED when it returned.
    """

    name: str
    state: State
    since: datetime
    failures: int = 0
    last_error: BaseException | None = field(default=None, compare=False)


class Supervisor:
    """Runs coroutines that are meant to run until it is closed; one that raises is logged and started again after a backoff.

    ::

        async with Supervisor("relay") as supervisor:
            supervisor.start("listen", self._listen)      # self._listen() is called again whenever it raised

    A coroutine that returns is done. Closing cancels everything and waits until it has ended. ``settled`` is how many seconds a
    coroutine must have run for its failure to count as the first again: one that works for a moment, and fails, and works for a
    moment, is backed off from.
    """

    def __init__(self, name: str, *, backoff: Backoff | None = None, settled: float = 30.0) -> None:
        self.name = name
        self._backoff = backoff or Backoff()
        self._settled = settled
        self._statuses: dict[str, Status] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run()`` under this name, from now until it returns, is stopped, or the supervisor is closed.

        Raises RuntimeError where the supervisor is closed or the name is running already.
        """
        if self._closed:
            raise RuntimeError(f"the supervisor {self.name!r} is closed")
        running = self._tasks.get(name)
        if running is not None and not running.done():
            raise RuntimeError(f"{self.name}: {name!r} is running already")
        self._statuses[name] = Status(name, State.RUNNING, _now())
        # It outlives the request that it may have been started by: that one's id is not its own.
        context = copy_context()
        context.run(current_request_id.set, None)
        running = asyncio.create_task(self._keep_running(name, run), name=f"{self.name}: {name}", context=context)
        self._tasks[name] = running

    def stop(self, name: str) -> None:
        """Cancel what runs under this name and forget it; the name is free at once. ``close`` waits for its end."""
        task = self._tasks.pop(name, None)
        self._statuses.pop(name, None)
        if task is not None and not task.done():
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()

    def healthy(self, name: str) -> None:
        """What runs under this name has done its work: the failures before are over."""
        status = self._statuses.get(name)
        if status is not None and status.state is State.FAILING:
            logger.info("%s: %s is well again after %d failures in a row", self.name, name, status.failures)
            self._statuses[name] = replace(status, state=State.RUNNING, since=_now(), failures=0)

    def status(self) -> tuple[Status, ...]:
        """How everything started here is, in the order of starting."""
        return tuple(self._statuses.values())

    async def close(self) -> None:
        """Cancel everything and wait until it has ended, also where the caller is cancelled meanwhile."""
        self._closed = True
        tasks = {task for task in (*self._tasks.values(), *self._ending) if not task.done()}
        for task in tasks:
            task.cancel()
        cancelled = False
        while pending := {task for task in tasks if not task.done()}:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError:
                cancelled = True
        self._tasks.clear()
        if cancelled:
            raise asyncio.CancelledError

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            settled = loop.call_later(self._settled, self._if_current, task, name)
            try:
                await run()
            except asyncio.CancelledError as error:
                # Only our own cancellation ends it. One that comes out of something awaited is a failure like any other.
                if task.cancelling():
                    raise
                failures = 1 if loop.time() - started >= self._settled else failures + 1
                self._failed(task, name, failures, error)
            except Exception as error:
                failures = 1 if loop.time() - started >= self._settled else failures + 1
                self._failed(task, name, failures, error)
            else:
                if self._tasks.get(name) is task:
                    self._statuses[name] = replace(self._statuses[name], state=State.FINISHED, since=_now())
                return
            finally:
                settled.cancel()
            if self._closed or self._tasks.get(name) is not task:
                # It was cancelled, and made another error of that, as an asyncio.TaskGroup can before Python 3.13.
                raise asyncio.CancelledError
            await asyncio.sleep(self._backoff.delay(failures))

    def _if_current(self, task: asyncio.Task[None], name: str) -> None:
        if self._tasks.get(name) is task:
            self.healthy(name)

    def _failed(self, task: asyncio.Task[None], name: str, failures: int, error: BaseException) -> None:
        status = self._statuses.get(name)
        if status is None or self._tasks.get(name) is not task:  # stopped meanwhile: its cancellation is on the way
            return
        since = status.since if status.state is State.FAILING else _now()
        # A traceback for the first failure in a row; those that follow are most likely the same.
        logger.error(
            "%s: %s failed (%d in a row): %s: %s",
            self.name,
            name,
            failures,
            type(error).__name__,
            error,
            exc_info=error if failures == 1 else None,
        )
        _let_go(error)
        self._statuses[name] = replace(status, state=State.FAILING, since=since, failures=failures, last_error=error)


def _let_go(error: BaseException) -> None:
    """Forget the frames that an error, which is kept, came through, and all that they hold: listeners, batches of documents."""
    known: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in known:
            continue
        known.add(id(one))
        one.__traceback__ = None
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _now() -> datetime:
    return datetime.now(UTC)
