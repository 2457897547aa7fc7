"""Done means: a live window of 20 of 5,000 views, under random inserts, moves and removes, equals a fresh query after each step.

The views are built from domain documents and stored, as a mutation does it; the relay hears of them from the datastore, and the
hub matches them. A projector would do the building, but the emulator has no index of arrays: to find the views that a changed
document concerns, it reads all 5,000. It also sends a whole collection again on each write to it, so it plays fewer steps.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from graphql import GraphQLSchema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bff.broadcast.connect import open_broadcast
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Delete, Set, Write
from bff.live.hub import Hub
from bff.live.relay import Relay
from bff.projection.reader import ViewReader
from bff.resolvers.bind import bind
from bff.resolvers.context import Context
from bff.schema.build import build_schema
from tests.five_thousand import CATALOG, COUNT, Town, TownCard, key_of, seed
from tests.resolvers.live_client import LiveClient

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

LARGEST = "first: 20, orderBy: [{field: POPULATION, direction: DESC}]"
NORTH_EAST = 'first: 20, orderBy: [{field: POPULATION}, {field: NAME, direction: DESC}], filter: {region: {in: ["N", "E"]}}'
FIELDS = "id version name region population"


@dataclass
class Country:
    """5,000 towns, the first twenty of which people look at, in two orders."""

    datastore: Datastore
    schema: GraphQLSchema
    views: ViewReader
    hub: Hub
    relay: Relay
    towns: dict[str, Town]
    founded: int = 0
    steps: int = 0
    kinds: set[str] = field(default_factory=set)

    def context(self) -> Context:
        return Context(self.datastore, CATALOG, self.views, self.hub)

    def client(self, arguments: str) -> LiveClient:
        return LiveClient(self.schema, self.context, "townCards", arguments, FIELDS)

    async def step(self, changes: Sequence[Change]) -> None:
        writes: dict[str, Write] = {}
        order = sorted(self.towns.values(), key=lambda town: (town.population, town.id), reverse=True)
        for change in changes:
            key, write = change.write(self, order)
            writes[key] = write
        await self.datastore.commit(writes.values())
        await self.views.fresh(TownCard, list(writes))
        await self.relay.wait_for(await self.datastore.ping(), 60)
        self.steps += 1


@dataclass(frozen=True)
class Change:
    """Something happens to the town at a place of the order by population, or a new one is founded."""

    kind: str
    place: int
    population: int
    region: str

    def write(self, country: Country, order: Sequence[Town]) -> tuple[str, Write]:
        town = order[self.place % len(order)]
        kind = self.kind
        if kind == "insert" or town.id not in country.towns:
            country.founded += 1
            town = Town(id=f"{key_of(self.place)}-{country.founded}", name="New", region=self.region, population=self.population)
            country.towns[town.id] = town
        elif kind == "remove" and len(country.towns) > COUNT - 100:
            del country.towns[town.id]
            return town.id, Delete(town.path)
        elif kind == "move":
            town.population = self.population
        elif kind == "emigrate":
            town.region = self.region
        else:
            town.name = f"{town.name[:8]} {country.steps}"
        return town.id, Set(town.path, town.to_data())


Play: TypeAlias = list[tuple[list[Change], str]]

ends = st.integers(0, 30) | st.integers(COUNT - 60, COUNT - 1)
# Half of what happens happens at the ends, where somebody looks.
changes = st.builds(
    Change,
    kind=st.sampled_from(["insert", "remove", "move", "move", "rename", "emigrate"]),
    place=ends | st.integers(0, COUNT - 1),
    population=st.sampled_from([-1, 0, 0, 1, 1000, 39_000, 39_000, 39_500, 40_000]) | st.integers(0, 40_000),
    region=st.sampled_from("NESW"),
)
steps = st.lists(changes, min_size=1, max_size=6)
plays = st.lists(st.tuples(steps, st.sampled_from(["stay", "stay", "come again"])), min_size=2, max_size=6)


@asynccontextmanager
async def country(url: str) -> AsyncIterator[Country]:
    schema = build_schema(CATALOG)
    bind(schema, CATALOG)
    async with AsyncExitStack() as stack:
        datastore = await stack.enter_async_context(open_datastore(url))
        towns = await seed(datastore, random.Random(5000))
        broadcast = await stack.enter_async_context(open_broadcast("memory://"))
        views = ViewReader(datastore, CATALOG)
        relay = await stack.enter_async_context(Relay(datastore, broadcast, CATALOG))
        # Nothing is compared: what is announced must do.
        hub = await stack.enter_async_context(Hub(broadcast, views, compare_seconds=3600))
        yield Country(datastore, schema, views, hub, relay, {town.id: town for town in towns})


@pytest.fixture(scope="module")
async def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Country]:
    async with country(f"sqlite:///{tmp_path_factory.mktemp('towns') / 'bff.db'}") as opened:
        yield opened


@pytest.fixture(scope="module")
async def on_firestore(firestore_emulator: str) -> AsyncIterator[Country]:
    async with country(f"firestore://test-{uuid.uuid4().hex[:16]}?emulator={firestore_emulator}") as opened:
        yield opened


async def live_through(country: Country, play: Play) -> None:
    clients = [country.client(LARGEST), country.client(NORTH_EAST)]
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client.following())
            assert await client.until_fresh() == ["CURRENT"]
        for changes, connection in play:
            if connection == "come again":
                await stack.aclose()
            await country.step(changes)
            for client in clients:
                if connection == "come again":
                    await stack.enter_async_context(client.following(again=True))
                happened = await client.until_fresh()
                assert "CURRENT" not in happened
                country.kinds.update(one.partition(" ")[0] for one in happened)


def played(examples: int) -> settings:
    # The towns are where the last play left them: a play that fails cannot be made smaller.
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=False,
    )


@played(25)
@given(play=plays)
async def test_it_equals_a_fresh_query_after_each_step_on_sqlite(
    on_sqlite: Country, play: list[tuple[list[Change], str]]
) -> None:
    await live_through(on_sqlite, play)


async def test_each_thing_that_can_happen_to_a_list(on_sqlite: Country) -> None:
    """At the head of the list, whatever chance has made of the towns before."""
    on_sqlite.kinds.clear()
    happening = [
        Change("insert", 0, 50_000, "N"),
        Change("rename", 0, 0, "N"),
        Change("move", 5, 60_000, "N"),
        Change("remove", 0, 0, "N"),
    ]
    await live_through(on_sqlite, [([change], "stay") for change in happening])
    assert on_sqlite.kinds == {"ADDED", "MODIFIED", "REMOVED", "MOVED"}


@played(5)
@given(play=plays)
async def test_it_equals_a_fresh_query_after_each_step_on_firestore(on_firestore: Country, play: Play) -> None:
    await live_through(on_firestore, play)
