"""Awaits several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["LeftTogether", "to_the_end", "together"]

T = TypeVar("T")


async def together(*works: Coroutine[Any, Any, T], limit: int = 16) -> list[T]:
    """The results, in order. When one raises, the others are cancelled and awaited, and its error is raised as it is.

    At most ``limit`` run at a time.
    """
    # Not an asyncio.TaskGroup: before Python 3.13, when one of its tasks fails, it leaves its own task marked as being cancelled,
    # and when it is cancelled while one fails, it forgets that it was. A supervisor tells the two apart by that mark.
    if len(works) == 1:
        return [await works[0]]
    gate = asyncio.Semaphore(limit)

    async def one(work: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await work

    tasks = [asyncio.create_task(one(work)) for work in works]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _end(tasks)
        for work in works:
            work.close()  # one whose turn did not come
        # Each is asked for its error, so that none is reported as never seen.
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    if errors:
        raise errors[0]
    return [task.result() for task in tasks]


async def to_the_end(*works: Coroutine[Any, Any, None]) -> None:
    """All of them at once, each to its end whatever the others raise; then the first error is raised."""

    async def ended(work: Coroutine[Any, Any, None]) -> Exception | None:
        try:
            await work
        except Exception as error:
            return error
        return None

    for error in await together(*map(ended, works), limit=max(1, len(works))):
        if error is not None:
            raise error


class LeftTogether:
    """Async context managers that are left at once: what ends in its time, each of them, ends in the time of one."""

    def __init__(self) -> None:
        self._entered: list[AbstractAsyncContextManager[Any, Any]] = []

    async def enter(self, manager: AbstractAsyncContextManager[T, Any]) -> T:
        value = await manager.__aenter__()
        self._entered.append(manager)
        return value

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await to_the_end(*(self._leave(manager, kind, error, traceback) for manager in self._entered))

    async def _leave(self, manager: AbstractAsyncContextManager[Any, Any], *reason: Any) -> None:
        await manager.__aexit__(*reason)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel what is not done, and wait until it is, also while being cancelled oneself."""
    cancelled = False
    for task in tasks:
        task.cancel()
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
