"""Awaiting several things at once: bounded, in order, and never deaf to being cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bff.together import LeftTogether, to_the_end, together

pytestmark = pytest.mark.anyio


async def test_results_are_in_order_and_so_many_at_a_time() -> None:
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    assert await together(*(work(number) for number in range(10)), limit=3) == list(range(10))
    assert most == 3


async def test_the_first_error_is_raised_as_it_is_and_the_others_are_cancelled() -> None:
    cancelled = asyncio.Event()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.current_task()
    assert task is not None
    # All tests of a process run in one task: another may have left its mark on it.
    before = task.cancelling()
    with pytest.raises(LookupError, match="no"):
        await together(fails(), waits(), *(waits() for _ in range(20)), limit=4)
    assert cancelled.is_set()
    assert task.cancelling() == before


async def test_being_cancelled_wins_over_an_error() -> None:
    """Else whoever tries again after an error would go on for ever, cancelled or not."""
    begun = asyncio.Event()

    async def fails_when_cancelled() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LookupError("gone") from None

    task = asyncio.create_task(together(fails_when_cancelled(), fails_when_cancelled()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_to_the_end_is_to_the_end_of_each() -> None:
    ended: list[int] = []

    async def ends(number: int) -> None:
        await asyncio.sleep(0)
        ended.append(number)
        if number in {1, 2}:
            raise LookupError(number)

    with pytest.raises(LookupError, match="1"):
        await to_the_end(*(ends(number) for number in range(30)))
    assert sorted(ended) == list(range(30))
    await to_the_end()


async def test_what_is_left_together_ends_beside_each_other() -> None:
    """Each waits until all are about to end."""
    leaving = asyncio.Barrier(3)

    @asynccontextmanager
    async def room(number: int) -> AsyncIterator[int]:
        yield number
        await leaving.wait()

    async with asyncio.timeout(10), LeftTogether() as together_:
        assert [await together_.enter(room(number)) for number in range(3)] == [0, 1, 2]
