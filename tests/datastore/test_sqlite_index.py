"""The index of the SQLite datastore at its edges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bff.datastore.port import Delete, Merge, Set
from bff.datastore.sqlite import querying
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.document import Document
from bff.errors import DocumentTooLarge, InvalidQuery
from bff.matching import run
from bff.query import PATH, And, Compare, Cursor, Direction, Op, Or, Order, Query
from bff.testing.datastore_case import data_of, query
from bff.testing.datastore_samples import values

pytestmark = pytest.mark.anyio


async def test_long_values_are_told_apart_beyond_what_the_index_holds() -> None:
    texts = ["x" * 1495 + end for end in ("", "c", "a", "b" * 10, "b" * 9 + "c", "b" * 9)]
    stored = [Document(f"long/{index}", {"v": text, "t": [text], "n": 1}) for index, text in enumerate(texts)]
    asks = [Query("long", order_by=(Order("v", direction),), limit=4) for direction in Direction]
    asks += [Query("long", order_by=(Order("n"), Order("v", direction)), limit=4) for direction in Direction]
    asks += [Query("long", Compare("v", op, text)) for op in (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE) for text in texts]
    asks += [Query("long", Compare("v", op, texts[1:4])) for op in (Op.IN, Op.NOT_IN)]
    asks += [Query("long", Compare("t", Op.ARRAY_CONTAINS, text)) for text in texts]
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(document.path, document.data or {}) for document in stored])
        for asked in asks:
            assert [found.path for found in await query(datastore, asked)] == [found.path for found in run(asked, stored)]


async def test_over_forty_thousand_index_entries_are_refused_and_leave_no_trace() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/ok", {"n": list(range(20_000))})])
        with pytest.raises(DocumentTooLarge, match="index entries"):
            await datastore.commit([Set("a/b", {"x": 1}), Set("a/many", {"n": list(range(40_001))})])
        assert await data_of(datastore, "a/b") is None
        assert [found.id for found in await query(datastore, Query("a"))] == ["ok"]


async def test_names_with_dots_are_stored_and_reached_by_no_field_path() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/literal", {"x.y": 1, "m": {"p.q": 1}}), Set("a/nested", {"x": {"y": 1}})])
        assert [found.id for found in await query(datastore, Query("a", Compare("x.y", Op.EQ, 1)))] == ["nested"]
        assert await query(datastore, Query("a", Compare("m.p.q", Op.EQ, 1))) == []


async def test_alternatives_of_one_value_in_different_types_are_different() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/int", {"v": 1}), Set("a/bool", {"v": True}), Set("a/float", {"v": 1.0})])
        either = Or((Compare("v", Op.EQ, True), Compare("v", Op.EQ, 1)))
        assert len(await query(datastore, Query("a", either))) == 3
        assert len(await query(datastore, Query("a", Compare("v", Op.IN, [1, 1.0])))) == 2


async def test_more_than_thirty_alternatives_are_refused() -> None:
    three = [Compare(field, Op.IN, [1, 2, 3, 4]) for field in ("a", "b", "c")]
    async with SQLiteDatastore() as datastore:
        assert await query(datastore, Query("a", And((*three[:2],)))) == []
        with pytest.raises(InvalidQuery, match="64 alternatives"):
            await query(datastore, Query("a", And((*three,))))
        with pytest.raises(InvalidQuery, match="40 alternatives"):
            await query(datastore, Query("a", Or(tuple(Compare("a", Op.EQ, n) for n in range(40)))))


async def test_the_entries_of_what_is_deleted_are_gone() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(f"a/{n}", {"x": n, "t": [n, {"y": n}], "m": {"z": n}}) for n in range(10)])
        await datastore.commit([Merge("a/0", {"x": 5}, remove=("t", "m"))])
        await datastore.commit([Delete(f"a/{n}") for n in range(10)])
        async with datastore.snapshot() as snapshot:
            count = await snapshot.read(lambda connection: connection.execute("SELECT count(*) FROM entries").fetchone()[0])
        assert count == 0


Rows = list[tuple[object, ...]]

ENTRIES = (
    "SELECT scopes.name, coalesce(fields.name, ''), kind, key, path FROM entries JOIN scopes ON scopes.id = scope"
    " LEFT JOIN fields ON fields.id = field ORDER BY 1, 2, 3, 4, 5"
)


async def entries(datastore: SQLiteDatastore) -> Rows:
    async with datastore.snapshot() as snapshot:
        return await snapshot.read(lambda connection: connection.execute(ENTRIES).fetchall())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c.d", "e"]), values(), max_size=4), min_size=1, max_size=4))
@example([{"a": [1, 1.0, {"x": 1}, "y"]}, {"a": [1.0, {"x": 1.0}, "z"]}])
@example([{"a": {"b": {"c": 1}, "d": [1, 2]}}, {"a": {"b": {"c": 1.0}, "d": [2, 2]}}, {"a": [{"b": 1}]}])
@example([{"a": ["x" * 1600, "x" * 1600 + "y"]}, {"a": ["x" * 1600 + "y"]}])
async def test_the_entries_are_those_of_the_newest_state_whatever_was_before(states: list[dict[str, Any]]) -> None:
    async with SQLiteDatastore() as changed, SQLiteDatastore() as written:
        for state in states:
            await changed.commit([Set("n/x/a/b", state)])
        await written.commit([Set("n/x/a/b", states[-1])])
        assert await entries(changed) == await entries(written)


async def test_a_write_touches_the_entries_that_differ_and_no_others() -> None:
    data: dict[str, Any] = {"n": 1, "deps": [f"p/{n}" for n in range(25)], "m": {"x": 1, "y": [{"z": n} for n in range(20)]}}
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", data)])
        connection = datastore._connection
        assert connection is not None
        before = connection.total_changes
        await datastore.commit([Set("a/b", {**data, "n": 2})])
        assert connection.total_changes - before == 4  # the clock, the document, an entry that goes and one that comes
        await datastore.commit([Set("a/b", {"deps": data["deps"], "m": data["m"], "n": 2})])  # the same in another order
        assert connection.total_changes - before == 4
        deps = [*data["deps"][:24], "p/other"]
        await datastore.commit([Set("a/b", {**data, "n": 2, "deps": deps})])
        assert connection.total_changes - before == 4 + 6  # the array itself, and one element


async def test_alternatives_have_the_same_results_whether_they_are_few_or_many(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [Document(f"a/{n:02}", {"t": [n % 5, n % 7], "n": n % 3}) for n in range(40)]
    nested = [Document(f"x/{n}/a/{n:02}", {"t": [n % 5], "n": n % 3}) for n in range(10)]
    tags, numbers = Compare("t", Op.ARRAY_CONTAINS_ANY, [1, 2.0, 6, None]), Compare("n", Op.IN, [0, 2, "no"])
    asks = [
        Query("a", where, (Order(PATH, direction),), limit, start, group=group)
        for where in (tags, numbers)
        for direction in Direction
        for limit in (None, 1, 7)
        for start in (None, Cursor(("a/17",)), Cursor(("a/17",), inclusive=True))
        for group in (False, True)
    ]
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(document.path, document.data or {}) for document in (*stored, *nested)])
        for few in (querying.FEW, 3):
            monkeypatch.setattr(querying, "FEW", few)
            for asked in asks:
                expected = [found.path for found in run(asked, [*stored, *nested])]
                assert [found.path for found in await query(datastore, asked)] == expected
