"""Subscriptions to a view: the present state, then strictly newer ones, whatever fails on the way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast, Message
from bff.errors import BroadcastError, BuildError, DatastoreUnavailable
from bff.live.announcement import COMPARE, UNKNOWN, Announcement
from bff.live.hub import Hub
from bff.projection.stored_view import StoredView
from bff.supervisor import State
from tests.live.looking import QUICK, idle, live
from tests.live.support import CHANNELS, Board, Player, Shelf, announce, deadline, turns, version_of

pytestmark = pytest.mark.anyio


async def test_the_present_state_comes_first_and_then_each_change(broadcast_url: str) -> None:
    shelf = Shelf()
    shelf.write("b1")
    async with live(shelf, broadcast_url) as (hub, broadcast), hub.subscribe(Board, "b1") as states:
        assert await anext(states) == StoredView("Board", "b1", 1, {"id": "b1", "version": 1, "score": 10})
        await announce(broadcast, shelf.write("b1"))
        assert await anext(states) == StoredView("Board", "b1", 2, {"id": "b1", "version": 2, "score": 20})


async def test_a_view_that_is_not_there_is_null_until_it_is_and_once_it_is_gone(broadcast_url: str) -> None:
    shelf = Shelf()
    async with live(shelf, broadcast_url) as (hub, broadcast), hub.subscribe(Board, "b1") as states:
        assert (await anext(states)).document is None
        await announce(broadcast, shelf.write("b1"))
        assert (await anext(states)).document is not None
        await announce(broadcast, shelf.delete("b1"))
        assert await anext(states) == StoredView("Board", "b1", 2, None)
        await announce(broadcast, shelf.delete("b1"))
        await announce(broadcast, shelf.write("b1"))
        assert await version_of(states) == 4  # that it is gone still is nothing to tell


async def test_nothing_that_is_not_newer_is_told(broadcast_url: str) -> None:
    shelf = Shelf()
    shelf.write("b1")
    old = shelf.state("b1")
    shelf.write("b1")
    async with live(shelf, broadcast_url) as (hub, broadcast), hub.subscribe(Board, "b1") as states:
        assert await version_of(states) == 2
        for state in (old, shelf.state("b1"), old):
            await announce(broadcast, state)
        await announce(broadcast, shelf.write("b1"))
        assert await version_of(states) == 3


async def test_a_slow_reader_skips_to_the_newest_state_and_costs_no_memory() -> None:
    shelf = Shelf()
    async with live(shelf) as (hub, broadcast), hub.subscribe(Board, "b1") as slow, hub.subscribe(Board, "b1") as fast:
        assert await version_of(slow) == 0
        assert await version_of(fast) == 0
        for version in range(1, 1001):
            await announce(broadcast, shelf.write("b1"))
            assert await version_of(fast) == version
        gc.collect()
        held = [found for found in gc.get_objects() if isinstance(found, StoredView) and found.view == "Board"]
        assert len(held) < 10
        assert await version_of(slow) == 1000


async def test_subscribers_to_one_key_share_a_read() -> None:
    """Those who come while it is being read share the next one, which sees what was written before they came."""
    shelf = Shelf()
    shelf.write("b1")
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def after(keys: Sequence[str]) -> None:
        reading.set()
        await go_on.wait()

    async def first(hub: Hub) -> int:
        async with hub.subscribe(Board, "b1") as states:
            return await version_of(states)

    shelf.after = after
    async with live(shelf) as (hub, _):
        early = [asyncio.create_task(first(hub)) for _ in range(100)]
        await reading.wait()
        shelf.write("b1")  # nobody has announced it yet
        late = [asyncio.create_task(first(hub)) for _ in range(100)]
        await turns(10)
        go_on.set()
        assert await asyncio.gather(*late) == [2] * 100
        assert set(await asyncio.gather(*early)) <= {1, 2}
    assert len(shelf.reads) <= 3


async def test_first_reads_of_many_keys_are_batched_and_views_are_told_apart() -> None:
    shelf = Shelf()
    shelf.write("same")
    keys = [f"k{number}" for number in range(250)]
    async with live(shelf, batch=100) as (hub, broadcast), contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(hub.subscribe(Board, key)) for key in keys))
        assert len(shelf.reads) < 20
        assert sorted(key for batch in shelf.reads for key in batch) == sorted(keys)
        board = await stack.enter_async_context(hub.subscribe(Board, "same"))
        player = await stack.enter_async_context(hub.subscribe(Player, "same"))
        assert ((await anext(board)).view, (await anext(player)).view) == ("Board", "Player")
        await announce(broadcast, StoredView("Player", "same", 9, {"score": 9}))
        assert (await anext(player)).version == 9
        assert hub.subscriptions == 252


async def test_a_first_read_that_fails_is_raised_to_its_subscriber_alone() -> None:
    shelf = Shelf()

    async def before(keys: Sequence[str]) -> None:
        if "bad" in keys:
            raise BuildError("Board.score raised ZeroDivisionError")

    async def first(hub: Hub, key: str) -> int:
        async with hub.subscribe(Board, key) as states:
            return await version_of(states)

    shelf.before = before
    async with live(shelf) as (hub, _):
        results = await asyncio.gather(*(first(hub, key) for key in ("a", "b", "bad", "c", "d")), return_exceptions=True)
        assert [type(result) for result in results] == [int, int, BuildError, int, int]
        shelf.before = None
        assert await first(hub, "bad") == 0
        assert hub.subscriptions == 0


async def test_a_comparison_that_fails_is_repeated_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    down = 0

    async def before(keys: Sequence[str]) -> None:
        nonlocal down
        if down:
            down -= 1
            raise DatastoreUnavailable("no answer")

    shelf.before = before
    async with live(shelf) as (hub, broadcast), hub.subscribe(Board, "b1") as states:
        assert await version_of(states) == 0
        down = 3
        shelf.write("b1")
        await broadcast.publish(CHANNELS.of("Board", "b1"), COMPARE)
        assert await version_of(states) == 1
        assert down == 0
        assert hub.failing == 0
    assert [record.getMessage() for record in caplog.records] == [
        "live: Board b1 cannot be read: DatastoreUnavailable: no answer"
    ]


async def test_a_read_that_takes_too_long_is_an_error_of_ours() -> None:
    shelf = Shelf()

    async def before(keys: Sequence[str]) -> None:
        await asyncio.Event().wait()

    shelf.before = before
    async with live(shelf, read_seconds=0.01) as (hub, _):
        with pytest.raises(DatastoreUnavailable, match=r"Board was not read within 0\.01 s"):
            await hub.subscribe(Board, "b1").__aenter__()


async def test_a_hint_and_what_is_no_announcement_make_it_read() -> None:
    shelf = Shelf()
    async with live(shelf) as (hub, broadcast), hub.subscribe(Board, "b1") as states:
        assert await version_of(states) == 0
        channel = CHANNELS.of("Board", "b1")
        await announce(broadcast, shelf.write("b1"), hint=True)
        assert await version_of(states) == 1
        shelf.write("b1")
        await broadcast.publish(channel, Announcement("b1", UNKNOWN, hint=True).to_message(1000))
        assert await version_of(states) == 2
        shelf.write("b1")
        await broadcast.publish(channel, Message("b1", b"\x00nonsense"))
        assert await version_of(states) == 3
        reads = len(shelf.reads)
        await announce(broadcast, shelf.state("b1"), hint=True)  # known already
        await announce(broadcast, shelf.write("b1"))
        assert await version_of(states) == 4
        assert len(shelf.reads) == reads


async def test_a_document_too_large_for_a_message_is_announced_without_its_content() -> None:
    large = Announcement("b1", 7, {"text": "x" * 1000})
    assert Announcement.from_message(large.to_message(10_000)) == large
    assert Announcement.from_message(large.to_message(1000)) == Announcement("b1", 7, hint=True)
    with pytest.raises(ValueError, match="no announcement"):
        Announcement.from_message(Message("b1", b""))


async def test_everything_held_is_compared_regularly() -> None:
    shelf = Shelf()
    async with live(shelf, compare_seconds=0.01) as (hub, _), hub.subscribe(Board, "b1") as states:
        assert await version_of(states) == 0
        shelf.write("b1")  # and nobody announces it
        assert await version_of(states) == 1


async def test_a_gap_of_the_channel_makes_it_compare_all_that_it_holds() -> None:
    shelf = Shelf()
    keys = [f"k{number}" for number in range(2000)]  # more than a mailbox holds
    async with live(shelf) as (hub, broadcast), contextlib.AsyncExitStack() as stack:
        subscriptions = [await stack.enter_async_context(hub.subscribe(Board, key)) for key in keys]
        for states in subscriptions:
            assert await version_of(states) == 0
        for key in keys:
            await announce(broadcast, shelf.write(key))  # nobody else runs meanwhile
        for states in subscriptions:
            assert await version_of(states) == 1


async def test_a_channel_is_left_when_nobody_needs_it_and_kept_for_who_comes_back_soon() -> None:
    shelf = Shelf()
    async with live(shelf, linger_seconds=3600) as (hub, _):
        async with hub.subscribe(Board, "b1"):
            pass
        kept = hub.status()
        async with hub.subscribe(Board, "b1"):
            assert hub.status() == kept
    async with live(shelf) as (hub, _):
        async with hub.subscribe(Board, "b1"):
            assert hub.channels == (CHANNELS.of("Board", "b1"),)
        await idle(hub)


async def test_one_who_is_cancelled_at_any_moment_leaves_nothing_behind() -> None:
    shelf = Shelf()

    async def look_on(hub: Hub) -> None:
        async with hub.subscribe(Board, "b1") as states:
            async for _ in states:
                pass

    async with live(shelf) as (hub, broadcast):
        for steps in range(25):
            task = asyncio.create_task(look_on(hub))
            await turns(steps)
            task.cancel()
            async with hub.subscribe(Board, "b1") as states:
                before = await version_of(states)
                await announce(broadcast, shelf.write("b1"))
                assert await version_of(states) == before + 1
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            assert hub.subscriptions == 0
        await idle(hub)


async def test_those_who_give_up_before_the_channel_answers_are_forgotten() -> None:
    class Silent:
        @contextlib.asynccontextmanager
        async def subscribe(self, channel: str) -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield

    async def look(hub: Hub) -> None:
        async with hub.subscribe(Board, "b1"):
            pass

    silent: Any = Silent()
    shelf: Any = Shelf()
    async with Hub(silent, shelf, channels=CHANNELS, compare_seconds=3600) as hub:
        looking = [asyncio.create_task(look(hub)) for _ in range(100)]
        await turns(3)
        [feed] = hub._feeds._feeds.values()
        assert len(feed._waiting) == 100
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        assert not feed._waiting


async def test_closing_ends_every_subscription_and_leaves_no_task() -> None:
    shelf = Shelf()
    stuck = asyncio.Event()

    async def before(keys: Sequence[str]) -> None:
        if "stuck" in keys:
            stuck.set()
            await asyncio.Event().wait()

    async def look_on(hub: Hub, key: str) -> list[int]:
        async with hub.subscribe(Board, key) as states:
            return [state.version async for state in states]

    shelf.before = before
    tasks = asyncio.all_tasks()
    async with live(shelf) as (hub, _):
        looking = asyncio.create_task(look_on(hub, "b1"))
        while not hub.subscriptions:  # noqa: ASYNC110 - a few turns
            await asyncio.sleep(0)
        waiting = asyncio.create_task(look_on(hub, "stuck"))
        queued = asyncio.create_task(look_on(hub, "stuck"))
        await stuck.wait()
    async with deadline():
        assert await looking == [0]
        for task in (waiting, queued):
            with pytest.raises(BroadcastError):
                await task
    assert asyncio.all_tasks() == tasks
    with pytest.raises(BroadcastError, match="closed"):
        await hub.subscribe(Board, "b1").__aenter__()


class Refusing:
    """A broadcast that refuses subscriptions, or ends them, as often as it is told to."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self.refusals = 0
        self.cut = asyncio.Event()

    @contextlib.asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Any]:
        if self.refusals and channel != CHANNELS.pulse:
            self.refusals -= 1
            raise BroadcastError("refused")
        async with self._broadcast.subscribe(channel) as subscription:
            yield self._until_cut(subscription)

    async def _until_cut(self, subscription: Any) -> AsyncIterator[Any]:
        cut = asyncio.ensure_future(self.cut.wait())
        reading = asyncio.ensure_future(anext(subscription))
        try:
            while True:
                await asyncio.wait({reading, cut}, return_when=asyncio.FIRST_COMPLETED)
                if cut.done():
                    return
                yield reading.result()
                reading = asyncio.ensure_future(anext(subscription))
        finally:
            cut.cancel()
            reading.cancel()


async def test_a_subscription_to_a_channel_that_ends_is_made_again_and_everything_compared() -> None:
    shelf = Shelf()
    async with deadline(), open_broadcast("memory://") as sound:
        broadcast: Any = Refusing(sound)
        async with (
            Hub(broadcast, shelf, channels=CHANNELS, compare_seconds=3600, backoff=QUICK) as hub,
            hub.subscribe(Board, "b1") as states,
        ):
            assert await version_of(states) == 0
            broadcast.refusals = 3
            shelf.write("b1")
            broadcast.cut.set()
            while broadcast.refusals:  # noqa: ASYNC110 - the backoff is real
                await asyncio.sleep(0.001)
            broadcast.cut.clear()
            assert await version_of(states) == 1
            await announce(sound, shelf.write("b1"))
            assert await version_of(states) == 2
            assert State.FAILING not in {status.state for status in hub.status()}


async def test_a_channel_that_cannot_be_subscribed_to_is_raised_to_who_wants_it() -> None:
    shelf = Shelf()
    async with deadline(), open_broadcast("memory://") as sound:
        broadcast: Any = Refusing(sound)
        broadcast.refusals = 1
        async with Hub(broadcast, shelf, channels=CHANNELS, backoff=QUICK) as hub:
            with pytest.raises(BroadcastError, match="refused"):
                await hub.subscribe(Board, "b1").__aenter__()
            async with hub.subscribe(Board, "b1") as states:
                assert await version_of(states) == 0
