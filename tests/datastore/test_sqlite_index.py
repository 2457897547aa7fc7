"""The index of the SQLite datastore at its edges."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bff.datastore.port import Delete, Merge, Set
from bff.datastore.sqlite import querying
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.keys import MAX_KEY_BYTES, element_key, is_cut, is_shared, whole_key
from bff.document import Document
from bff.errors import DocumentTooLarge, InvalidQuery
from bff.matching import run
from bff.order_key import order_key
from bff.query import PATH, And, Compare, Cursor, Direction, Op, Or, Order, Query
from bff.testing.datastore_case import data_of, query
from bff.testing.datastore_samples import values
from bff.types import GeoPoint

pytestmark = pytest.mark.anyio


async def test_long_values_are_told_apart_beyond_what_the_index_holds() -> None:
    texts: list[Any] = ["x" * (MAX_KEY_BYTES - 5) + end for end in ("", "c", "a", "b" * 10, "b" * 9 + "c", "b" * 9)]
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
        lists: list[list[Any]] = [
            list(range(40_001)),
            [{"x": n} for n in range(40_001)],
            [{"x": {"y": n}} for n in range(39_999)],
        ]
        for many in lists:
            with pytest.raises(DocumentTooLarge, match=r"40,00\d index entries"):
                await datastore.commit([Set("a/b", {"x": 1}), Set("a/many", {"n": many, "m": {"k": [{"x": 1}, {"x": 2}]}})])
        assert await data_of(datastore, "a/b") is None
        await datastore.commit([Set("a/same", {"n": [{"x": 1}] * 40_001})])
        assert [found.id for found in await query(datastore, Query("a"))] == ["ok", "same"]


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


MAPS: list[Any] = [
    {"x": 1},
    {"x": 1.0, "y": "a"},
    {"y": "a", "x": 1},
    {"x": {"z": -0.0}},
    {"$time": 1},
    {"x": float("nan")},
]


async def test_arrays_that_hold_maps_are_found_by_them_and_told_apart_beyond_what_the_index_holds() -> None:
    """Of maps in an array the index says that there are some, and of the array nothing that comes after the first of them."""
    lists: list[Any] = (
        [[one] for one in MAPS] + [[MAPS[0], one] for one in MAPS] + [[], ["a"], ["a", MAPS[0]], ["b"], [1, "x" * 300]]
    )
    stored = [Document(f"a/{n:02}", {"v": one, "m": {"b": one, "n": n}}) for n, one in enumerate(lists)]
    stored += [Document("a/none", {"v": "text"}), Document("a/map", {"v": {"x": 1}, "m": {"b": 1}})]
    every = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE)
    asks = [Query("a", Compare("v", op, one)) for op in every for one in lists]
    asks += [Query("a", Compare("m", op, {"b": one, "n": n})) for op in (Op.EQ, Op.LT) for n, one in enumerate(lists)]
    asks += [
        Query("a", Compare("v", op, lists[start : start + 3])) for op in (Op.IN, Op.NOT_IN) for start in range(len(lists) - 3)
    ]
    asks += [Query("a", Compare("v", Op.ARRAY_CONTAINS, one)) for one in [*MAPS, {"x": 2**80}, {"x": True}, {"x": {"z": 0}}]]
    asks += [
        Query("a", Compare("v", Op.ARRAY_CONTAINS_ANY, MAPS[:3])),
        Query("a", Compare("m.b", Op.ARRAY_CONTAINS_ANY, MAPS[3:])),
    ]
    asks += [
        Query("a", None, (Order(field, direction),), limit) for field in "vm" for direction in Direction for limit in (None, 4)
    ]
    asks += [Query("a", None, (Order("v"),), start=Cursor((one,), inclusive=True)) for one in lists]
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(document.path, document.data or {}) for document in stored])
        for asked in asks:
            expected = [found.path for found in run(asked, stored)]
            assert [found.path for found in await query(datastore, asked)] == expected, asked
            async with datastore.snapshot() as snapshot:
                assert await snapshot.count(asked) == len(expected), asked


nested = st.recursive(values(), lambda inner: st.dictionaries(st.sampled_from("xy"), inner, max_size=2), max_leaves=4)
some_values = st.one_of(nested, st.lists(st.one_of(values().filter(lambda one: not isinstance(one, list)), nested), max_size=2))


@settings(max_examples=300, deadline=None)
@given(some_values, some_values)
@example([{"x": 1}, 2], [{"x": 1.0}, 3])
@example({"x": [{"y": 1}], "y": 2}, {"x": [{"y": 1}], "y": 3})
@example("x" * (MAX_KEY_BYTES + 9), "x" * MAX_KEY_BYTES)
@example({"x": GeoPoint(0.0, -0.0)}, {"x": GeoPoint(-0.0, 0.0)})
@example({"x": 2**60}, {"x": float(2**60)})
@example({"x": {"$map": 1}}, {"x": {"$map": True}})
def test_keys_are_in_the_order_of_values_and_tell_those_apart_that_are_not_cut(one: Any, other: Any) -> None:
    order, keys = [order_key(one), order_key(other)], [whole_key(one), whole_key(other)]
    if order[0] == order[1]:
        assert keys[0] == keys[1]
    if keys[0] != keys[1]:
        assert (keys[0] < keys[1]) is (order[0] < order[1])
    elif order[0] != order[1]:
        assert is_cut(keys[0])
    elements = [element_key(one), element_key(other)]
    if order[0] == order[1]:
        assert elements[0] == elements[1]
    elif elements[0] == elements[1]:
        assert is_shared(elements[0])


async def test_a_changed_map_in_an_array_changes_no_entry() -> None:
    data: dict[str, Any] = {"people": [{"name": f"P{n}", "age": n} for n in range(25)]}
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", data)])
        connection = datastore._connection
        assert connection is not None
        before = connection.total_changes
        await datastore.commit([Set("a/b", {"people": [*data["people"][:24], {"name": "other", "age": 1}]})])
        assert connection.total_changes - before == 2  # the clock and the document


async def test_a_file_with_an_index_of_the_form_before_is_indexed_anew(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    documents: dict[str, Any] = {f"a/{n}": {"v": [{"x": n}], "t": "y" * n} for n in range(0, 1200, 7)} | {
        "a/1/b/2": {"v": [{"x": 9}]}
    }
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set(path, data) for path, data in documents.items()])
        whole = await entries(datastore)
    old = sqlite3.connect(path)
    old.execute("DELETE FROM entries WHERE kind = 1")
    old.execute("UPDATE entries SET key = key || x'00' WHERE field > 0")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    async with SQLiteDatastore(path) as datastore:
        assert await entries(datastore) == whole
        found = await query(datastore, Query("b", Compare("v", Op.ARRAY_CONTAINS, {"x": 9}), group=True))
        assert [document.path for document in found] == ["a/1/b/2"]
    async with SQLiteDatastore(path) as datastore:
        assert await entries(datastore) == whole


async def test_fields_of_bffs_own_that_no_query_names_have_no_entries_and_are_refused() -> None:
    async with SQLiteDatastore() as datastore:
        for number in range(2):
            view: dict[str, Any] = {"version": number, "builtAt": number, "details": f"{number}", "deps": ["a/b"]}
            await datastore.commit([Set("_bff_views/V:k", view)])
        assert len(await entries(datastore)) == 3  # the path, the array of dependencies and its element
        assert len(await query(datastore, Query("_bff_views", Compare("deps", Op.ARRAY_CONTAINS, "a/b")))) == 1
        async with datastore.snapshot() as snapshot:
            for asked in (Compare("version", Op.EQ, 1), And((Compare("deps", Op.EQ, ["a/b"]), Compare("builtAt", Op.GT, 0)))):
                with pytest.raises(InvalidQuery, match=r"_bff_views: (version|builtAt): no index"):
                    await snapshot.query(Query("_bff_views", asked))
                with pytest.raises(InvalidQuery, match="no index"):
                    await snapshot.count(Query("_bff_views", asked))
        await datastore.commit([Delete("_bff_views/V:k")])
        assert not await entries(datastore)
