"""Watching a view without a task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bff.errors import BroadcastError, BuildError
from tests.live.keeping import Gate, live
from tests.live.support import Board, Shelf, announce, turns

pytestmark = pytest.mark.anyio


async def test_a_watch_is_woken_for_each_newer_state_and_costs_no_task() -> None:
    shelf = Shelf()
    shelf.write("a")
    woken: list[int] = []
    async with live(shelf) as (hub, broadcast, _):
        tasks = asyncio.all_tasks()
        watches = [await hub.watch(Board, "a", lambda number=number: woken.append(number)) for number in range(1000)]
        assert asyncio.all_tasks() == tasks
        assert {watch.state.version for watch in watches} == {1}
        assert hub.subscriptions == 1002
        assert len(shelf.reads) == 1, "what is known is not read again"
        woken.clear()
        await announce(broadcast, shelf.write("a"))
        await turns(5)
        assert sorted(woken) == list(range(1000))
        assert {watch.state.version for watch in watches} == {2}
        for watch in watches:
            watch.leave()
            watch.leave()
        woken.clear()
        await announce(broadcast, shelf.write("a"))
        await turns(5)
        assert woken == []
        assert hub.subscriptions == 2
        ended = await hub.watch(Board, "a", lambda: woken.append(0))
        assert not ended.ended
    assert ended.ended
    assert woken == [0]
    assert not hasattr(ended, "__dict__")
    with pytest.raises(BroadcastError):
        await hub.watch(Board, "a", lambda: None)


async def test_a_watch_raises_what_its_first_read_raises_and_leaves_nothing() -> None:
    shelf = Shelf()

    async def before(keys: Sequence[str]) -> None:
        raise BuildError("Board.score raised ZeroDivisionError")

    async with live(shelf) as (hub, _, relay):
        shelf.before = before
        with pytest.raises(BuildError):
            await hub.watch(Board, "a", lambda: None)
        assert hub.subscriptions == 2
        shelf.before = None
        relay.following = False
        watch = await hub.watch(Board, "a", lambda: None)
        assert not watch.state.exists, "also where the relay does not follow: it is told when it does"
        watch.leave()


async def test_one_who_stops_waiting_for_a_watch_leaves_nothing_behind() -> None:
    shelf = Shelf()
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        opening = asyncio.create_task(hub.watch(Board, "a", lambda: None))
        await gate.reading.wait()
        assert hub.subscriptions == 3
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert hub.subscriptions == 2
        gate.go_on.set()
