"""What is known of views that nobody looks at: read once, kept while every change is told, forgotten as soon as it may not be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast, Message
from bff.errors import BadUserInput, BroadcastError, BuildError, DatastoreUnavailable
from bff.live.announcement import COMPARE, Announcement
from bff.live.hub import Hub
from bff.live.kept import weight
from bff.projection.stored_view import StoredView
from bff.supervisor import Backoff
from tests.live.support import CHANNELS, Board, Shelf, announce, deadline, turns, version_of

pytestmark = pytest.mark.anyio

QUICK = Backoff(first=0.0001, limit=0.001)


class Relaying:
    """A relay as the hub of its process sees it."""

    def __init__(self) -> None:
        self.following = True
        self.gaps = 0


@contextlib.asynccontextmanager
async def live(shelf: Any, **options: Any) -> AsyncIterator[tuple[Hub, Broadcast, Relaying]]:
    relay = Relaying()
    options = {"channels": CHANNELS, "compare_seconds": 3600.0, "linger_seconds": 0.0, "backoff": QUICK, **options}
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(deadline())
        broadcast = await stack.enter_async_context(open_broadcast("memory://"))
        hub = await stack.enter_async_context(Hub(broadcast, shelf, relay=relay, **options))
        # Looking at another key of each channel subscribes to both.
        for key in ("open", "opened"):
            await stack.enter_async_context(hub.subscribe(Board, key))
        assert len(hub.channels) == CHANNELS.shards
        shelf.reads.clear()
        yield hub, broadcast, relay


def key_of(*, count: int, channel: int = 0) -> list[str]:
    """Keys of one channel."""
    keys = (f"k{number}" for number in range(10_000))
    return [key for key in keys if CHANNELS.of("Board", key).endswith(str(channel))][:count]


def known(hub: Hub, key: str) -> int | None:
    state = hub.known(Board, key)
    return None if state is None else state.version


async def read(hub: Hub, *keys: str) -> list[int]:
    found = await hub.read(Board, keys)
    return [one.version for one in found if isinstance(one, StoredView)]


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


# --- One read for all who ask


class Gate:
    """Holds reads until it is opened."""

    def __init__(self, shelf: Shelf) -> None:
        self.reading = asyncio.Event()
        self.go_on = asyncio.Event()
        shelf.after = self.wait

    async def wait(self, keys: Sequence[str]) -> None:
        self.reading.set()
        await self.go_on.wait()


async def test_a_thousand_who_ask_at_once_share_one_read() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        asking = [asyncio.create_task(read(hub, "a")) for _ in range(1000)]
        await gate.reading.wait()
        gate.go_on.set()
        assert await asyncio.gather(*asking) == [[1]] * 1000
        assert shelf.reads == [("a",)]


async def test_what_was_answered_meanwhile_is_newer_than_the_read_that_is_shared() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        first = asyncio.create_task(read(hub, "a"))
        await gate.reading.wait()
        hub.written(Board, shelf.write("a"), 7)
        second = asyncio.create_task(read(hub, "a"))
        await turns(3)
        gate.go_on.set()
        assert await first == [2]
        assert await second == [2]
        assert known(hub, "a") == 2


async def test_after_a_gap_nobody_shares_a_read_that_began_before_it() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, broadcast, _):
        gate = Gate(shelf)
        first = asyncio.create_task(read(hub, "a"))
        await gate.reading.wait()
        shelf.write("a")
        await broadcast.publish(CHANNELS.of("Board", "a"), COMPARE)
        await turns(5)
        second = asyncio.create_task(read(hub, "a"))
        await turns(3)
        gate.go_on.set()
        assert (await first, await second) == ([1], [2])
        assert known(hub, "a") == 2


async def test_that_nothing_was_there_before_one_asked_is_no_answer() -> None:
    shelf = Shelf()
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        early = asyncio.create_task(hub.read(Board, ["a"]))
        await gate.reading.wait()
        shelf.write("a")
        late = [asyncio.create_task(read(hub, "a")) for _ in range(10)]
        await turns(3)
        gate.go_on.set()
        [nothing] = await early
        assert isinstance(nothing, StoredView)
        assert await asyncio.gather(*late) == [[1]] * 10
        assert shelf.reads == [("a",), ("a",)]


async def test_who_goes_away_in_the_middle_leaves_the_others_their_answer() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        first = asyncio.create_task(read(hub, "a"))
        await gate.reading.wait()
        others = [asyncio.create_task(read(hub, "a")) for _ in range(10)]
        await turns(3)
        others[0].cancel()
        first.cancel()
        await turns(3)
        gate.go_on.set()
        assert await asyncio.gather(*others[1:]) == [[1]] * 9
        await asyncio.gather(first, others[0], return_exceptions=True)
        assert first.cancelled()
        assert others[0].cancelled()
        assert shelf.reads == [("a",), ("a",)]


async def test_a_datastore_that_is_down_is_raised_to_all_and_nothing_is_kept() -> None:
    shelf = Shelf()

    async def down(keys: Sequence[str]) -> None:
        await turns(3)
        raise DatastoreUnavailable("down")

    async with live(shelf) as (hub, _, _):
        shelf.before = down
        results = await asyncio.gather(*(hub.read(Board, ["a"]) for _ in range(10)), return_exceptions=True)
        assert {type(result) for result in results} == {DatastoreUnavailable}
        assert len(shelf.reads) <= 2
        shelf.before = None
        shelf.write("a")
        assert await read(hub, "a") == [1]


async def test_what_is_wrong_with_a_key_is_its_own() -> None:
    class Picky(Shelf):
        async def read_each(self, view: Any, keys: Sequence[str]) -> list[Any]:
            found: list[Any] = list(await super().read_each(view, keys))
            return [BuildError("no") if key == "bad" else one for key, one in zip(keys, found, strict=True)]

    shelf = Picky()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        one, other = await hub.read(Board, ["bad", "a"])
        assert isinstance(one, BuildError)
        assert isinstance(other, StoredView)
        assert hub.cached == 1
        assert known(hub, "bad") is None


async def test_what_cannot_be_a_key_is_left_to_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def split_key(key: str) -> None:
        if key == "\ud800":
            raise BadUserInput("no key")

    monkeypatch.setattr(Board, "split_key", split_key)
    async with live(Shelf()) as (hub, _, _):
        assert known(hub, "\ud800") is None
        await hub.read(Board, ["\ud800"])
        assert hub.cached == 0


# --- What this process has just done


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


# --- Watching without a task


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
