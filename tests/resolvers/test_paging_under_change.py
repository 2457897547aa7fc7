"""Paging through 5,000 views while others are inserted, changed and removed: what was there throughout comes once, in its place.

A view whose order value changes while it is paged past may come twice, or not at all: it was in two places, or between them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from graphql import GraphQLSchema, graphql

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Delete, Set, Write
from bff.live.hub import Hub
from bff.projection.reader import ViewReader
from bff.resolvers.bind import bind
from bff.resolvers.context import Context
from bff.schema.build import build_schema
from tests.five_thousand import CATALOG, COUNT, Town, TownCard, key_of, seed, town

pytestmark = pytest.mark.anyio

AT_ONCE = 8
"""So many documents a commit of the writer touches."""

STEPS = 3
"""So many commits are made while one page is read, and before the next one is."""

LARGEST_ORDER = "orderBy: [{field: POPULATION, direction: DESC}]"
FILTER = 'filter: {region: {in: ["N", "E"]}}'


@dataclass
class Writer:
    """Changes the towns and their views, again and again; a fifth of them is never touched, a fifth keeps its place."""

    datastore: Datastore
    towns: dict[str, Town]
    chance: random.Random
    inserted: int = COUNT
    moved: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)

    async def change(self, steps: int) -> None:
        """So many commits, each with the views it touches."""
        views = ViewReader(self.datastore, CATALOG)
        for _ in range(steps):
            writes = dict(self._change() for _ in range(AT_ONCE))
            await self.datastore.commit(writes.values())
            await views.fresh(TownCard, list(writes))

    def _change(self) -> tuple[str, Write]:
        kind = self.chance.choice(["insert", "remove", "move", "rename", "rename"])
        if kind == "insert":
            self.inserted += 1
            # Anywhere among the others: a removed town never comes back.
            new = town(f"{key_of(self.chance.randrange(COUNT))}-{self.inserted}", self.chance)
            self.towns[new.id] = new
            return new.id, Set(new.path, new.to_data())
        # What may be removed, what may move, and what only gets another name are told apart by the last digit of the number.
        digits = {"remove": "012", "move": "345", "rename": "67"}[kind]
        one = self.towns[self.chance.choice([key for key in self._sample() if key[5] in digits])]
        if kind == "remove":
            del self.towns[one.id]
            self.removed.add(one.id)
            return one.id, Delete(one.path)
        if kind == "move":
            self.moved.add(one.id)
            one.population = 1000 * self.chance.randrange(60)
        else:
            self.renamed.add(one.id)
            one.name = f"{one.name}'"
        return one.id, Set(one.path, one.to_data())

    def _sample(self) -> list[str]:
        return self.chance.sample(sorted(self.towns), 200)


@dataclass
class Client:
    datastore: Datastore
    schema: GraphQLSchema
    chance: random.Random

    async def ask(self, selection: str) -> Any:
        views = ViewReader(self.datastore, CATALOG)
        context = Context(self.datastore, CATALOG, views, cast(Hub, None))
        result = await graphql(self.schema, f"{{ townCards{selection} }}", context_value=context)
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data["townCards"]

    async def walk(self, writer: Writer, arguments: str, *, backwards: bool) -> list[str]:
        """The keys of every page, from the first to the last; towns change between the pages, and while one is read."""
        found: list[str] = []
        cursor = ""
        while True:
            size = self.chance.randint(100, 500)
            count = f"last: {size}" if backwards else f"first: {size}"
            asked = self.ask(
                f"({count} {arguments} {cursor})"
                " { edges { node { id } } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } }"
            )
            page, _ = await asyncio.gather(asked, writer.change(STEPS))
            keys = [edge["node"]["id"] for edge in page["edges"]]
            found = keys + found if backwards else found + keys
            info = page["pageInfo"]
            if not info["hasPreviousPage" if backwards else "hasNextPage"]:
                return found
            assert len(keys) == size
            cursor = f'before: "{info["startCursor"]}"' if backwards else f'after: "{info["endCursor"]}"'


async def test_no_view_that_was_there_throughout_is_missed_or_seen_twice(datastore_url: str) -> None:
    chance = random.Random(5_000)
    schema = build_schema(CATALOG)
    bind(schema, CATALOG)
    async with open_datastore(datastore_url) as datastore:
        towns = {one.id: one for one in await seed(datastore, chance)}
        client = Client(datastore, schema, chance)
        for arguments in ("", LARGEST_ORDER, f"{LARGEST_ORDER}, {FILTER}"):
            for backwards in (False, True):
                before = list(towns)
                writer = Writer(datastore, towns, chance)
                found = await client.walk(writer, arguments, backwards=backwards)
                moved = writer.moved if LARGEST_ORDER in arguments else set()
                stayed = [key for key in before if key in towns and key not in moved]
                assert_each_once(found, in_order(towns, stayed, arguments), moved)
                assert all((writer.removed, writer.renamed, writer.moved))
            counted = await client.ask(f"({arguments or 'first: 1'}) {{ totalCount }}")
            assert counted == {"totalCount": len(in_order(towns, towns, arguments))}


def in_order(towns: Mapping[str, Town], keys: Iterable[str], arguments: str) -> list[str]:
    """Those of the keys that a list of all towns has, in its order."""
    listed = [towns[key] for key in keys if FILTER not in arguments or towns[key].region in "NE"]
    if LARGEST_ORDER in arguments:
        listed.sort(key=lambda one: (one.population, one.id), reverse=True)
    else:
        listed.sort(key=lambda one: one.id)
    return [one.id for one in listed]


def assert_each_once(found: Sequence[str], expected: Sequence[str], moved: AbstractSet[str]) -> None:
    assert len(expected) > 1_000
    wanted = set(expected)
    assert [key for key in found if key in wanted] == expected, "missed, seen twice, or in another place"
    twice = {key for key, times in Counter(found).items() if times > 1}
    assert twice <= moved
