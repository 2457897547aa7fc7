"""What is planned, what is left to graphql-core, and what that costs: of each kind of operation one."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
from ariadne import ObjectType, ScalarType, UnionType

from bff.datastore.port import Set
from bff.errors import BFFError, DatastoreUnavailable
from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.plan.query_plan import QueryPlan
from bff.resolvers.plan.texts import LARGEST, MOST, TOGETHER, keep
from tests.resolvers.plan_views import ToolPage
from tests.resolvers.planned import AtHand, Workshop, ask, operation_of, workshop

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[Workshop]:
    async with workshop("sqlite://") as found:
        yield found


async def test_on_each_datastore_plans_answer_as_graphql_core_does(datastore_url: str) -> None:
    async with workshop(datastore_url) as opened:
        await opened.same(
            """query ($id: ID!, $first: Int) {
                 toolPage(id: $id) { ...Tool maker { name tools { ...Tool } } others { __typename ... on View { id } } }
                 toolPages(first: $first, orderBy: [{field: NUMBER}]) {
                   edges { cursor node { id maker { name } } } pageInfo { endCursor hasNextPage } totalCount
                 }
               } fragment Tool on ToolPage { id version name made price stamp kept place { latitude } parts { __typename } }""",
            id="plane",
            first=3,
        )


# --- What is planned


async def test_aliases_and_merged_fields(opened: Workshop) -> None:
    data = await opened.same(
        """{ a: toolPage(id: "saw") { n: name id name: id board { wood } board { screws { length } } }
             a: toolPage(id: "saw") { board { w: wood screws { note } } number }
             toolPage(id: "axe") { maker { id } maker { cards { name } } } }"""
    )
    assert list(data["a"]) == ["n", "id", "name", "board", "number"]
    assert data["a"]["board"]["screws"][0] == {"length": 2.5, "note": None}
    assert data["toolPage"] == {"maker": {"id": "ann", "cards": [{"name": "Ann"}]}}


async def test_fragments_on_interfaces_and_unions(opened: Workshop) -> None:
    data = await opened.same(
        """{ node(id: "ToolPage:saw") { __typename ... on View { version } ...N ... on ToolPage { about { ...N ...T } } }
             toolPage(id: "axe") { ... { about { ...N } } parts { ... on Screw { length } ... on Plank { wood } } ...V } }
           fragment N on Node { id ... on ToolPage { name } ... on MakerPage { best { id } } }
           fragment T on ToolPage { number }
           fragment V on View { version ...N }"""
    )
    assert data["node"]["about"] == {"id": "saw", "name": "Saw", "number": 0}
    assert data["toolPage"]["about"] == {"id": "ann", "best": {"id": "axe"}}


async def test_node_finds_what_only_one_view_has(opened: Workshop) -> None:
    assert await opened.same('{ node(id: "saw") { __typename } }') == {"node": {"__typename": "ToolPage"}}
    assert await opened.same('{ node(id: "nobody") { id } }') == {"node": None}
    assert await opened.same('{ node(id: "Loan:ann:saw") { ... on Loan { text } } }') == {"node": {"text": "Ann has Saw"}}
    assert await opened.answer('{ node(id: "ann") { id } }') is None, "two views have that key"


async def test_conditions_are_decided_by_variables(opened: Workshop) -> None:
    source = """query ($x: Boolean!, $y: Boolean = true) {
        toolPage(id: "saw") @include(if: $x) { name @skip(if: $y) ...F @include(if: $y) number @include(if: false) }
        __typename @skip(if: $x)
      } fragment F on ToolPage { maker @skip(if: $y) { name } id }"""
    assert await opened.same(source, x=True) == {"toolPage": {"id": "saw"}}
    assert await opened.same(source, x=True, y=False) == {"toolPage": {"name": "Saw"}}
    assert await opened.same(source, x=False, y=False) == {"__typename": "Query"}
    assert await opened.answer(source, x=True, y=None) is None
    assert await opened.same("{ toolPage(id: 1) @skip(if: true) { id } }") == {}
    assert await opened.same('{ toolPage(id: "saw") { id @include(if: false) } }') == {"toolPage": {}}


def existing() -> set[QueryPlan]:
    """The plans that there are in this process, those of other tests included."""
    gc.collect()
    return {one for one in gc.get_objects() if isinstance(one, QueryPlan)}


async def test_each_way_to_decide_is_compiled_once_and_few_are_kept(opened: Workshop) -> None:
    names = [f"v{at}" for at in range(6)]
    selected = " ".join(f"{name}: name @include(if: ${name})" for name in names)
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    document = opened.parse(f'query ({declared}) {{ toolPage(id: "saw") {{ id {selected} }} }}')
    before = existing()
    plan: Any = opened.plans().plan(document, operation_of(document))
    for number in range(2 ** len(names)):
        variables = {name: bool(number >> at & 1) for at, name in enumerate(names)}
        assert await ask(plan, variables) == await opened.execute(document, variables)
    assert len(existing() - before) <= 20


async def test_ways_to_decide_with_many_fields_are_fewer(opened: Workshop) -> None:
    fields = " ".join(f"f{at}: id" for at in range(400))
    declared = ", ".join(f"$v{at}: Boolean!" for at in range(4))
    nested = " ".join(f"n{at}: name @include(if: $v{at})" for at in range(4))
    document = opened.parse(f'query ({declared}) {{ node(id: "saw") {{ {fields} ... on ToolPage {{ {nested} }} }} }}')
    before = existing()
    plan: Any = opened.plans().plan(document, operation_of(document))
    for number in range(16):
        variables = {f"v{at}": bool(number >> at & 1) for at in range(4)}
        assert await ask(plan, variables) is not None
    assert len(existing() - before) == 3, "of 1,600 fields each: one for each type of a node"


async def test_pages_in_both_directions(opened: Workshop) -> None:
    selected = "edges { cursor node { id number } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"
    first = (await opened.same(f"{{ toolPages(first: 2, orderBy: [{{field: NUMBER}}]) {{ {selected} }} }}"))["toolPages"]
    page = f"query ($at: String) {{ toolPages(first: 2, after: $at, orderBy: [{{field: NUMBER}}]) {{ {selected} }} }}"
    second = (await opened.same(page, at=first["pageInfo"]["endCursor"]))["toolPages"]
    assert [edge["node"]["id"] for edge in second["edges"]] == ["plane", "t3"]
    back = f"query ($at: String) {{ toolPages(last: 1, before: $at, orderBy: [{{field: NUMBER}}]) {{ {selected} }} }}"
    before = (await opened.same(back, at=second["pageInfo"]["startCursor"]))["toolPages"]
    assert [edge["node"]["id"] for edge in before["edges"]] == ["axe"]
    assert (await opened.same(f"{{ toolPages(first: 0) {{ {selected} }} }}"))["toolPages"]["edges"] == []
    none = f"{{ toolPages(filter: {{number: {{gt: 99}}}}) {{ {selected} }} }}"
    assert (await opened.same(none))["toolPages"]["totalCount"] == 0
    assert (await opened.same("{ toolPages { __typename t: totalCount pageInfo { __typename } edges { __typename } } }"))[
        "toolPages"
    ]


async def test_filters_and_orders_are_arguments_like_any_other(opened: Workshop) -> None:
    source = """query ($f: ToolPageFilter, $gt: Int, $state: State!, $by: [ToolPageOrder!], $d: OrderDirection! = DESC) {
        a: toolPages(filter: $f, orderBy: $by) { totalCount edges { node { id } } }
        b: toolPages(filter: {number: {gt: $gt}, state: {in: [$state]}}, orderBy: {field: NAME, direction: $d}) {
          edges { node { id name } } } }"""
    data = await opened.same(source, f={"tags": {"contains": "b"}}, gt=2, state="NEW", by={"field": "NUMBER"})
    assert [edge["node"]["id"] for edge in data["b"]["edges"]] == ["t6", "t5", "t4", "t3"]
    assert data["a"]["totalCount"] == 2


# --- What it costs


async def test_links_are_read_once_for_each_type_and_level(opened: Workshop) -> None:
    views = opened.at_hand(lambda key: False)
    source = """{ saw: toolPage(id: "saw") { maker { tools { id maker { name } } cards { id } } }
                  plane: toolPage(id: "plane") { maker { tools { id } } others { ... on View { id } } } }"""
    assert await opened.answer(source, views) == await opened.execute(opened.parse(source), {})
    assert [(name, sorted(keys)) for name, keys in views.reads[:2]] == [
        ("ToolPage", ["plane", "saw"]),
        ("MakerPage", ["ann", "ben", "nobody"]),
    ]
    assert [name for name, _ in views.reads[2:]] == ["ToolPage", "MakerCard"], "what was read once is not read again"


async def test_what_is_known_is_answered_at_once_and_written_once(opened: Workshop) -> None:
    views = opened.at_hand(lambda key: True)
    documents = [
        opened.parse("query A($id: ID!) { toolPage(id: $id) { name parts { ... on Screw { length } } } }"),
        opened.parse(
            "query B($key: ID!) { toolPage(id: $key) { ...F } } "
            "fragment F on ToolPage { name parts { ...S } } fragment S on Screw { length }"
        ),
    ]
    plans: list[Any] = [opened.plans(views).plan(document, operation_of(document)) for document in documents]
    first = await ask(plans[0], {"id": "saw"})
    answers = [plan.answer(plan.variables(given)) for plan, given in zip(plans, ({"id": "saw"}, {"key": "saw"}), strict=True)]
    assert all(one is first for one in answers), "one text for all who select the same"


async def test_a_list_that_has_not_changed_is_written_once(opened: Workshop) -> None:
    views = opened.at_hand(lambda key: True)
    document = opened.parse("query ($n: Int) { toolPages(first: $n) { edges { node { id name } } pageInfo { endCursor } } }")
    plan: Any = opened.plans(views).plan(document, operation_of(document))
    assert await ask(plan, {"n": 3}) == await opened.execute(document, {"n": 3})
    [listed] = views.lists.values()
    [text] = listed.texts.values()
    assert isinstance(plan.answer({"n": 3}), bytes)
    assert list(listed.texts.values()) == [text]


def test_texts_are_few_and_small() -> None:
    texts: dict[Any, bytes] = {}
    for number in range(100):
        keep(texts, number, b"x" * 10)
    assert list(texts) == list(range(100 - MOST, 100))
    keep(texts, "large", b"x" * (TOGETHER + 1))
    assert list(texts) == ["large"], "one that is larger than all together may be is kept alone"
    keep(texts, "small", b"x")
    assert list(texts) == ["small"]
    keep(texts, "repeats", b"x" * (TOGETHER + 1), repeats=True)
    keep(texts, "too large", b"x" * (LARGEST + 1))
    assert list(texts) == ["small"]


async def test_plans_keep_nothing_themselves(opened: Workshop) -> None:
    views = opened.at_hand(lambda key: True)
    plans = opened.plans(views)
    gc.collect()
    before = sum(isinstance(one, QueryPlan) for one in gc.get_objects())
    for number in range(300):
        document = opened.parse(f'{{ toolPage(id: "saw") {{ a{number}: name maker {{ b{number}: name }} }} }}')
        answer = await ask(plans.plan(document, operation_of(document)), {})
        assert answer is not None
    del document
    assert sum(isinstance(one, QueryPlan) for one in gc.get_objects()) <= before + 1
    assert all(len(state.texts) <= MOST for state in views.states.values())


async def test_arguments_as_long_as_a_request_are_not_remembered(opened: Workshop) -> None:
    document = opened.parse("query ($name: String) { toolPages(filter: {name: {eq: $name}}) { edges { cursor } } }")
    plan = opened.plans(opened.at_hand(lambda key: False)).plan(document, operation_of(document))
    tracemalloc.start()
    try:
        for number in range(20):
            assert await ask(plan, {"name": f"{number}" * 100_000}) is not None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000


async def test_one_answer_shows_one_state_of_a_view() -> None:
    async with workshop("sqlite://") as opened:

        class Changing(AtHand):
            """After every read the saw has another name."""

            async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
                found = await super().read(view, keys)
                [saw] = await opened.views.read(ToolPage, ["saw"])
                assert saw.document is not None
                changed = {**saw.document, "version": saw.version + 1, "name": f"Saw {saw.version}"}
                await opened.datastore.commit([Set("ToolPage/saw", changed)])
                return found

        source = '{ toolPage(id: "saw") { version name maker { tools { id version name } } } }'
        answer = await opened.answer(source, Changing(opened.views, lambda key: False))
        assert answer is not None
        shown = orjson.loads(answer)["data"]["toolPage"]
        [beneath] = [one for one in shown["maker"]["tools"] if one["id"] == "saw"]
        assert (beneath["version"], beneath["name"]) == (shown["version"], shown["name"])


# --- What is left to graphql-core


@pytest.mark.parametrize(
    "source",
    [
        "{ __schema { queryType { name } } }",
        '{ toolPage(id: "saw") { id } __type(name: "Query") { name } }',
        "subscription { toolPages { kind } }",
        'subscription { toolPage(id: "saw") { maker { name } } }',
        "{ byHand }",
        '{ toolPage(id: "saw") { byHand } }',
        '{ node(id: "saw") { ... on ToolPage { byHand } } }',
        "{ toolPages { edges { node { byHand } } } }",
        "{ toolPages { byHand } }",
        '{ makerPage(id: "ann") { name } }',
        '{ toolPage(id: "saw") { maker { name } } }',
        '{ makerCard(id: "ann") { id } }',
        '{ toolPage(id: "saw") { price } }',
        '{ toolPage(id: "saw") { part { __typename } } }',
    ],
)
async def test_what_is_resolved_by_hand_is_not_planned(by_hand: Workshop, source: str) -> None:
    document = by_hand.parse(source)
    assert by_hand.plans().plan(document, operation_of(document)) is None


@pytest.fixture(scope="module")
async def by_hand() -> AsyncIterator[Workshop]:
    query, maker = ObjectType("Query"), ObjectType("MakerPage")
    query.set_field("byHand", lambda *_: "x")
    query.set_field("makerCard", lambda *_, id: {"id": id})
    maker.set_field("name", lambda *_: "x")
    union = UnionType("PlankOrScrew", lambda *_: "Screw")
    type_defs = """
        extend type Query { byHand: String }
        extend type ToolPage { byHand: String }
        extend type ToolPageConnection { byHand: String }
    """
    async with workshop("sqlite://", type_defs, [query, maker, union, ScalarType("Decimal", serializer=str)]) as found:
        yield found


async def test_beside_what_is_by_hand_plans_go_on(by_hand: Workshop) -> None:
    await by_hand.same('{ toolPage(id: "saw") { name maker { id tools { number } } } toolPages { totalCount } }')


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("query ($id: ID!) { toolPage(id: $id) { id } }", {}),
        ("query ($id: ID!) { toolPage(id: $id) { id } }", {"id": None}),
        ("query ($id: ID!) { toolPage(id: $id) { id } }", {"id": 1.5}),
        ('{ toolPage(id: "a/b") { id } }', {}),
        ('{ loan(id: "saw") { id } }', {}),
        ("{ toolPages(first: 501) { totalCount } }", {}),
        ("{ toolPages(first: 1, last: 1) { totalCount } }", {}),
        ('{ toolPages(after: "x") { totalCount } }', {}),
        ("{ toolPages(filter: {tags: {containsAny: []}}) { totalCount } }", {}),
        ("query ($f: ToolPageFilter) { toolPages(filter: $f) { totalCount } }", {"f": {"number": {"lt": None}}}),
        ("{ toolPages(orderBy: [{field: NAME}, {field: NAME}]) { totalCount } }", {}),
    ],
)
async def test_what_is_asked_wrongly_is_told_by_graphql_core(opened: Workshop, source: str, variables: dict[str, Any]) -> None:
    assert await opened.execute(opened.parse(source), variables) is None
    for _ in range(2):
        assert await opened.answer(source, **variables) is None


async def test_a_link_that_must_be_there_and_is_gone_is_told_by_graphql_core(opened: Workshop) -> None:
    [saw] = await opened.views.read(ToolPage, ["saw"])
    assert saw.document is not None
    await opened.datastore.commit([Set("ToolPage/orphan", {**saw.document, "id": "orphan", "maker": "nobody"})])
    assert await opened.answer('{ toolPage(id: "orphan") { maker { id } } }') is None
    assert await opened.same('{ toolPage(id: "orphan") { id } }') == {"toolPage": {"id": "orphan"}}


async def test_where_nothing_can_be_read_graphql_core_says_so(opened: Workshop) -> None:
    class Unavailable(AtHand):
        async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
            raise DatastoreUnavailable("gone")

    views = Unavailable(opened.views, lambda key: True)
    assert await opened.answer('{ toolPage(id: "saw") { id } }', views) is None
    assert await opened.answer("{ toolPages { edges { node { maker { id } } } } }", views) is None
