"""The short way of queries that are one equality with a text finds what the way with a plan finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.datastore.port import Delete, Set
from bff.datastore.sqlite import querying
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.equality import equality
from bff.datastore.sqlite.keys import MAX_KEY_BYTES
from bff.document import Document
from bff.matching import run
from bff.query import PATH, And, Compare, Cursor, Op, Order, Query
from bff.testing.datastore_case import query
from bff.testing.datastore_samples import FIELDS, IDS, UNHURRIED, values

pytestmark = pytest.mark.anyio

TEXTS = ("", "a", "A", "é", "\U00010000", "a\x00", "1", "x" * 80)
maps = st.fixed_dictionaries({}, optional={"x": st.sampled_from(TEXTS) | values()})
some_data = st.fixed_dictionaries(
    {}, optional={"a": st.sampled_from(TEXTS) | values(), "b": st.sampled_from(TEXTS), "m": maps | values()}
)


@pytest.fixture
async def datastore() -> Any:
    async with SQLiteDatastore() as datastore:
        yield datastore


@pytest.fixture
def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    def planned(*arguments: object) -> None:
        pytest.fail("this query needs no plan")

    monkeypatch.setattr(querying, "plans", planned)


@given(
    st.dictionaries(st.sampled_from(IDS), some_data, max_size=8),
    st.sampled_from(FIELDS),
    st.sampled_from(TEXTS),
    st.none() | st.integers(1, 3),
)
@settings(max_examples=150, deadline=None, suppress_health_check=UNHURRIED)
@pytest.mark.usefixtures("unplanned")
async def test_it_finds_what_is_equal_by_path_and_nothing_else(
    datastore: SQLiteDatastore, stored: dict[str, dict[str, Any]], field: str, text: str, limit: int | None
) -> None:
    documents = [Document(f"some/{id}", data) for id, data in stored.items()]
    await datastore.commit([Set(f"others/{id}", data) for id, data in stored.items()])
    await datastore.commit([Delete(f"some/{id}") for id in IDS if id not in stored])
    await datastore.commit([Set(document.path, document.data or {}) for document in documents])
    asked = Query("some", Compare(field, Op.EQ, text), limit=limit)
    assert [one.path for one in await query(datastore, asked)] == [one.path for one in run(asked, documents)]


@pytest.mark.usefixtures("unplanned")
async def test_a_collection_and_a_field_that_nothing_ever_had_have_no_results(datastore: SQLiteDatastore) -> None:
    await datastore.commit([Set("some/a", {"a": "x"})])
    assert await query(datastore, Query("none", Compare("a", Op.EQ, "x"))) == []
    assert await query(datastore, Query("some", Compare("never", Op.EQ, "x"))) == []


@pytest.mark.parametrize(
    "asked",
    [
        Query("some"),
        Query("some", Compare("a", Op.EQ, 1)),
        Query("some", Compare("a", Op.EQ, None)),
        Query("some", Compare("a", Op.NE, "x")),
        Query("some", Compare("a", Op.EQ, "x" * MAX_KEY_BYTES)),
        Query("some", Compare(PATH, Op.EQ, "some/x")),
        Query("some", And((Compare("a", Op.EQ, "x"), Compare("b", Op.EQ, "x")))),
        Query("some", Compare("a", Op.EQ, "x"), group=True),
        Query("some", Compare("a", Op.EQ, "x"), order_by=(Order("b"),)),
        Query("some", Compare("a", Op.EQ, "x"), start=Cursor(("some/x",))),
        Query("some", Compare("a", Op.EQ, "x"), end=Cursor(("some/x",))),
        Query("_bff_views", Compare("view", Op.EQ, "x")),
    ],
)
def test_anything_else_has_a_plan(asked: Query) -> None:
    assert equality(asked) is None
