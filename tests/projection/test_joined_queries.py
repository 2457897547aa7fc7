"""Queries that are asked as one find what each finds by itself."""

from __future__ import annotations

import random

import pytest

from bff.datastore.port import Datastore, Set
from bff.errors import InvalidQuery
from bff.projection.joined_queries import ask
from bff.query import And, Compare, Op, Order, Query
from tests.projection.support import Wrapped

pytestmark = pytest.mark.anyio

EQ = Op.EQ


def of(course: str, *others: Compare, **more: object) -> Query:
    where = Compare("course", EQ, course)
    return Query("enrolments", And((where, *others)) if others else where, **more)  # type: ignore[arg-type]


QUERIES = [
    *(of(f"c{number}") for number in range(70)),
    *(of(f"c{number}", Compare("grade", EQ, 1)) for number in range(5)),
    *(of(f"c{number}", Compare("grade", EQ, True)) for number in range(5)),
    *(of(f"c{number}", Compare("grade", EQ, 1.0)) for number in range(5)),
    *(of(f"c{number}", Compare("grade", Op.GE, 2)) for number in range(5)),
    *(of(f"c{number}", limit=1) for number in range(5)),
    *(of(f"c{number}", order_by=(Order("grade"),)) for number in range(5)),
    *(Query("enrolments", Compare("tags.first", EQ, f"c{number}")) for number in range(5)),
    Query("enrolments", Compare("tags", Op.ARRAY_CONTAINS, "c1")),
    Query("enrolments", Compare("grade", EQ, None)),
    Query("enrolments"),
    Query("nowhere", Compare("course", EQ, "c1")),
    Query("enrolments", Compare("course", EQ, "c1"), group=True),
    of("c1"),
]


async def test_each_finds_what_it_finds_alone(datastore: Datastore) -> None:
    chance = random.Random(7)
    grades = [1, 1.0, True, 2, 3, None, "1"]
    await datastore.commit(
        [
            Set(
                f"enrolments/e{number:03}",
                {
                    "course": chance.choice([f"c{chance.randrange(40)}", 7, None]),
                    "grade": chance.choice(grades),
                    "tags": {"first": f"c{chance.randrange(4)}"},
                },
            )
            for number in range(200)
        ]
    )
    counting = Wrapped(datastore)
    async with datastore.snapshot() as snapshot, counting.snapshot() as counted:
        alone = [await snapshot.query(query) for query in QUERIES]
        assert await ask(counted, QUERIES) == alone
    assert sum(map(bool, alone)) > 50
    # 70 of one kind in threes of thirty, two kinds of five, the paths in a map, and the group's; the rest alone.
    assert len(counting.calls) == 3 + 2 + 1 + 2 + 5 * 4 + 3


async def test_what_is_wrong_with_one_is_said_of_it_alone(datastore: Datastore) -> None:
    wrong = Query("enrolments", Compare("__name__", EQ, "no path"))
    async with datastore.snapshot() as snapshot:
        first, second, third = await ask(snapshot, [of("c1"), wrong, of("c2")])
    assert first == third == []
    assert isinstance(second, InvalidQuery)


async def test_nothing_is_asked_for_nothing(datastore: Datastore) -> None:
    async with datastore.snapshot() as snapshot:
        assert await ask(snapshot, []) == []
