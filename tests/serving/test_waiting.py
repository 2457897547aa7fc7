"""Inbox and Gate stand in for asyncio's Queue and Event."""

from __future__ import annotations

import asyncio

import pytest

from bff.serving.gate import Gate
from bff.serving.inbox import Inbox

pytestmark = pytest.mark.anyio


async def test_an_inbox_gives_what_was_put_in_order() -> None:
    inbox: Inbox[int] = Inbox()
    assert inbox.empty()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    for number in range(3):
        inbox.put_nowait(number)
    assert await reading == 0
    assert [await inbox.get(), await inbox.get()] == [1, 2]
    assert inbox.empty()


async def test_an_inbox_whose_reader_was_cancelled_loses_nothing() -> None:
    inbox: Inbox[int] = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    reading.cancel()
    inbox.put_nowait(1)
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert await inbox.get() == 1


async def test_a_gate_lets_everybody_through_once_it_opens() -> None:
    gate = Gate()
    assert gate.is_set()
    await gate.wait()
    gate.clear()
    assert not gate.is_set()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(gate.wait()))
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting[1:])
    gate.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting[1:])
    assert waiting[0].cancelled()
