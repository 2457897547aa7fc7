"""Following a view without a task of one's own: each newer state is told, and nothing is awaited."""

from __future__ import annotations

import asyncio

import pytest

from bff.errors import BroadcastError
from tests.live.looking import idle, live
from tests.live.support import Board, Shelf, announce, turns, version_of

pytestmark = pytest.mark.anyio


async def test_a_follow_tells_of_each_newer_state_and_awaits_nothing(broadcast_url: str) -> None:
    shelf = Shelf()
    shelf.write("b1")
    async with live(shelf, broadcast_url) as (hub, broadcast):
        news = asyncio.Event()
        follow = hub.follow(Board, "b1", news.set)
        assert follow.state is None, "nobody has read it"
        assert hub.subscriptions == 1
        follow.owe()
        await news.wait()
        assert follow.state == shelf.state("b1")
        news.clear()
        follow.offer(shelf.state("b1"))
        assert not news.is_set(), "that is not newer"
        await announce(broadcast, shelf.write("b1"))
        await news.wait()
        assert follow.state == shelf.state("b1")
        # What follows reads for those who subscribe as well, and the other way round.
        news.clear()
        shelf.write("b1")
        async with hub.subscribe(Board, "b1") as states:
            assert await version_of(states) == 3
            assert news.is_set()
            follow.leave()
            follow.leave()
            assert hub.subscriptions == 1
        assert hub.subscriptions == 0
        await idle(hub)


async def test_what_is_followed_before_the_channel_is_open_is_compared_once_it_is() -> None:
    shelf = Shelf()
    shelf.write("b1")
    async with live(shelf) as (hub, _):
        news = asyncio.Event()
        follow = hub.follow(Board, "b1", news.set)
        old = shelf.state("b1")
        shelf.write("b1")  # announced to nobody
        follow.offer(old)
        news.clear()
        await news.wait()
        assert follow.state == shelf.state("b1")
        follow.leave()


async def test_a_state_is_delivered_again_when_it_is_asked_for() -> None:
    shelf = Shelf()
    shelf.write("b1")
    async with live(shelf) as (hub, broadcast), hub.subscribe(Board, "b1") as states:
        assert await version_of(states) == 1
        states.again()
        assert await version_of(states) == 1
        waiting = asyncio.create_task(version_of(states))
        await turns(3)
        states.again()
        states.again()
        assert await waiting == 1
        waiting = asyncio.create_task(version_of(states))
        await announce(broadcast, shelf.write("b1"))
        assert await waiting == 2, "once was enough"


async def test_nothing_is_followed_where_live_updates_are_closed() -> None:
    async with live(Shelf()) as (hub, _):
        follow = hub.follow(Board, "b1", lambda: None)
    with pytest.raises(BroadcastError):
        hub.follow(Board, "b1", lambda: None)
    follow.leave()
    assert hub.subscriptions == 0
