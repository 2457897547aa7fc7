"""How much is kept of views that nobody looks at: the least recently used go first."""

from __future__ import annotations

import asyncio

import pytest

from bff.broadcast.connect import open_broadcast
from bff.live.announcement import Announcement
from bff.live.hub import Hub
from bff.live.kept import weight
from bff.projection.stored_view import StoredView
from tests.live.keeping import Relaying, key_of, known, live, read
from tests.live.support import CHANNELS, Board, Shelf, deadline, turns, version_of

pytestmark = pytest.mark.anyio


async def test_the_least_recently_used_go_first() -> None:
    shelf = Shelf()
    for key in "abcd":
        shelf.write(key)
    async with live(shelf, cached_views=2) as (hub, _, _):
        await read(hub, "a")
        await read(hub, "b")
        assert known(hub, "a") == 1
        await read(hub, "c")
        assert [known(hub, key) for key in "abc"] == [1, None, 1]
        async with hub.subscribe(Board, "d") as states:
            assert await version_of(states) == 1
            await read(hub, "d")
            await read(hub, "a", "c")
            assert hub.cached == 2
            assert known(hub, "d") == 1, "who is looked at is not evicted, only no longer counted"


async def test_a_channel_is_left_with_the_last_view_that_is_kept() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with (
        deadline(),
        open_broadcast("memory://") as broadcast,
        Hub(broadcast, shelf, channels=CHANNELS, linger_seconds=0, relay=Relaying()) as hub,
    ):
        while known(hub, "a") is None:
            await turns(1)
            await read(hub, "a")
        assert hub.channels == (CHANNELS.of("Board", "a"),)
        await hub.compare()
        await hub.compare()
        assert hub.cached == 0
        while hub.channels:  # noqa: ASYNC110 - a timer of zero seconds
            await asyncio.sleep(0)


async def test_memory_is_bounded_and_what_a_state_was_written_as_counts() -> None:
    shelf = Shelf()
    keys = key_of(count=20)
    for key in keys:
        shelf.write(key)
    most = 10 * weight(shelf.state(keys[0])) + 500
    async with live(shelf, cached_bytes=most) as (hub, _, _):
        await read(hub, *keys)
        assert hub.cached == 10
        state = hub.known(Board, keys[-1])
        assert state is not None
        state.texts["one"] = bytes(3 * weight(shelf.state(keys[0])))
        assert hub.known(Board, keys[-1]) is state
        assert hub.cached == 7
        # Another in the place of that one: so many as before, and longer.
        del state.texts["one"]
        state.texts["two"] = bytes(6 * weight(shelf.state(keys[0])))
        assert hub.known(Board, keys[-1]) is state
        assert hub.cached == 4
        large = Announcement(keys[-1], 9, {"id": keys[-1], "version": 9, "text": "x" * most})
        hub.announced("Board", large)
        assert hub.cached == 0, "what alone is more than there is room for is not kept"
    assert weight(StoredView("Board", "a", 1, {"n": 2**70, "bytes": b"x" * 1000})) > 1000


async def test_those_that_are_asked_for_together_are_kept_and_weighed_as_those_that_are_asked_for_alone() -> None:
    shelf = Shelf()
    keys = key_of(count=6)
    for key in keys:
        shelf.write(key)
    each = weight(shelf.state(keys[0]))
    async with live(shelf, cached_bytes=4 * each + 500) as (hub, _, _):
        await read(hub, *keys[:4])
        assert hub.known_all(Board, [keys[0], keys[2]]) is not None
        await read(hub, *keys[4:])
        assert [key for key in keys if known(hub, key)] == [keys[0], keys[2], keys[4], keys[5]], (
            "the least recently used go first"
        )
        # What two of them were written as takes the place of all but the last one.
        states = hub.known_all(Board, [keys[0], keys[5]])
        assert states is not None
        for state in states:
            state.texts["one"] = bytes(2 * each)
        assert hub.known_all(Board, [keys[0], keys[5]]) == states
        assert [key for key in keys if known(hub, key)] == [keys[5]]
        assert hub.cached == 1
        assert hub.known_all(Board, [keys[0], keys[5]]) is None
        # One that somebody looks at is known, whether or not it is kept.
        async with hub.subscribe(Board, keys[1]):
            assert hub.cached == 1
            assert hub.known_all(Board, [keys[1], keys[5]]) is not None
            assert hub.cached == 2
