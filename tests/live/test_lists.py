"""Lists that are asked for again: answered from windows that are kept for them, and never with what may be old."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.errors import DatastoreUnavailable, InvalidQuery
from bff.live.announcement import COMPARE
from bff.live.hub import Hub
from bff.live.lists import KnownList
from bff.projection.stored_view import StoredView
from bff.query import Compare, Op, Query
from bff.supervisor import Backoff
from tests.live.keeping import Relaying
from tests.live.support import CHANNELS, deadline, turns
from tests.live.table import HIGHEST, LOWEST, Score, Table, tell

pytestmark = pytest.mark.anyio

QUICK = Backoff(first=0.001, limit=0.002)


@asynccontextmanager
async def live(table: Table, **options: Any) -> AsyncIterator[tuple[Hub, Broadcast, Relaying]]:
    relay = Relaying()
    options = {"channels": CHANNELS, "compare_seconds": 3600, "linger_seconds": 0, "backoff": QUICK, **options}
    async with deadline(), open_broadcast("memory://") as broadcast, Hub(broadcast, table, relay=relay, **options) as hub:
        yield hub, broadcast, relay


def shown(known: KnownList | None) -> list[tuple[str, int]] | None:
    return None if known is None else [(view.key, view.version) for view in known.views]


async def ask(hub: Hub, query: Query, first: int) -> list[tuple[str, int]] | None:
    return shown(await hub.read_list(Score, query, first))


async def until_known(hub: Hub, query: Query, first: int) -> KnownList:
    while (known := hub.known_list(Score, query, first)) is None:
        await hub.read_list(Score, query, first)
        await turns(1)
    return known


async def test_a_list_that_is_asked_for_again_is_known_and_follows_what_is_announced() -> None:
    table = Table()
    for number in range(20):
        table.write(f"k{number}", number)
    async with live(table) as (hub, broadcast, _):
        assert await ask(hub, LOWEST, 5) == table.present(LOWEST, 5)
        assert hub.windows == 0, "once is no reason to keep a window"
        known = await until_known(hub, LOWEST, 5)
        assert hub.windows == 1
        assert shown(known) == table.present(LOWEST, 5)
        assert known.more
        assert hub.known_list(Score, LOWEST, 5) is known
        again = Query(LOWEST.collection, LOWEST.where, LOWEST.order_by)
        assert hub.known_list(Score, again, 5) is known, "whoever asks the same"
        assert hub.known_list(Score, LOWEST, 4) is None
        queries = table.queries
        known.texts["one"] = b"text"
        await tell(broadcast, table.write("k19", 100))
        await turns(5)
        assert hub.known_list(Score, LOWEST, 5) is known, "it does not show what has changed"
        await tell(broadcast, table.write("new", 2))
        await turns(5)
        changed = hub.known_list(Score, LOWEST, 5)
        assert shown(changed) == table.present(LOWEST, 5)
        assert changed is not None
        assert changed.texts == {}
        assert changed.views[0] is known.views[0], "a view that has not changed is the same object"
        hub.written(Score, _state(table, "k0", 7), table.clock)
        assert shown(hub.known_list(Score, LOWEST, 5)) == table.present(LOWEST, 5)
        assert table.queries == queries


def _state(table: Table, key: str, score: int) -> StoredView:
    announced = table.write(key, score)
    return announced.stored("Score")


async def test_what_differs_in_type_alone_is_another_list() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table) as (hub, _, _):
        ones = [Query("scores", Compare("score", Op.EQ, value)) for value in (1, True)]
        assert shown(await until_known(hub, ones[0], 5)) == table.present(ones[0], 5)
        assert hub.known_list(Score, ones[1], 5) is None
        assert await ask(hub, ones[1], 5) == []


async def test_nothing_is_known_while_it_is_not_certain() -> None:
    table = Table()
    for number in range(20):
        table.write(f"k{number}", number)
    async with live(table) as (hub, broadcast, relay):
        await until_known(hub, LOWEST, 5)
        relay.following = False
        assert hub.known_list(Score, LOWEST, 5) is None
        table.write("new", 0)
        assert await ask(hub, LOWEST, 5) == table.present(LOWEST, 5)
        relay.following = True
        relay.gaps += 1
        assert hub.known_list(Score, LOWEST, 5) is None
        await broadcast.publish(CHANNELS.of("Score", "new"), COMPARE)
        assert shown(await until_known(hub, LOWEST, 5)) == table.present(LOWEST, 5)
        # A gap, and the query that it calls for, held.
        go_on = asyncio.Event()
        held: Any = go_on.wait
        table.after = held
        table.write("newer", 0)
        await broadcast.publish(CHANNELS.of("Score", "newer"), COMPARE)
        await turns(5)
        assert hub.known_list(Score, LOWEST, 5) is None
        go_on.set()
        assert shown(await until_known(hub, LOWEST, 5)) == table.present(LOWEST, 5)
        # A hint: the key is read, and until then it is not clear.
        go_on.clear()
        await tell(broadcast, table.write("newest", 0), max_bytes=1)
        await turns(5)
        assert hub.known_list(Score, LOWEST, 5) is None
        go_on.set()
        assert shown(await until_known(hub, LOWEST, 5)) == table.present(LOWEST, 5)


async def test_a_list_that_shows_less_than_was_read_elsewhere_is_not_known() -> None:
    table = Table()
    for number in range(20):
        table.write(f"k{number}", number)
    async with live(table) as (hub, _, _):
        await until_known(hub, LOWEST, 5)
        for key, score in (("k1", 3), ("fresh", 0), ("k0", 100)):
            hub.seen(Score, _state(table, key, score))
            assert hub.known_list(Score, LOWEST, 5) is None, key
            assert shown(await until_known(hub, LOWEST, 5)) == table.present(LOWEST, 5)
        reads = len(table.reads)
        for _ in range(3):
            hub.seen(Score, _state(table, "far", 50))
        hub.seen(Score, StoredView("Score", "k2", 1, {}))
        assert hub.known_list(Score, LOWEST, 5) is not None, "what changes nothing in it costs nothing"
        assert len(table.reads) == reads


async def test_windows_are_bounded_by_number_and_by_views_and_let_go_when_nobody_asks() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table, cached_lists=2, cached_list_views=100) as (hub, _, _):
        for first in (1, 2, 3):
            await until_known(hub, LOWEST, first)
        await turns(3)
        assert hub.windows == 2
        assert hub.known_list(Score, LOWEST, 1) is None
        assert hub.known_list(Score, LOWEST, 2) is not None
        await until_known(hub, LOWEST, 50)
        await turns(3)
        assert hub.windows == 1, "it alone is all there is room for"
        assert hub.known_list(Score, LOWEST, 50) is not None
        await hub.compare()
        assert hub.known_list(Score, LOWEST, 50) is not None
        await hub.compare()
        await hub.compare()
        await turns(3)
        assert hub.windows == 0
        assert hub.subscriptions == 0
        async with hub.window(Score, HIGHEST, 2) as changes:
            await anext(changes)
            known = await until_known(hub, HIGHEST, 2)
            assert shown(known) == table.present(HIGHEST, 2)
            assert hub.windows == 1, "it is shared with those who look"


async def test_lists_that_come_and_go_leave_no_windows_that_linger() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table, cached_lists=2, linger_seconds=3600) as (hub, _, _):
        async with hub.window(Score, HIGHEST, 1) as changes:
            await anext(changes)
        for first in range(1, 10):
            await until_known(hub, LOWEST, first)
            assert hub.windows <= 2 + 1, "those that are kept, and the one that somebody has looked at"


async def test_a_query_as_long_as_a_request_is_never_remembered() -> None:
    table = Table()
    table.write("a", 1)
    async with live(table) as (hub, _, _):
        query = Query("scores", Compare("name", Op.NE, "x" * 100_000))
        for _ in range(3):
            assert await ask(hub, query, 5) == table.present(query, 5)
            await turns(3)
        assert hub.known_list(Score, query, 5) is None
        assert hub.windows == 0
        assert table.queries == 3


async def test_errors_are_raised_to_who_asks() -> None:
    table = Table()

    async def down() -> None:
        raise DatastoreUnavailable("down")

    async def wrong() -> None:
        raise InvalidQuery("no index")

    async with live(table) as (hub, _, _):
        for fault, error in ((down, DatastoreUnavailable), (wrong, InvalidQuery)):
            table.before = fault
            for _ in range(3):
                with pytest.raises(error):
                    await hub.read_list(Score, LOWEST, 5)


class Churn:
    """Writes that are announced in one way or another, and what has been answered meanwhile."""

    def __init__(self, hub: Hub, broadcast: Broadcast, relay: Relaying, table: Table, chance: random.Random) -> None:
        self.hub = hub
        self.broadcast = broadcast
        self.relay = relay
        self.table = table
        self.chance = chance
        self.newest: dict[str, int] = {}
        table.before = table.after = self.pause

    async def pause(self) -> None:
        await turns(self.chance.randrange(4))

    async def change(self) -> None:
        chance, key = self.chance, f"k{self.chance.randrange(16)}"
        score = chance.choice([None, *range(12)])
        announced = self.table.write(key, score, open=chance.random() < 0.8, late=chance.randrange(3))
        match chance.randrange(6):
            case 0:
                self.hub.written(Score, announced.stored("Score"), announced.committed)
                self.newest[key] = announced.version
                await tell(self.broadcast, announced)
            case 1:
                await tell(self.broadcast, announced, max_bytes=1)
            case 2:
                self.relay.gaps += 1
                for channel in CHANNELS.all("Score"):
                    await self.broadcast.publish(channel, COMPARE)
            case _:
                await tell(self.broadcast, announced)

    def check(self, known: KnownList | None) -> None:
        for view in () if known is None else known.views:
            assert view.version >= self.newest.get(view.key, 0), f"{view.key} went back"
            self.newest[view.key] = view.version

    async def end(self) -> None:
        """Everything is told: what is known from now on is what there is."""
        for _ in range(200):
            await turns(5)
            known = self.hub.known_list(Score, LOWEST, 3)
            if known is not None:
                assert shown(known) == self.table.present(LOWEST, 3)
                return
            await self.hub.read_list(Score, LOWEST, 3)
        raise AssertionError("it is never known")


async def test_a_known_list_is_what_a_query_finds_whatever_is_announced_in_whatever_way() -> None:
    for seed in range(150):
        table = Table()
        for number in range(12):
            table.write(f"k{number}", number)
        async with live(table) as (hub, broadcast, relay):
            churn = Churn(hub, broadcast, relay, table, random.Random(seed))
            for _ in range(40):
                await churn.change()
                await churn.pause()
                churn.check(hub.known_list(Score, LOWEST, 3))
                churn.check(await hub.read_list(Score, LOWEST, 3))
            await churn.end()
