"""Windows of a hub: shared, kept right from what is announced, asked anew after gaps, left when nobody looks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast, Message
from bff.errors import DatastoreUnavailable, InvalidQuery
from bff.live.announcement import COMPARE, UNKNOWN, Announcement
from bff.live.hub import Hub
from bff.live.ledger import Ledger, Verdict
from bff.live.window import Window
from bff.live.windows import LiveList
from bff.query import PATH, Compare, Op, Query
from bff.supervisor import Backoff
from tests.live.support import CHANNELS, deadline, turns
from tests.live.table import HIGHEST, LOWEST, Client, Score, Table, tell

pytestmark = pytest.mark.anyio

QUICK = Backoff(first=0.001, limit=0.002)


@asynccontextmanager
async def live(table: Table, *, linger_seconds: float = 0) -> AsyncIterator[tuple[Hub, Broadcast]]:
    async with (
        deadline(),
        open_broadcast("memory://") as broadcast,
        Hub(broadcast, table, channels=CHANNELS, compare_seconds=3600, linger_seconds=linger_seconds, backoff=QUICK) as hub,
    ):
        yield hub, broadcast


async def until(changes: LiveList, client: Client, table: Table, query: Query, first: int) -> None:
    while not client.kinds or client.window != table.present(query, first):
        client.apply(await anext(changes))


async def test_a_change_costs_no_query() -> None:
    table = Table()
    for number in range(40):
        table.write(f"k{number}", number)
    async with live(table) as (hub, broadcast), hub.window(Score, LOWEST, 5) as changes:
        client = Client()
        await until(changes, client, table, LOWEST, 5)
        asked = table.queries
        for number in range(40):
            await tell(broadcast, table.write(f"new{number}", 20 - number))
        await tell(broadcast, table.write("k0", None))
        await tell(broadcast, table.write("k1", 50))
        await until(changes, client, table, LOWEST, 5)
        assert table.queries == asked
        assert table.reads == []


async def test_a_thousand_who_look_at_the_same_cost_one_window_and_share_what_changed() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table) as (hub, broadcast):
        entered = asyncio.Event()
        counted = 0

        async def look() -> list[str]:
            nonlocal counted
            client = Client()
            async with hub.window(Score, LOWEST, 5) as changes:
                client.apply(await anext(changes))
                counted += 1
                if counted == 1000:
                    entered.set()
                client.apply(await anext(changes))
            return client.kinds

        looking = [asyncio.create_task(look()) for _ in range(1000)]
        await entered.wait()
        assert (hub.windows, hub.subscriptions) == (1, 1000)
        assert table.queries <= 3, "those who ask while a query is under way share the next"
        await tell(broadcast, table.write("b", 0))
        assert set(map(tuple, await asyncio.gather(*looking))) == {("CURRENT", "ADDED b")}
        await turns(2)
        assert (hub.windows, hub.subscriptions) == (0, 0)


async def test_who_holds_and_was_shown_the_same_shares_one_version() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table) as (hub, broadcast), hub.window(Score, LOWEST, 5) as one, hub.window(Score, LOWEST, 5) as other:
        await anext(one)
        await anext(other)
        marked = one.version({"a": "x"})
        assert marked is other.version({"a": "x"})
        assert len({marked, one.version(), one.version({"a": "y"})}) == 3
        assert one.version() is other.version()
        await tell(broadcast, table.write("b", 2))
        await anext(one)
        await anext(other)
        assert one.version({"a": "x"}) not in {marked, one.version()}


async def test_a_slow_reader_skips_what_was_between_and_never_the_last() -> None:
    table = Table()
    async with live(table) as (hub, broadcast), hub.window(Score, LOWEST, 5) as changes:
        client = Client()
        client.apply(await anext(changes))
        for number in range(100):
            await tell(broadcast, table.write(f"k{number % 10}", number))
            await turns(3)
        await until(changes, client, table, LOWEST, 5)
        assert len(client.kinds) == 6


async def test_a_hint_is_read_and_what_is_no_announcement_too() -> None:
    table = Table()
    async with live(table) as (hub, broadcast), hub.window(Score, LOWEST, 5) as changes:
        client = Client()
        await until(changes, client, table, LOWEST, 5)
        await tell(broadcast, table.write("large", 1), max_bytes=10)
        await until(changes, client, table, LOWEST, 5)
        table.write("strange", 2)
        await broadcast.publish(CHANNELS.of("Score", "strange"), Message("strange", b"?"))
        await until(changes, client, table, LOWEST, 5)
        table.documents.pop("large")
        await broadcast.publish(CHANNELS.of("Score", "large"), Announcement("large", UNKNOWN, hint=True).to_message(1000))
        await until(changes, client, table, LOWEST, 5)
        assert table.reads == [("large",), ("strange",), ("large",)]


async def test_a_view_of_older_code_is_read_before_it_is_shown() -> None:
    table = Table()
    async with live(table) as (hub, broadcast), hub.window(Score, Query("scores"), 5) as changes:
        client = Client()
        client.apply(await anext(changes))
        announced = table.write("a", 1)
        half = {name: value for name, value in (announced.document or {}).items() if name != "score"}
        await tell(broadcast, Announcement("a", announced.version, half, committed=announced.committed))
        await until(changes, client, table, Query("scores"), 5)
        assert table.reads == [("a",)]


async def test_after_a_gap_the_query_is_asked_anew() -> None:
    table = Table()
    async with live(table) as (hub, broadcast), hub.window(Score, HIGHEST, 5) as changes:
        client = Client()
        await until(changes, client, table, HIGHEST, 5)
        table.write("missed", 3)
        await broadcast.publish(CHANNELS.of("Score", "whatever"), COMPARE)
        await until(changes, client, table, HIGHEST, 5)


async def test_a_query_that_fails_is_repeated_and_what_was_shown_stays(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    table.write("a", 1)
    failing = 5

    async def before() -> None:
        nonlocal failing
        if failing and table.queries > 1:
            failing -= 1
            raise DatastoreUnavailable("not now")

    table.before = before
    async with live(table) as (hub, broadcast), hub.window(Score, LOWEST, 5) as changes:
        client = Client()
        await until(changes, client, table, LOWEST, 5)
        table.write("missed", 0)
        with caplog.at_level(logging.ERROR):
            await broadcast.publish(CHANNELS.of("Score", "whatever"), COMPARE)
            await until(changes, client, table, LOWEST, 5)
        assert failing == 0
        assert hub.failing == 0
        assert [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()] == [
            "live: the first 5 of Score cannot be read: DatastoreUnavailable: not now"
        ]


async def test_a_query_that_is_refused_refuses_the_subscription_and_is_not_repeated() -> None:
    table = Table()

    async def before() -> None:
        raise InvalidQuery("no")

    table.before = before
    async with live(table) as (hub, _):
        with pytest.raises(InvalidQuery):
            async with hub.window(Score, LOWEST, 5):
                pass
        await turns(20)
        assert (hub.windows, table.queries) == (0, 1)


async def test_a_query_that_cannot_be_one_is_refused_and_leaves_no_channel() -> None:
    async with live(Table()) as (hub, _):
        with pytest.raises(InvalidQuery):
            async with hub.window(Score, Query("scores", Compare(PATH, Op.EQ, "no path")), 5):
                pass
        await turns(20)
        assert (hub.windows, hub.channels) == (0, ())


async def test_a_window_lingers_and_is_right_for_who_comes_back() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table, linger_seconds=30) as (hub, _):
        async with hub.window(Score, LOWEST, 5) as changes:
            await anext(changes)
        assert (hub.windows, hub.subscriptions) == (1, 0)
        table.write("b", 0)  # nobody announces it: whoever comes asks the query
        async with hub.window(Score, LOWEST, 5) as changes:
            client = Client()
            client.apply(await anext(changes))
            assert client.window == table.present(LOWEST, 5)


async def test_closing_the_hub_ends_the_lists() -> None:
    table = Table()
    async with live(table) as (hub, _), hub.window(Score, LOWEST, 5) as changes:
        await anext(changes)
        waiting = asyncio.ensure_future(anext(changes))
        await turns(2)
        await hub.__aexit__(None, None, None)
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_a_reader_who_gives_up_while_it_opens_leaves_nothing() -> None:
    table = Table()
    begun = asyncio.Event()

    async def before() -> None:
        begun.set()
        await asyncio.Event().wait()

    table.before = before
    async with live(table) as (hub, _):

        async def look() -> None:
            async with hub.window(Score, LOWEST, 5):
                pass

        looking = asyncio.create_task(look())
        await begun.wait()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        assert (hub.windows, hub.subscriptions) == (0, 0)


# --- By itself


def window_of(table: Table, query: Query, first: int) -> Window:
    return Window("Score", query, first)


async def test_memory_is_bounded_by_the_window() -> None:
    table = Table()
    window = window_of(table, LOWEST, 20)
    window.begin()
    window.land(await table.find_at(window.query, Score))
    for number in range(3000):
        window.take(table.write(f"k{number}", number % 500))
        assert len(list(window.versions())) <= 40
    shown = window.shown()
    assert shown is not None
    assert list(shown.held) == table.present(LOWEST, 20)
    assert shown.more


async def test_what_is_announced_during_a_query_is_remembered_up_to_a_bound() -> None:
    table = Table()
    window = window_of(table, LOWEST, 20)
    window.begin()
    found = await table.find_at(window.query, Score)
    for number in range(1500):
        window.take(table.write(f"k{number}", number))
    assert window.overrun
    window.land(found)
    window.begin()
    assert not window.overrun
    window.land(await table.find_at(window.query, Score))
    shown = window.shown()
    assert shown is not None
    assert list(shown.held) == table.present(LOWEST, 20)


async def test_a_window_that_has_run_out_shows_nothing_before_it_is_filled() -> None:
    table = Table()
    for number in range(100):
        table.write(f"k{number:02}", number)
    window = window_of(table, LOWEST, 5)
    window.begin()
    window.land(await table.find_at(window.query, Score))
    gone = 0
    while window.shown() is not None:
        window.take(table.write(f"k{gone:02}", None))
        gone += 1
    assert gone == 10
    assert window.low
    window.begin()
    window.land(await table.find_at(window.query, Score))
    shown = window.shown()
    assert shown is not None
    assert list(shown.held) == table.present(LOWEST, 5)


async def test_a_filter_by_many_values_matches_as_a_query_does() -> None:
    table = Table()
    query = Query("scores", Compare("score", Op.IN, [1, 2, 3]))
    window = window_of(table, query, 5)
    window.begin()
    window.land(await table.find_at(window.query, Score))
    for number in range(6):
        window.take(table.write(f"k{number}", number))
    shown = window.shown()
    assert shown is not None
    assert list(shown.held) == table.present(query, 5)


def test_the_ledger_tells_news_from_what_is_late() -> None:
    ledger = Ledger(keys=2)
    assert ledger.judge(Announcement("a", 5, committed=6)) is Verdict.NEWS
    assert ledger.judge(Announcement("a", 5, committed=6)) is Verdict.OLD
    assert ledger.judge(Announcement("a", 4, committed=5)) is Verdict.OLD
    assert ledger.judge(Announcement("a", 7, committed=6)) is Verdict.DOUBTFUL
    assert ledger.judge(Announcement("b", 1, committed=7)) is Verdict.NEWS
    assert ledger.judge(Announcement("c", 1, committed=9)) is Verdict.NEWS
    # 'a' is forgotten: what was committed by then may be older than what was known.
    assert ledger.judge(Announcement("a", 6, committed=6)) is Verdict.DOUBTFUL
    assert ledger.judge(Announcement("a", 6, committed=10)) is Verdict.NEWS
