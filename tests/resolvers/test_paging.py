"""Whatever the order, the ties and the page size: paging through a list, either way, gives each view once, in order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bff.datastore.port import Set
from bff.document import Document
from bff.matching import run
from bff.query import Direction, Order, Query
from bff.types import Value
from tests.resolvers.conftest import World

pytestmark = pytest.mark.anyio

FIELDS = {"TITLE": "title", "PAGES": "pages", "NOTE": "note", "ADDED": "added", "GENRE": "genre", "LENT_FOR": "lentFor"}


def document(key: str, chance: random.Random) -> dict[str, Value]:
    """A stored BookPage with few different values, so that there are ties."""
    return {
        "id": key,
        "version": 1,
        "title": chance.choice(["A", "B", "ä", ""]),
        "author": "lem",
        "authorName": "x",
        "pages": chance.randint(-1, 2),
        "genre": chance.choice(["novel", "poetry"]),
        "copies": [],
        "added": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance.randint(0, 2)),
        "note": chance.choice([None, "n", "m"]),
        "tags": [],
        "letters": 1,
        "price": "1",
        "lentFor": chance.randint(0, 1),
        "foundAt": None,
        "writer": "authors/lem",
        "facts": {},
    }


async def walk(world: World, arguments: str, size: int, *, backwards: bool) -> list[str]:
    """The ids of every page, from the first to the last."""
    found: list[str] = []
    cursor = ""
    while True:
        count = f"last: {size}" if backwards else f"first: {size}"
        data = await world.ask(
            f"{{ bookPages({count}{arguments}{cursor}) {{ edges {{ node {{ id }} }}"
            " pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }"
        )
        connection: Mapping[str, Any] = data["bookPages"]
        info = connection["pageInfo"]
        ids = [edge["node"]["id"] for edge in connection["edges"]]
        assert len(ids) <= size
        found = ids + found if backwards else found + ids
        if not info["hasPreviousPage" if backwards else "hasNextPage"]:
            return found
        assert len(ids) == size
        cursor = f', before: "{info["startCursor"]}"' if backwards else f', after: "{info["endCursor"]}"'


@pytest.mark.parametrize("seed", range(4))
async def test_every_view_comes_once_in_its_place(world: World, seed: int) -> None:
    chance = random.Random(seed)
    documents = [Document(f"BookPage/k{number}", document(f"k{number}", chance), 1) for number in range(12)]
    await world.datastore.commit([Set(one.path, one.data or {}) for one in documents])
    for _ in range(4):
        names = chance.sample(list(FIELDS), chance.randint(0, 3))
        directions = [chance.choice(["ASC", "DESC"]) for _ in names]
        orders = tuple(
            Order(FIELDS[name], Direction.DESCENDING if direction == "DESC" else Direction.ASCENDING)
            for name, direction in zip(names, directions, strict=True)
        )
        expected = [one.id for one in run(Query("BookPage", order_by=orders), documents)]
        listed = ", ".join(
            f"{{field: {name}, direction: {direction}}}" for name, direction in zip(names, directions, strict=True)
        )
        for backwards in (False, True):
            assert await walk(world, f", orderBy: [{listed}]", chance.randint(1, 7), backwards=backwards) == expected
