"""What is close at hand with real parts: how many reads it saves, and what happens when one of those who tell it dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from bff.broadcast.broadcaster import BroadcasterBroadcast
from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.broadcast.redis import RedisBackend
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.live.hub import Hub
from bff.live.relay import Relay
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.supervisor import Backoff
from bff.testing.emulators import RedisServer, redis_server
from tests.live.support import CHANNELS, deadline
from tests.live.test_live_views import CATALOG, Crew, sailor, says, ship
from tests.projection.support import Wrapped

pytestmark = pytest.mark.anyio

QUICK = Backoff(first=0.001, limit=0.01)
CREWS = Query(Crew.__view__.collection)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - it is others that change
        await asyncio.sleep(0.001)


async def read(hub: Hub, key: str) -> object:
    [found] = await hub.read(Crew, [key])
    assert isinstance(found, StoredView)
    return says(found)


def known(hub: Hub, key: str) -> object:
    state = hub.known(Crew, key)
    return None if state is None else says(state)


async def until_known(hub: Hub, key: str) -> None:
    while hub.known(Crew, key) is None:
        await hub.read(Crew, [key])
        await asyncio.sleep(0.001)


async def change(datastore: Datastore, projector: Projector, name: str) -> None:
    commit = await datastore.commit([ship("s1", name)])
    await projector.wait_for(commit.timepoint)


async def test_a_hot_query_costs_no_read_and_shows_every_change(datastore_url: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(deadline(60))
        datastore = await enter(open_datastore(datastore_url))
        broadcast = await enter(open_broadcast("memory://"))
        await datastore.commit([ship(f"s{number}", f"ship {number}") for number in range(10)])
        projector = await enter(Projector(datastore, CATALOG))
        await projector.wait_for(await datastore.ping())
        relay = await enter(Relay(datastore, broadcast, CATALOG, channels=CHANNELS))
        counted = Wrapped(datastore)
        views = ViewReader(counted, CATALOG)
        hub = await enter(Hub(broadcast, views, channels=CHANNELS, compare_seconds=3600, relay=relay))
        await until(lambda: relay.following)
        for number in range(10):
            await until_known(hub, f"s{number}")
        while hub.known_list(Crew, CREWS, 5) is None:
            await hub.read_list(Crew, CREWS, 5)
            await asyncio.sleep(0.001)
        counted.calls.clear()
        for turn in range(10):
            await datastore.commit([ship("s1", f"turn {turn}")])
            await until(lambda turn=turn: known(hub, "s1") == (f"turn {turn}", []))
            for number in range(10):
                assert await read(hub, f"s{number}") == known(hub, f"s{number}")
            listed = await hub.read_list(Crew, CREWS, 5)
            assert hub.known_list(Crew, CREWS, 5) is listed
            assert [view.key for view in listed.views] == [f"s{number}" for number in range(5)]
            assert listed.more

        def second() -> object:
            known = hub.known_list(Crew, CREWS, 5)
            return None if known is None else says(known.views[1])

        await until(lambda: second() == ("turn 9", []))
        await datastore.commit([sailor("a", "Ann", "s2")])
        await until(lambda: known(hub, "s2") == ("ship 2", ["Ann"]))
        assert counted.calls == []


async def test_what_this_process_builds_is_known_before_it_is_answered(datastore_url: str) -> None:
    """As ``bff.runtime`` has it: the builder's news go to the hub, with no relay in between."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(deadline(60))
        datastore = await enter(open_datastore(datastore_url))
        broadcast = await enter(open_broadcast("memory://"))
        relay = await enter(Relay(datastore, broadcast, CATALOG, channels=CHANNELS))
        views = ViewReader(datastore, CATALOG)
        hub = await enter(Hub(broadcast, views, channels=CHANNELS, compare_seconds=3600, relay=relay))
        views.news.listener = hub
        await datastore.commit([ship("s1", "Beagle")])
        await until(lambda: relay.following)
        await until_known(hub, "s1")
        for turn in range(20):
            await datastore.commit([ship("s1", f"turn {turn}")])
            [built] = await views.fresh(Crew, ["s1"])
            assert known(hub, "s1") == (f"turn {turn}", [])
            state = hub.known(Crew, "s1")
            assert state is not None
            assert state.version == built.version
        # What is read behind the hub's back is known as well.
        await relay.__aexit__(None, None, None)
        await datastore.commit([ship("s1", "unheard of")])
        await ViewReader(datastore, CATALOG).fresh(Crew, ["s1"])
        assert [says(one) for one in await views.read(Crew, ["s1"])] == [("unheard of", [])]
        assert hub.known(Crew, "s1") is None, "nobody tells of changes any more"


@contextlib.asynccontextmanager
async def relaying(datastore: Datastore, broadcast: Broadcast) -> AsyncIterator[Relay]:
    async with Relay(datastore, broadcast, CATALOG, channels=CHANNELS, pulse_seconds=0.02, backoff=QUICK) as relay:
        yield relay


async def test_without_a_relay_queries_read_the_datastore_and_are_right(broadcast_url: str) -> None:
    """A hub that only hears of the relay by its pulse: in another process, as far as it knows."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(deadline(60))
        datastore = await enter(open_datastore("sqlite://"))
        broadcast = await enter(open_broadcast(broadcast_url))
        projector = await enter(Projector(datastore, CATALOG))
        views = ViewReader(datastore, CATALOG)
        options = {"channels": CHANNELS, "compare_seconds": 3600, "trusted_seconds": 0.3, "backoff": QUICK}
        hub = await enter(Hub(broadcast, views, **options))  # type: ignore[arg-type]
        await change(datastore, projector, "Beagle")
        assert await read(hub, "s1") == ("Beagle", [])
        assert hub.cached == 0, "no relay, no cache"
        for name in ("Bounty", "Victory"):
            async with relaying(datastore, broadcast):
                await until_known(hub, "s1")
                await change(datastore, projector, name)
                await until(lambda name=name: known(hub, "s1") == (name, []))
            # It is killed: what it said last is believed for a moment.
            await until(lambda: hub.known(Crew, "s1") is None)
            await change(datastore, projector, f"{name} II")
            assert await read(hub, "s1") == (f"{name} II", [])
            assert hub.known(Crew, "s1") is None
        async with relaying(datastore, broadcast):
            await until_known(hub, "s1")
            assert known(hub, "s1") == ("Victory II", [])


@pytest.fixture
def server(redis_url: str) -> Iterator[RedisServer]:
    """One of the test's own, to do harm to."""
    with redis_server() as server:
        yield server


async def test_while_redis_is_down_or_frozen_queries_read_the_datastore_and_are_right(server: RedisServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(deadline(60))
        datastore = await enter(open_datastore("sqlite://"))
        backend = RedisBackend(server.url, timeout=2.0, heartbeat=0.1, backoff=Backoff(0.01, 0.1))
        broadcast = await enter(BroadcasterBroadcast(backend, backend.url))
        projector = await enter(Projector(datastore, CATALOG))
        views = ViewReader(datastore, CATALOG)
        options = {"channels": CHANNELS, "compare_seconds": 3600, "trusted_seconds": 0.3, "backoff": QUICK}
        hub = await enter(Hub(broadcast, views, **options))  # type: ignore[arg-type]
        await enter(relaying(datastore, broadcast))
        harms = [(server.kill, server.start), (server.pause, server.resume)]
        for number, (harm, heal) in enumerate(harms):
            await change(datastore, projector, f"before {number}")
            await until_known(hub, "s1")
            await until(lambda number=number: known(hub, "s1") == (f"before {number}", []))
            harm()
            await until(lambda: hub.known(Crew, "s1") is None)
            await change(datastore, projector, f"during {number}")
            assert await read(hub, "s1") == (f"during {number}", [])
            heal()
            await until_known(hub, "s1")
            assert known(hub, "s1") == (f"during {number}", [])
