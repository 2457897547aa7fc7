"""Threads that the datastore owns, for calls that may wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["Workers"]

T = TypeVar("T")

INSIST_SECONDS = 0.02


class Workers:
    """A few threads. A call that is cancelled or takes too long is interrupted, and has ended before its caller goes on."""

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._running: dict[asyncio.Future[Any], Callable[[], None]] = {}

    async def run(self, work: Callable[[], T], interrupt: Callable[[], None], seconds: float | None = None) -> T:
        """Raises TimeoutError after so many seconds, and what the work raises."""
        future = self._executor.submit(work)
        waiter = asyncio.wrap_future(future)
        self._running[waiter] = interrupt
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(waiter)
        finally:
            if not waiter.done():
                await self._stop(future, waiter, interrupt)
            del self._running[waiter]

    async def _stop(self, future: Future[Any], waiter: asyncio.Future[Any], interrupt: Callable[[], None]) -> None:
        """Whatever else is cancelled meanwhile: a connection that is still in use cannot be handed on."""
        cancelled: asyncio.CancelledError | None = None
        while not waiter.done():
            if not future.cancel():
                interrupt()  # again and again, since it has no effect between two statements
            try:
                await asyncio.wait([waiter], timeout=INSIST_SECONDS)
            except asyncio.CancelledError as error:
                cancelled = error
        if not waiter.cancelled():
            waiter.exception()  # looked at, so that asyncio does not report it: the caller gets the reason of the stop
        if cancelled is not None:
            raise cancelled

    async def close(self) -> None:
        """Interrupt what still runs, and join the threads."""
        while self._running:
            for interrupt in tuple(self._running.values()):
                interrupt()
            await asyncio.wait(tuple(self._running), timeout=INSIST_SECONDS)
            await asyncio.sleep(0)  # their callers remove them
        self._executor.shutdown(wait=True)
