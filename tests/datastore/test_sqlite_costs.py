"""A query costs its result, not its collection."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bff.datastore.port import Set
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.names import Names
from bff.datastore.sqlite.querying import run_query
from bff.query import PATH, And, Compare, Cursor, Direction, Filter, Op, Or, Order, Query
from bff.types import Value

SMALL, LARGE = 400, 12_000


def city(n: int, count: int) -> dict[str, Value]:
    return {
        "state": f"S{n % (count // 10)}",
        "population": (n * 7919) % count,
        "tags": [f"t{n % (count // 20)}", "x"],
        "size": n % 4,
        "at": {"zip": str(n)},
    }


async def build(path: Path, count: int) -> None:
    async with SQLiteDatastore(path) as datastore:
        for start in range(0, count, 500):
            numbers = range(start, min(start + 500, count))
            await datastore.commit([Set(f"cities/c{n:07}", city(n, count)) for n in numbers])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    directory = tmp_path_factory.mktemp("costs")
    found = {count: directory / f"{count}.db" for count in (SMALL, LARGE)}
    for count, path in found.items():
        asyncio.run(build(path, count))
    return found


def equal(field: str, value: Value) -> Compare:
    return Compare(field, Op.EQ, value)


def population(low: int, high: int) -> Filter:
    return And((Compare("population", Op.GE, low), Compare("population", Op.LT, high)))


QUERIES = [
    Query("cities", equal("state", "S3")),
    Query("cities", population(100, 110)),
    Query("cities", None, (Order("population", Direction.DESCENDING),), 10),
    Query("cities", None, (Order("population"),), 10, Cursor((200,))),
    Query("cities", None, (Order("population"),), None, Cursor((200,)), Cursor((210,))),
    Query("cities", Compare("state", Op.IN, ["S1", "S2", "S5"])),
    Query("cities", Compare("tags", Op.ARRAY_CONTAINS, "t7")),
    Query("cities", Compare("tags", Op.ARRAY_CONTAINS_ANY, ["t7", "t8"])),
    Query("cities", And((equal("size", 3), equal("state", "S3")))),
    Query("cities", And((equal("size", 3), population(100, 110)))),
    Query("cities", equal("state", "S3"), (Order("population"),)),
    Query("cities", equal("at.zip", "77")),
    Query("cities", Compare("size", Op.NE, 3), limit=10),
    Query("cities", Or((equal("state", "S1"), equal("at.zip", "50")))),
    Query("cities", Compare(PATH, Op.GE, "cities/c0000300"), limit=10),
    Query("cities", equal(PATH, "cities/c0000300")),
    Query("cities", None, (), 10, Cursor(("cities/c0000300",))),
    Query("cities", Compare("tags", Op.ARRAY_CONTAINS, "x"), limit=10),
    Query("cities", equal("state", "S3"), group=True),
    Query("cities", And((equal("size", 3), equal("state", "none")))),
    Query("cities", equal("nowhere", 1)),
]


def steps(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    """How many instructions SQLite's virtual machine executes for the work."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(tick, 1)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 1)
    return count


def cost(path: Path, query: Query) -> tuple[int, int]:
    connection, names = sqlite3.connect(path, isolation_level=None), Names()
    try:
        results = len(run_query(connection, names, query))  # once before: the names are looked up
        return steps(connection, lambda: run_query(connection, names, query)), results
    finally:
        connection.close()


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_the_steps_of_a_query_grow_with_its_result_alone(files: dict[int, Path], query: Query) -> None:
    few, few_results = cost(files[SMALL], query)
    many, many_results = cost(files[LARGE], query)
    assert few_results == many_results
    assert many <= few * 1.2 + 50
    assert many <= 60 * (many_results + 4) + 700  # the latter: finding out which of two equalities is the rarer


def test_an_order_with_a_common_equality_reads_until_its_limit(files: dict[int, Path]) -> None:
    """Of every four documents in order one is a result: about forty entries for ten, and not a quarter of the collection."""
    query = Query("cities", equal("size", 3), (Order("population"),), 10)
    many, results = cost(files[LARGE], query)
    assert results == 10
    assert many < LARGE


def test_every_statement_of_a_query_is_a_search_of_an_index(files: dict[int, Path]) -> None:
    connection = sqlite3.connect(files[LARGE], isolation_level=None)
    statements: set[str] = set()
    connection.set_trace_callback(statements.add)
    for query in QUERIES:
        run_query(connection, Names(), query)
    connection.set_trace_callback(None)
    plans = [row[3] for statement in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    connection.close()
    assert len(plans) > len(QUERIES)
    wrong = [plan for plan in plans if "TEMP B-TREE" in plan or (plan.startswith("SCAN") and "(subquery" not in plan)]
    assert wrong == []
