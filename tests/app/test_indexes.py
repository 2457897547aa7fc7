"""``bff indexes``: whatever a list can be asked, the automatic and the written indexes answer it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bff import App, DomainModel, Ref, Store, ViewModel, field, reference
from bff.cli import cli
from bff.contract.recorded import read_operations
from bff.datastore.firestore.names import HEARTBEATS
from bff.indexes.config import index_config, listed_of, with_config
from bff.model.outbox_entry import OUTBOX, SENT
from bff.model.store_queries import store_queries
from bff.projection.handled import MEDIATORS, Handled
from bff.projection.metadata import FailureRecord, Metadata
from bff.projection.stored_view import METADATA
from bff.projection.unchecked import UNCHECKED, note_data
from bff.query import PATH, And, Compare, Filter, Op, Query
from bff.resolvers.idempotency_record import COLLECTION as IDEMPOTENCY
from bff.resolvers.page import PageRequest
from bff.unqueried import UNQUERIED

UP, DOWN, ELEMENTS = "ASCENDING", "DESCENDING", "CONTAINS"


class Shade(Enum):
    LIGHT = "light"
    DARK = "dark"


class Maker(DomainModel, collection="makers"):
    name: str


class Lamp(DomainModel, collection="lamps"):
    name: str
    maker: Ref[Maker]
    watts: int = 5
    tags: list[str] = []


class LampStore(Store):
    lamp = reference(Lamp)
    others = reference(Lamp, where=lambda s: Lamp.where(Lamp.maker == s.lamp.maker).order_by("watts", descending=True), many=True)
    bright = reference(Lamp, where=lambda s: (Lamp.watts > 40) & (Lamp.maker == s.lamp.maker), many=True)
    plain = reference(Lamp, where=lambda s: (Lamp.name == s.lamp.name) & (Lamp.maker == s.lamp.maker), many=True)
    tagged = reference(
        Lamp, where=lambda s: Lamp.where("tags", "array-contains", s.lamp.name).where(maker=s.lamp.maker), many=True
    )
    odd = reference(Lamp, where=lambda s: Lamp.watts == {1: 2}[s.lamp.watts], many=True)


class LampCard(ViewModel):
    store: LampStore

    @field(filterable=True)
    def name(self) -> str:
        return self.store.lamp.name

    @field(filterable=True)
    def watts(self) -> int:
        return self.store.lamp.watts

    @field(filterable=True)
    def shade(self) -> Shade:
        return Shade.DARK

    @field(filterable=True)
    def lit(self) -> bool:
        return True

    @field(filterable=True)
    def tags(self) -> list[str]:
        return self.store.lamp.tags

    @field
    def text(self) -> str:
        return "long"


class Plain(ViewModel):
    store: LampStore

    @field(filterable=True)
    def since(self) -> datetime | None:
        return None

    @field(filterable=True)
    def maker(self) -> Ref[Maker]:
        return self.store.lamp.maker


app = App(views=[LampCard, Plain])


# --- Firestore's rules, once more


@dataclass(frozen=True)
class Asked:
    """One alternative of a query: what is fixed, by ``==`` or by an element, and the order of the rest."""

    fixed: frozenset[tuple[str, bool]]
    order: tuple[tuple[str, str], ...]

    def is_served(self, indexes: Iterable[tuple[tuple[str, str], ...]]) -> bool:
        """Whether some indexes that end in the order begin, together, with all that is fixed."""
        covered: set[tuple[str, bool]] = set()
        found = not self.fixed and len(self.order) == 1  # the documents themselves stand in the order of their names
        for index in indexes:
            at = len(index) - len(self.order)
            prefix = {(name, mode == ELEMENTS) for name, mode in index[:at]}
            if at >= 0 and index[at:] == self.order and prefix <= self.fixed:
                found = True
                covered |= prefix
        return found and covered == self.fixed


def asked(query: Query) -> list[Asked]:
    order = [(one.field, one.direction.value) for one in query.full_order()]
    order = order[: 1 + [name for name, _ in order].index(PATH)]
    found = []
    for alternative in alternatives(query.where):
        fixed = {(one.field, False) for one in alternative if one.op in {Op.EQ, Op.IN}}
        names = {name for name, _ in fixed}
        fixed |= {(one.field, True) for one in alternative if one.op in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY}}
        found.append(Asked(frozenset(fixed), tuple(one for one in order if one[0] not in names)))
    return found


def alternatives(where: Filter | None) -> list[list[Compare]]:
    if where is None:
        return [[]]
    if isinstance(where, Compare):
        return [[where]]
    parts = [alternatives(part) for part in where.parts]
    if isinstance(where, And):
        return [[one for part in chosen for one in part] for chosen in product(*parts)]
    return [one for part in parts for one in part]


def indexes_of(config: dict[str, Any], collection: str, fields: Iterable[str]) -> list[tuple[tuple[str, str], ...]]:
    """The indexes of a collection: those of the file, and the automatic ones of fields that are not exempt."""
    found: list[tuple[tuple[str, str], ...]] = []
    for one in config["indexes"]:
        if one["collectionGroup"] == collection:
            parts = [(part["fieldPath"], part.get("order") or part["arrayConfig"]) for part in one["fields"]]
            if parts[-1][0] != PATH:
                parts.append((PATH, DOWN if parts[-1][1] == DOWN else UP))
            found.append(tuple(parts))
    exempt = {one["fieldPath"] for one in config["fieldOverrides"] if one["collectionGroup"] == collection}
    for name in set(fields) - exempt:
        found += [((name, UP), (PATH, UP)), ((name, DOWN), (PATH, DOWN)), ((name, ELEMENTS), (PATH, UP))]
    return found


# --- Any page


COMPARISONS: dict[str, list[tuple[str, Any]]] = {
    "name": [("eq", "a"), ("ne", "a"), ("lt", "b"), ("gte", "a"), ("in", ["a", "b"]), ("notIn", ["a"])],
    "watts": [("eq", 1), ("gt", 1), ("lte", 4), ("in", [1]), ("ne", None)],
    "shade": [("eq", Shade.DARK), ("in", [Shade.DARK, Shade.LIGHT]), ("ne", Shade.LIGHT)],
    "lit": [("eq", True), ("ne", False)],
    "tags": [("contains", "a"), ("containsAny", ["a", "b"])],
}


def filters() -> st.SearchStrategy[dict[str, Any]]:
    one = st.sampled_from([{name: {op: value}} for name, some in COMPARISONS.items() for op, value in some])
    several = st.lists(one, min_size=1, max_size=4).map(
        lambda some: {name: inner for part in some for name, inner in part.items()}
    )
    return st.one_of(
        st.just({}),
        several,
        st.lists(several, min_size=1, max_size=3).map(lambda some: {"or": some}),
        st.tuples(several, several).map(lambda pair: {"and": [pair[0], {"or": [pair[1], pair[0]]}]}),
        one.filter(lambda some: "tags" not in some).map(lambda some: {"not": some}),
    )


ORDERS = st.lists(
    st.tuples(st.sampled_from(["name", "watts", "shade", "lit"]), st.sampled_from(["ASC", "DESC"])),
    max_size=3,
    unique_by=lambda one: one[0],
)


@given(filter=filters(), orders=ORDERS, backwards=st.booleans(), depth=st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_whatever_a_list_is_asked_an_index_answers(
    filter: dict[str, Any], orders: list[tuple[str, str]], backwards: bool, depth: int
) -> None:
    order_by = [{"field": name, "direction": direction} for name, direction in orders]
    query = PageRequest(LampCard, filter, order_by)._query(50, backwards=backwards)
    sorted_by = len({order.field for order in query.full_order()} - {PATH})
    config = CONFIGS[max(depth, sorted_by)]
    indexes = indexes_of(config, "LampCard", COMPARISONS)
    for one in asked(query):
        alone = len(one.fixed) == 1
        # Nobody says that the automatic index of elements is merged with others.
        known = [index for index in indexes if alone or index[0][1] != ELEMENTS or len(index) > 2]
        assert one.is_served(known), one


CONFIGS = [with_config({}, index_config(app.catalog, app.schema, depth)) for depth in range(6)]


def test_the_indexes_of_a_list_grow_with_its_fields_not_with_their_sets() -> None:
    assert len(CONFIGS[1]["indexes"]) < 60
    assert len(CONFIGS[2]["indexes"]) < 400


def test_what_a_list_is_asked_is_what_the_schema_says() -> None:
    listed = listed_of(LampCard, app.schema)
    assert listed.equal == listed.unequal == {"name", "watts", "shade", "lit"}
    assert listed.ordered == {"name", "watts", "shade", "lit"}
    assert listed.elements == {"tags"}


def test_stores_have_the_indexes_of_their_queries() -> None:
    found = [one["fields"] for one in CONFIGS[0]["indexes"] if one["collectionGroup"] == "lamps"]
    assert found == [
        [{"fieldPath": "maker", "order": UP}, {"fieldPath": "watts", "order": UP}],
        [{"fieldPath": "maker", "order": UP}, {"fieldPath": "watts", "order": DOWN}],
        [{"fieldPath": "tags", "arrayConfig": ELEMENTS}, {"fieldPath": "maker", "order": UP}],
    ]
    assert store_queries(LampStore).unknown == ("LampStore.odd",)


def test_fields_that_nobody_asks_about_are_exempt() -> None:
    exempt = {(one["collectionGroup"], one["fieldPath"]) for one in CONFIGS[2]["fieldOverrides"]}
    assert {name for collection, name in exempt if collection == "LampCard"} == {"id", "version", "text"}
    assert {name for collection, name in exempt if collection == "Plain"} == {"id", "version"}
    assert all(one["indexes"] == [] for one in CONFIGS[2]["fieldOverrides"])
    failing = Metadata("V", "k", 1, 1, "d", (), deleted=True, failure=FailureRecord("E", "m", 1))
    assert set(failing.to_data()) == {*UNQUERIED["_bff_views"], "deps", "failing"}
    assert set(note_data("V", ["k"], 1)) == set(UNQUERIED["_bff_unchecked"])
    assert UNQUERIED.keys() == {METADATA, UNCHECKED, MEDIATORS, OUTBOX, SENT, IDEMPOTENCY, HEARTBEATS}
    handled = Handled("M", "a/b", 1, {}, "error", 1, own=True, sources=("a",), begun=True)
    assert set(handled.to_data()) == {*UNQUERIED["_bff_mediators"], "mediator", "failing"}


OPERATIONS = {
    "{ lampCards(first: 3) { totalCount } }": [],
    "{ lampCards(filter: {shade: {eq: DARK}, lit: {eq: true}}) { totalCount } }": [],
    "query Q($most: Int) { lampCards(filter: {watts: {lt: $most}, lit: {eq: true}}) { totalCount } }": ["lit ASC, watts ASC"],
    "{ a: lampCards(orderBy: {field: NAME, direction: DESC}, filter: {watts: {gt: 1}, lit: {eq: true}}) { totalCount } }": [
        "lit ASC, name DESC, watts DESC"
    ],
    "query Q($way: OrderDirection!) { lampCards(orderBy: [{field: NAME}, {field: LIT, direction: $way}]) { totalCount } }": [
        "name ASC, lit ASC",
        "name ASC, lit DESC",
    ],
    "{ ...more } fragment more on Query { lampCards(last: 1, orderBy: [{field: NAME}, {field: WATTS}]) { totalCount } }": [
        "name DESC, watts DESC"
    ],
    '{ lampCards(filter: {or: [{tags: {contains: "a"}}, {not: {name: {ne: "b"}, lit: {eq: true}}}]}) { totalCount } }': [
        "name ASC, lit ASC",
        "tags CON, lit ASC",
    ],
}


@pytest.mark.parametrize("text", OPERATIONS)
def test_recorded_operations_have_the_indexes_that_they_ask_for(text: str, folder: Path) -> None:
    (folder / "operation.graphql").write_text(text)
    config = index_config(app.catalog, app.schema, 2, read_operations(["*.graphql"]))
    found = [
        ", ".join(f"{one['fieldPath']} {(one.get('order') or one['arrayConfig'])[:3]}" for one in index["fields"])
        for index in config.indexes
        if index["collectionGroup"] == "LampCard"
    ]
    assert found == [one.replace("DESC", "DES") for one in OPERATIONS[text]]


def test_what_a_variable_decides_may_be_anything(folder: Path) -> None:
    operations = folder / "operations.json"
    body = "query Q($filter: PlainFilter) { plains(filter: $filter) { totalCount } }"
    entry = {"id": "1", "name": "Q", "type": "query", "body": body}
    operations.write_text(json.dumps({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [entry]}))
    assert run("--operations", str(operations), "--depth", "1").exit_code == 0
    written = json.loads((folder / "firestore.indexes.json").read_text())["indexes"]
    assert [one for one in written if one["collectionGroup"] == "LampCard"] == []
    plain = [one for one in CONFIGS[1]["indexes"] if one["collectionGroup"] == "Plain"]
    assert [one for one in written if one["collectionGroup"] == "Plain"] == plain != []


# --- The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, ["indexes", f"{__name__}:app", *words])


def test_the_file_is_written_once_and_the_same(folder: Path) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    assert "LampStore.odd" in done.output
    file = folder / "firestore.indexes.json"
    first = file.read_text()
    assert json.loads(first) == CONFIGS[1], "two fields at a time would be too many"
    assert run("--check").exit_code == 0
    assert run().exit_code == 0
    assert file.read_text() == first
    deeper = run("--depth", "2")
    assert f"{len(CONFIGS[2]['indexes'])} indexes: a database" in deeper.output
    written = json.loads(file.read_text())
    assert written["indexes"][: len(CONFIGS[1]["indexes"])] == CONFIGS[1]["indexes"]
    assert len(written["indexes"]) == len(CONFIGS[2]["indexes"])


def test_what_stands_in_the_file_stays(folder: Path) -> None:
    file = folder / "mine.json"
    mine = {"collectionGroup": "posts", "queryScope": "COLLECTION", "fields": [{"fieldPath": "by", "order": UP}]}
    override = {"collectionGroup": "LampCard", "fieldPath": "text", "indexes": [{"order": UP, "queryScope": "COLLECTION"}]}
    ours = CONFIGS[1]["indexes"][0]
    spelled = {**ours, "fields": [*ours["fields"], {"fieldPath": PATH, "order": UP}], "density": "SPARSE_ALL"}
    file.write_text(json.dumps({"indexes": [mine, spelled], "fieldOverrides": [override], "more": 1}))
    lacking = run("--check", "-o", "mine.json")
    assert lacking.exit_code == 1
    assert "lacks the index" in lacking.output
    assert run("-o", "mine.json").exit_code == 0
    written = json.loads(file.read_text())
    assert written["indexes"][:2] == [mine, spelled]
    assert len(written["indexes"]) == len(CONFIGS[1]["indexes"]) + 1
    assert written["fieldOverrides"][0] == override
    assert len(written["fieldOverrides"]) == len(CONFIGS[1]["fieldOverrides"])
    assert written["more"] == 1
    assert run("--check", "-o", "mine.json").exit_code == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"indexes": {}}', '{"fieldOverrides": [1]}'])
def test_a_file_that_is_something_else_is_refused(folder: Path, text: str) -> None:
    (folder / "firestore.indexes.json").write_text(text)
    done = run()
    assert done.exit_code == 1
    assert "firestore.indexes.json" in str(done.exception)
