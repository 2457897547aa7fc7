"""What is known of views that nobody looks at: read once, kept while every change is told, forgotten as soon as it may not be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Message
from bff.errors import DatastoreUnavailable
from bff.live.announcement import COMPARE, Announcement
from bff.live.hub import Hub
from bff.projection.stored_view import StoredView
from tests.live.keeping import Gate, Relaying, known, live, read
from tests.live.support import CHANNELS, Board, Shelf, announce, deadline, turns, version_of

pytestmark = pytest.mark.anyio


async def test_what_was_read_is_known_and_follows_what_is_announced() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, broadcast, _):
        assert known(hub, "a") is None, "nobody has read it"
        assert await read(hub, "a", "a") == [1, 1]
        assert known(hub, "a") == 1
        assert hub.known(Board, "a") is hub.known(Board, "a")
        await announce(broadcast, shelf.write("a"))
        await turns(5)
        assert known(hub, "a") == 2
        assert await read(hub, "a") == [2]
        assert shelf.reads == [("a",)]
        assert hub.cached == 1
        assert hub.subscriptions == 2, "nobody looks at it"


async def test_misses_of_one_call_are_one_read_in_the_order_of_the_keys() -> None:
    shelf = Shelf()
    for key in "abc":
        shelf.write(key)
    shelf.write("c")
    async with live(shelf) as (hub, _, _):
        await read(hub, "b")
        assert await read(hub, "c", "b", "a") == [2, 1, 1]
        assert shelf.reads == [("b",), ("c", "a")]


async def test_that_there_is_no_view_is_asked_for_each_time() -> None:
    """Its root may have been created a moment ago: who asks has it built."""
    shelf = Shelf()
    async with live(shelf) as (hub, _, _):
        assert [one.exists for one in await hub.read(Board, ["a"]) if isinstance(one, StoredView)] == [False]
        assert known(hub, "a") is None
        assert hub.cached == 0
        shelf.write("a")
        assert await read(hub, "a") == [1]
        # Nor is it for who is looked at.
        async with hub.subscribe(Board, "b") as states:
            assert await version_of(states) == 0
            shelf.write("b")
            assert await read(hub, "b") == [1]
            assert await version_of(states) == 1, "what was read is told to those who look"


async def test_a_hint_makes_it_unknown_until_it_is_read() -> None:
    shelf = Shelf()
    shelf.write("a")
    shelf.write("open")
    async with live(shelf) as (hub, broadcast, _):
        await read(hub, "a", "open")
        reads = len(shelf.reads)
        await announce(broadcast, shelf.write("a"), hint=True)
        await turns(5)
        assert known(hub, "a") is None
        assert len(shelf.reads) == reads, "nobody looks at it: it is not read for nobody"
        assert await read(hub, "a") == [2]
        await broadcast.publish(CHANNELS.of("Board", "a"), Message("a", b"nonsense"))
        await turns(5)
        assert known(hub, "a") is None


async def test_what_is_of_older_code_is_read_and_not_shown() -> None:
    class Newer:
        def __contains__(self, name: object) -> bool:
            return True

    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        await read(hub, "a")
        Board.__view__.stored["points"] = type("Field", (), {"document_name": "points"})
        try:
            hub.announced("Board", Announcement("a", 9, {"id": "a", "version": 9}))
            assert known(hub, "a") is None
        finally:
            Board.__view__.stored.clear()


async def test_a_gap_drops_what_nobody_looks_at_and_compares_the_rest() -> None:
    shelf = Shelf()
    shelf.write("a")
    shelf.write("open")
    async with live(shelf) as (hub, broadcast, _):
        await read(hub, "a", "open")
        shelf.reads.clear()
        for key in ("a", "open"):
            shelf.write(key)  # and nobody tells
            await broadcast.publish(CHANNELS.of("Board", key), COMPARE)
        await turns(2)
        while known(hub, "open") != 2:  # noqa: ASYNC110 - its read is under way
            await asyncio.sleep(0)
        assert known(hub, "a") is None
        assert [keys for keys in shelf.reads if "a" in keys] == []
        assert await read(hub, "a") == [2]


async def test_nothing_is_known_and_nothing_kept_while_the_relay_does_not_follow() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, relay):
        await read(hub, "a")
        relay.following = False
        shelf.write("a")
        shelf.write("b")
        assert known(hub, "a") is None
        assert await read(hub, "a", "b") == [2, 1]
        assert await read(hub, "a", "b") == [2, 1]
        assert shelf.reads == [("a",), ("a", "b"), ("a", "b")]
        assert hub.cached == 1
        relay.following = True
        assert known(hub, "a") == 2, "what was answered meanwhile is known"
        relay.gaps += 1
        assert known(hub, "a") is None, "the relay has missed something"
        assert await read(hub, "a") == [2]
        assert known(hub, "a") == 2


async def test_what_is_read_before_the_channel_is_heard_is_not_trusted() -> None:
    shelf = Shelf()
    shelf.write("a")
    relay = Relaying()
    async with deadline(), open_broadcast("memory://") as broadcast:
        hub = Hub(broadcast, shelf, channels=CHANNELS, compare_seconds=3600, linger_seconds=0, relay=relay)
        assert known(hub, "a") is None
        async with hub:
            assert await read(hub, "a") == [1]
            assert known(hub, "a") is None
            while known(hub, "a") is None:
                await turns(1)
                assert await read(hub, "a") == [1]
        assert known(hub, "a") is None
        assert await read(hub, "a") == [1], "a closed hub reads what is stored"


async def test_many_are_known_at_once_where_each_of_them_is() -> None:
    shelf = Shelf()
    for key in "abc":
        shelf.write(key)
    async with live(shelf) as (hub, broadcast, relay):
        assert hub.known_all(Board, []) == []
        assert hub.known_all(Board, ["a"]) is None
        await read(hub, "a", "b", "gone")
        assert hub.known_all(Board, ["b", "a", "b"]) == [hub.known(Board, key) for key in "bab"]
        assert hub.known_all(Board, ["a", "c"]) is None, "nobody has read it"
        assert hub.known_all(Board, ["a", "gone"]) is None, "that there is no view is never known"
        await announce(broadcast, shelf.write("a"))
        await turns(5)
        assert [state.version for state in hub.known_all(Board, ["a", "b"]) or ()] == [2, 1]
        async with hub.subscribe(Board, "b"):
            hub.announced("Board", Announcement("b", 9, hint=True))
            assert hub.known_all(Board, ["b"]) is None, "there is a newer one"
        relay.gaps += 1
        assert hub.known_all(Board, ["a"]) is None, "something may have been missed"
        await read(hub, "a")
        assert hub.known_all(Board, ["a"]) is not None
        relay.following = False
        assert hub.known_all(Board, ["a"]) is None


async def test_a_comparison_reads_versions_of_what_was_used_and_drops_the_rest() -> None:
    shelf = Shelf()
    for key in "abc":
        shelf.write(key)
    async with live(shelf) as (hub, _, _):
        await read(hub, "a", "b", "c")
        await hub.compare()
        assert shelf.compared == [("a", "b", "c")]
        assert known(hub, "a") == known(hub, "c") == 1
        shelf.write("c")  # and nobody tells
        await hub.compare()
        assert shelf.compared == [("a", "b", "c"), ("a", "c")]
        assert [known(hub, key) for key in "abc"] == [1, None, None]
        assert [keys for keys in shelf.reads if "open" not in keys] == [("a", "b", "c")]


async def test_a_comparison_that_fails_drops_what_it_was_of(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    shelf.write("a")

    async def versions(view: Any, keys: Sequence[str]) -> list[int | None]:
        raise DatastoreUnavailable("down")

    async with live(shelf) as (hub, _, _):
        await read(hub, "a")
        shelf.versions = versions  # type: ignore[method-assign]
        await hub.compare()
        assert known(hub, "a") is None
    assert caplog.messages == ["live: kept Board are dropped, they cannot be compared: DatastoreUnavailable: down"]


async def test_who_is_looked_at_is_not_known_until_a_read_after_the_doubt_has_landed() -> None:
    shelf = Shelf()
    shelf.write("open")
    async with live(shelf) as (hub, broadcast, relay):
        channel = CHANNELS.of("Board", "open")

        async def hint() -> None:
            await announce(broadcast, shelf.write("open"), hint=True)

        async def gap() -> None:
            shelf.write("open")
            await broadcast.publish(channel, COMPARE)

        async def missed_by_the_relay() -> None:
            shelf.write("open")
            relay.gaps += 1
            await broadcast.publish(channel, COMPARE)

        for doubt in (hint, gap, missed_by_the_relay):
            before = await read(hub, "open")
            assert known(hub, "open") == before[0]
            gate = Gate(shelf)
            shelf.after = gate.wait
            await doubt()
            await gate.reading.wait()
            await turns(3)
            assert known(hub, "open") is None
            gate.go_on.set()
            while known(hub, "open") is None:  # noqa: ASYNC110 - its read is under way
                await asyncio.sleep(0)
            assert known(hub, "open") == before[0] + 1
            shelf.after = None


async def test_what_this_process_wrote_or_read_is_known_at_once() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, broadcast, _), hub.subscribe(Board, "b") as states:
        await read(hub, "a")
        hub.written(Board, shelf.write("a"), 7)
        assert known(hub, "a") == 2
        hub.seen(Board, shelf.write("a"))
        assert known(hub, "a") == 3
        hub.seen(Board, StoredView("Board", "a", 1, {}))
        assert known(hub, "a") == 3
        hub.written(Board, shelf.delete("a"), 9)
        assert known(hub, "a") is None
        # Those who look are told at once as well, and once: the relay tells it again.
        assert await version_of(states) == 0
        hub.written(Board, shelf.write("b"), 7)
        await announce(broadcast, shelf.state("b"))
        assert await version_of(states) == 1
        hub.announced("Nobody", Announcement("b", 1))
        hub.written(Board, shelf.write("b"), 8)
        assert await version_of(states) == 2
