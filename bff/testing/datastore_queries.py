"""Queries: every datastore against ``bff.matching``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.datastore.port import Datastore, Delete, Merge, Set, Write
from bff.document import Document
from bff.errors import InvalidQuery
from bff.matching import run
from bff.query import PATH, And, Compare, Cursor, Direction, Filter, Op, Or, Order, Query
from bff.testing.datastore_case import DatastoreCase, count, query, same_value
from bff.testing.datastore_samples import IDS, SCALARS, UNHURRIED, documents, queries, values
from bff.types import Value

__all__ = ["QueryConformance"]

CITIES: dict[str, dict[str, Value]] = {
    "SF": {"name": "San Francisco", "state": "CA", "population": 860_000, "tags": ["coast", "hills"], "at": {"zone": "P"}},
    "LA": {"name": "Los Angeles", "state": "CA", "population": 3_900_000, "tags": ["coast"], "at": {"zone": "P"}},
    "DC": {"name": "Washington", "state": None, "population": 680_000, "tags": [], "at": {"zone": "E"}},
    "TOK": {"name": "Tokyo", "population": 9_000_000.5, "tags": ["coast", 1], "at": {}},
    "BJ": {"name": "Beijing", "state": "", "population": "many", "at": None},
}


async def fill(datastore: Datastore, data: Mapping[str, Mapping[str, Value]]) -> list[Document]:
    commit = await datastore.commit([Set(path, fields) for path, fields in data.items()])
    return [Document(path, fields, commit.timepoint) for path, fields in data.items()]


async def replace_all(datastore: Datastore, collection: str, data: Mapping[str, Mapping[str, Value]]) -> list[Document]:
    """Make these the only documents of the collection, whose ids are among ``IDS``."""
    gone: list[Write] = [Delete(f"{collection}/{id}") for id in IDS if id not in data]
    await datastore.commit([*gone, *(Set(f"{collection}/{id}", fields) for id, fields in data.items())])
    return [Document(f"{collection}/{id}", fields) for id, fields in data.items()]


def ids(found: list[Document]) -> list[str]:
    return [document.id for document in found]


class QueryConformance(DatastoreCase):
    @pytest.fixture
    async def cities(self, datastore: Datastore) -> Datastore:
        await fill(datastore, {f"cities/{id}": data for id, data in CITIES.items()})
        return datastore

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (None, "BJ DC LA SF TOK"),
            (Compare("state", Op.EQ, "CA"), "LA SF"),
            (Compare("state", Op.EQ, None), "DC"),
            (Compare("state", Op.NE, "CA"), "BJ"),
            (Compare("state", Op.NE, None), "BJ LA SF"),
            (Compare("state", Op.IN, ["CA", "", None]), "BJ LA SF"),
            (Compare("state", Op.NOT_IN, ["CA"]), "BJ"),
            (Compare("state", Op.NOT_IN, ["CA", None]), ""),
            (Compare("population", Op.LT, 900_000), "DC SF"),
            (Compare("population", Op.LE, 860_000.0), "DC SF"),
            (Compare("population", Op.GT, 3_900_000), "TOK"),
            (Compare("population", Op.GE, 3_900_000), "LA TOK"),
            (Compare("population", Op.GE, "a"), "BJ"),
            (Compare("tags", Op.ARRAY_CONTAINS, "coast"), "LA SF TOK"),
            (Compare("tags", Op.ARRAY_CONTAINS, 1.0), "TOK"),
            (Compare("tags", Op.ARRAY_CONTAINS_ANY, ["hills", 1]), "SF TOK"),
            (Compare("tags", Op.EQ, []), "DC"),
            (Compare("at.zone", Op.EQ, "P"), "LA SF"),
            (Compare("at", Op.EQ, {"zone": "P"}), "LA SF"),
            (Compare(PATH, Op.EQ, "cities/SF"), "SF"),
            (Compare(PATH, Op.IN, ["cities/SF", "cities/BJ", "cities/none"]), "BJ SF"),
            (Compare(PATH, Op.GT, "cities/DC"), "LA SF TOK"),
            (Compare(PATH, Op.NE, "cities/DC"), "BJ LA SF TOK"),
            (And((Compare("state", Op.EQ, "CA"), Compare("tags", Op.ARRAY_CONTAINS, "hills"))), "SF"),
            (And((Compare("state", Op.EQ, "CA"), Compare("population", Op.GT, 1_000_000))), "LA"),
            (Or((Compare("state", Op.EQ, None), Compare("population", Op.EQ, "many"))), "BJ DC"),
            (Or((Compare("state", Op.EQ, "CA"), Compare("tags", Op.ARRAY_CONTAINS, "coast"))), "LA SF TOK"),
            (Compare("nowhere", Op.EQ, 1), ""),
        ],
        ids=str,
    )
    async def test_filters(self, cities: Datastore, where: Filter | None, expected: str) -> None:
        assert sorted(ids(await query(cities, Query("cities", where)))) == expected.split()

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            (Query("cities", order_by=(Order("population"),)), "DC SF LA TOK BJ"),
            (Query("cities", order_by=(Order("population", Direction.DESCENDING),)), "BJ TOK LA SF DC"),
            (Query("cities", order_by=(Order("state"),)), "DC BJ LA SF"),
            (Query("cities", order_by=(Order("state"), Order(PATH, Direction.DESCENDING))), "DC BJ SF LA"),
            (Query("cities", order_by=(Order("state", Direction.DESCENDING),)), "SF LA BJ DC"),
            (Query("cities", order_by=(Order("state"), Order("population", Direction.DESCENDING))), "DC BJ LA SF"),
            (Query("cities", order_by=(Order(PATH, Direction.DESCENDING),), limit=2), "TOK SF"),
            (Query("cities", order_by=(Order("population"),), limit=2), "DC SF"),
            (Query("cities", order_by=(Order("population"),), start=Cursor((860_000,))), "LA TOK BJ"),
            (Query("cities", order_by=(Order("population"),), start=Cursor((860_000,), True)), "SF LA TOK BJ"),
            (Query("cities", order_by=(Order("population"),), end=Cursor((860_000,))), "DC"),
            (Query("cities", order_by=(Order("population"),), end=Cursor((860_000,), True)), "DC SF"),
            (Query("cities", order_by=(Order("state"),), start=Cursor(("CA", "cities/LA"))), "SF"),
            (Query("cities", order_by=(Order("state"),), start=Cursor(("CA", "cities/LA"), True), limit=1), "LA"),
            (Query("cities", start=Cursor(("cities/LA",))), "SF TOK"),
            (Query("cities", Compare("state", Op.EQ, "CA"), (Order("name", Direction.DESCENDING),), 1), "SF"),
            (Query("cities", Compare("population", Op.LT, 10**9), limit=2), "DC SF"),
        ],
        ids=str,
    )
    async def test_order_limit_and_cursors(self, cities: Datastore, asked: Query, expected: str) -> None:
        assert ids(await query(cities, asked)) == expected.split()

    async def test_a_cursor_and_a_limit_page_through_everything_once(self, datastore: Datastore) -> None:
        await fill(datastore, {f"pages/p{n:02}": {"n": n % 3} for n in range(20)})
        everything = ids(await query(datastore, Query("pages", order_by=(Order("n", Direction.DESCENDING),))))
        paged: list[str] = []
        start: Cursor | None = None
        while found := await query(datastore, Query("pages", None, (Order("n", Direction.DESCENDING),), 3, start)):
            paged += ids(found)
            start = Cursor(((found[-1].data or {})["n"], found[-1].path))
        assert paged == everything
        assert len(paged) == 20

    async def test_results_are_whole_documents(self, cities: Datastore) -> None:
        [found] = await query(cities, Query("cities", Compare("name", Op.EQ, "Tokyo")))
        assert (found.path, found.data) == ("cities/TOK", CITIES["TOK"])
        assert found.update_time > 0

    async def test_a_collection_is_neither_its_nested_ones_nor_one_of_a_like_name(self, datastore: Datastore) -> None:
        await fill(datastore, {path: {"n": 1} for path in ("a/1", "a/1/a/2", "a/1/b/3", "ab/4", "a-/5", "A/6")})
        assert [document.path for document in await query(datastore, Query("a"))] == ["a/1"]
        assert [document.path for document in await query(datastore, Query("a/1/a"))] == ["a/1/a/2"]
        assert await query(datastore, Query("nothing")) == []

    async def test_a_collection_group_is_every_collection_of_that_id(self, datastore: Datastore) -> None:
        paths = (
            "forms/z",
            "users/u1/forms/a",
            "users/u1/forms/c",
            "users/u1-/forms/b",
            "users/u2/forms/a/forms/x",
            "users/u1/forms2/n",
        )
        data: dict[str, dict[str, Value]] = {path: {"n": index % 2, "t": [index]} for index, path in enumerate(paths)}
        filled = await fill(datastore, data)
        for asked in (
            Query("forms", group=True),
            Query("forms", Compare("n", Op.EQ, 0), group=True),
            Query("forms", None, (Order("n", Direction.DESCENDING),), 3, group=True),
            Query("forms", Compare("t", Op.ARRAY_CONTAINS_ANY, [0, 3, 5]), group=True),
            Query("forms", None, (Order("n"),), None, Cursor((0, "users/u1/forms/c")), group=True),
        ):
            assert [found.path for found in await query(datastore, asked)] == [found.path for found in run(asked, filled)]
            assert await count(datastore, asked) == len(run(asked, filled))
        assert len(await query(datastore, Query("forms", group=True))) == 5

    async def test_a_query_sees_changes_and_deletions(self, cities: Datastore) -> None:
        await cities.commit(
            [Merge("cities/LA", {"state": "NV"}), Delete("cities/DC"), Merge("cities/SF", {}, remove=("population",))]
        )
        assert ids(await query(cities, Query("cities", Compare("state", Op.EQ, "CA")))) == ["SF"]
        assert ids(await query(cities, Query("cities", Compare("state", Op.EQ, "NV")))) == ["LA"]
        assert ids(await query(cities, Query("cities", order_by=(Order("population"),)))) == ["LA", "TOK", "BJ"]
        await cities.commit([Set("cities/LA", {})])
        assert ids(await query(cities, Query("cities", order_by=(Order("name"),)))) == ["BJ", "SF", "TOK"]

    async def test_values_of_every_type_stand_in_one_order(self, datastore: Datastore) -> None:
        mixed: list[Value] = [*SCALARS, [], [None], [1], [1, None], ["a"], {}, {"a": 1}, {"a": 1, "b": 0}, {"a": 2}, {"b": None}]
        filled = await fill(datastore, {f"mixed/{index:03}": {"v": value} for index, value in enumerate(mixed)})
        for direction in Direction:
            asked = Query("mixed", order_by=(Order("v", direction),))
            assert ids(await query(datastore, asked)) == ids(run(asked, filled))

    async def test_every_operator_with_every_value_means_what_matching_says(self, datastore: Datastore) -> None:
        mixed: list[Value] = [*SCALARS, [None], [1, "a"], [float("nan")], {"a": 1}, {"a": None}]
        filled = await fill(datastore, {f"mixed/{index:03}": {"v": value} for index, value in enumerate(mixed)})
        wrong = []
        for op, operand in itertools.product(Op, mixed):
            if op in {Op.LT, Op.LE, Op.GT, Op.GE} and operand is None:
                continue
            if op is Op.ARRAY_CONTAINS and isinstance(operand, list):
                continue
            if op is Op.ARRAY_CONTAINS_ANY and isinstance(operand, list):
                continue
            asked = Query("mixed", Compare("v", op, [operand] if op in {Op.IN, Op.NOT_IN, Op.ARRAY_CONTAINS_ANY} else operand))
            if (found := ids(await query(datastore, asked))) != (expected := ids(run(asked, filled))):
                wrong.append((op.value, operand, found, expected))
            if (counted := await count(datastore, asked)) != len(expected):
                wrong.append((op.value, operand, [f"counted {counted}"], expected))
        assert wrong == []

    @given(sample=documents(), asked=st.lists(queries("random"), min_size=3, max_size=6))
    @settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)
    async def test_any_query_means_what_matching_says(
        self, datastore: Datastore, sample: dict[str, dict[str, Value]], asked: list[Query]
    ) -> None:
        filled = await replace_all(datastore, "random", sample)
        for one in asked:
            assert ids(await query(datastore, one)) == ids(run(one, filled)), one

    @given(
        sample=documents(),
        asked=st.lists(queries("random"), min_size=3, max_size=6),
        fields=st.lists(st.sampled_from(["a", "b", "m"]), max_size=2),
    )
    @settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)
    async def test_any_query_is_counted_and_masked_as_it_is_answered(
        self, datastore: Datastore, sample: dict[str, dict[str, Value]], asked: list[Query], fields: list[str]
    ) -> None:
        filled = await replace_all(datastore, "random", sample)
        async with datastore.snapshot() as snapshot:
            for one in asked:
                expected = run(one, filled)
                assert await snapshot.count(one) == len(expected), one
                found = await snapshot.query(one, fields)
                assert ids(found) == ids(expected), one
                for part, document in zip(found, expected, strict=True):
                    assert same_value(part.data, document.only(fields).data), one

    @given(before=documents(), after=documents(), value=values())
    @settings(max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
    async def test_an_index_follows_every_change(
        self,
        datastore: Datastore,
        before: dict[str, dict[str, Value]],
        after: dict[str, dict[str, Value]],
        value: Value,
    ) -> None:
        await replace_all(datastore, "changing", before)
        filled = await replace_all(datastore, "changing", after)
        for asked in (
            Query("changing", order_by=(Order("a"),)),
            Query("changing", order_by=(Order("m.x", Direction.DESCENDING),)),
            Query("changing", Compare("b", Op.EQ, value)),
            Query("changing"),
        ):
            assert ids(await query(datastore, asked)) == ids(run(asked, filled)), asked

    @pytest.mark.parametrize(
        "where",
        [
            Compare(PATH, Op.EQ, 1),
            Compare(PATH, Op.EQ, "SF"),
            Compare(PATH, Op.ARRAY_CONTAINS, "cities/SF"),
            And((Compare("a", Op.IN, list(range(10))), Compare("b", Op.IN, list(range(10))))),
        ],
        ids=str,
    )
    async def test_a_query_without_a_meaning_is_refused(self, datastore: Datastore, where: Filter) -> None:
        with pytest.raises(InvalidQuery):
            await query(datastore, Query("cities", where))
