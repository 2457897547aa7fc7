"""Whoever asks, a plan answers what graphql-core does, to the byte, and nothing that was written for one is sent to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

import orjson
import pytest
from graphql import execute, parse, print_ast, validate

from bff.datastore.port import Delete, Set
from bff.model.readers import READERS
from bff.principal import Principal
from bff.projection.stored_view import metadata_path, view_path
from bff.resolvers.context import Context
from bff.resolvers.page import PageRequest
from bff.resolvers.plan.plans import Plans
from bff.resolvers.visibility import REMEMBERED, Visibility
from bff.runtime import Runtime
from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.resolvers.audience_views import AUDIENCES, Note, Paper, Slip, Wall, may_see, ward
from tests.resolvers.planned import operation_of

pytestmark = pytest.mark.anyio

PAPERS = {
    "n0": ("ann", "ann"),
    "n1": ("north", "billing"),
    "n2": ("signed in", "doctors"),
    "n3": ("all", "nobody"),
    "n4": ("nobody", "all"),
    "c0": ("all", "billing"),
    "c1": ("all", "doctors"),
    "s0": ("doctors", "all"),
    "s1": ("all", "all"),
}
"""By its id, who may see a paper, and its secret."""

ITEMS = "__typename ... on Note { id secret } ... on Chart { id name dose } ... on Slip { id text }"

QUERIES = [
    'query ($id: ID! = "n0") { note(id: $id) { id text secret } }',
    '{ a: note(id: "n1") { t: text } b: note(id: "n1") { secret } c: chart(id: "c0") { dose } d: slip(id: "s0") { id } }',
    '{ chart(id: "c1") { name dose } }',
    '{ slip(id: "s0") { __typename text } }',
    '{ note(id: "n4") { secret } }',
    '{ node(id: "Note:n2") { id ... on Note { secret } } board: node(id: "Board:b") { ... on Board { first { id } } } }',
    '{ node(id: "Slip:s0") { id } hidden: node(id: "Note:n4") { id } }',
    "{ notes { edges { node { id text secret } } } }",
    "{ notes(first: 2, orderBy: [{field: TEXT}]) { totalCount edges { cursor node { id } } pageInfo { endCursor } } }",
    "{ notes(last: 1) { totalCount edges { node { secret } } pageInfo { hasPreviousPage } } }",
    '{ notes(filter: {text: {eq: "text of n1"}}) { totalCount edges { node { secret } } } }',
    "{ charts(first: 1) { totalCount edges { node { id dose } } } }",
    "{ charts { edges { node { id dose } } } }",
    "{ slips { totalCount edges { node { text } } } }",
    '{ board(id: "b") { notes { id secret } first { id secret } } }',
    f'{{ board(id: "b") {{ items {{ {ITEMS} }} top {{ {ITEMS.replace("... on Chart { id name dose } ", "")} }} }} }}',
    '{ board(id: "b") { pins { label note { id secret } } } }',
    "{ boards { edges { node { notes { id } items { __typename } } } } }",
]


class Ward:
    """Asks both, and compares what they say. Each plan is made once, and answers everybody."""

    def __init__(self, app: Any, runtime: Runtime) -> None:
        assert runtime.hub is not None
        self.app, self.runtime, self.hub = app, runtime, runtime.hub
        self.visibility = Visibility(app.catalog, runtime.views, self.hub)
        plans = Plans(app.schema, app.catalog, self.visibility)
        self.documents = [parse(source) for source in QUERIES]
        for document in self.documents:
            assert not validate(app.schema, document)
        self.plans: list[Any] = [plans.plan(document, operation_of(document)) for document in self.documents]
        assert None not in self.plans
        self.papers = dict(PAPERS)
        self.left = 0

    async def executed(self, document: Any, who: Principal) -> bytes:
        visible = self.visibility.of(who)
        context = Context(
            self.runtime.datastore, self.app.catalog, visible.views, visible.hub, principal=who, audience=visible.audience
        )
        found: Any = execute(self.app.schema, document, None, context, {})
        result = await found if isawaitable(found) else found
        assert not result.errors, result.errors
        return orjson.dumps({"data": result.data})

    async def compare(self) -> None:
        """Everything, of everybody, in turns."""
        for document, plan in zip(self.documents, self.plans, strict=True):
            for who in AUDIENCES.values():
                answer: Any = plan.answer(plan.variables({}), who)
                answer = await answer if isawaitable(answer) else answer
                expected = await self.executed(document, who)
                if answer is None:
                    self.left += 1
                    continue
                assert answer == expected, (print_ast(document), who)
                for id, (by, secret_by) in self.papers.items():
                    seen, secret = may_see(by, who), may_see(secret_by, who)
                    name = id.encode()
                    assert seen or b"text of " + name not in answer
                    assert (seen and secret) or b"secret of " + name not in answer
                    assert secret or b"dose of " + name not in answer

    async def give(self, id: str, by: str, secret_by: str) -> None:
        self.papers[id] = by, secret_by
        paper = await Paper.get(id)
        assert paper is not None
        paper.by, paper.secret_by = by, secret_by
        await paper.save()


@asynccontextmanager
async def opened(datastore_url: str = "sqlite://") -> AsyncIterator[tuple[AppHarness, Ward]]:
    app = ward()
    async with AppHarness(app, settings=Settings(datastore_url=datastore_url, broadcast_url="memory://")) as run:
        for id, (by, secret_by) in PAPERS.items():
            await Paper(id=id, kind=id[0], text=id, by=by, secret_by=secret_by).save()
        await Wall(id="b", papers=[*PAPERS], top="n2").save()
        await run.settled()
        yield run, Ward(app, run.runtime)


async def test_everybody_is_answered_as_by_graphql_core() -> None:
    async with opened() as (run, ward):
        # Unknown at first, then known; a list is known once its window is there.
        for _ in range(3):
            await ward.compare()
        hits = ward.hub.cache_counts["list"][0]
        while ward.hub.cache_counts["list"][0] < hits + len(AUDIENCES):
            await asyncio.sleep(0)
            await ward.compare()
        assert ward.left == 0

        # Who may see what changes under all of them: nothing that was known is of use to anybody else.
        for id, by, secret_by in (
            ("n0", "billing", "north"),
            ("n1", "nobody", "ann"),
            ("c0", "all", "ann"),
            ("s0", "ann", "all"),
        ):
            await ward.give(id, by, secret_by)
            await run.settled()
            await ward.compare()
        # All that is asked again is known again.
        before = ward.hub.cache_counts["view"][0]
        await ward.compare()
        assert ward.hub.cache_counts["view"][0] > before
        assert ward.left == 0


async def test_a_text_is_written_once_for_all_who_see_the_same() -> None:
    async with opened() as (_, ward):
        plan: Any = ward.plans[2]
        answers = {}
        for _ in range(2):
            for name, who in AUDIENCES.items():
                answer: Any = plan.answer(plan.variables({}), who)
                answers[name] = await answer if isawaitable(answer) else answer
        assert answers["ann"] is answers["cy"], "both see the dose of c1"
        assert answers["nobody"] is answers["bob"] is answers["dee"], "none of these does"
        assert answers["ann"] != answers["bob"]


async def test_what_a_list_was_written_as_is_for_those_alone_who_see_the_same() -> None:
    async with opened() as (_, ward):
        plan: Any = ward.plans[QUERIES.index("{ notes { edges { node { id text secret } } } }")]
        query, first = PageRequest(Note).window()

        async def listed(name: str) -> Any:
            who = AUDIENCES[name]
            while (known := ward.visibility.of(who).hub.known_list(Note, query, first)) is None:
                answer: Any = plan.answer(plan.variables({}), who)
                await answer
            assert isinstance(plan.answer(plan.variables({}), who), bytes)
            assert ward.visibility.of(who).hub.known_list(Note, query, first) is known
            return known

        lists = [await listed(name) for name in AUDIENCES]
        texts = [text for known in lists for text in known.texts.values()]
        assert len(texts) == len(lists), "one each"
        assert len({id(known) for known in lists}) == len(lists)


async def test_what_a_list_finds_may_have_other_readers_by_now() -> None:
    """A document of older code is built anew where it is read: who may see it then is compared, not who was found to."""
    async with opened() as (run, ward):
        await ward.give("s0", "nobody", "all")
        await run.settled()
        plan: Any = ward.plans[QUERIES.index("{ slips { totalCount edges { node { text } } } }")]
        older: Any = {"id": "s0", "version": 1, READERS: ["public"]}
        written: list[Set | Delete] = [Set(view_path(Slip.__view__.collection, "s0"), older), Delete(metadata_path("Slip", "s0"))]
        await run.runtime.datastore.commit(written)
        answer: Any = plan.answer(plan.variables({}), AUDIENCES["ann"])
        answer = await answer if isawaitable(answer) else answer
        assert answer is None, "graphql-core says what there is"


def test_a_principal_is_told_by_what_it_is_and_not_by_its_claims() -> None:
    app = ward()
    views: Any = type("Views", (), {"news": None})()
    hub: Any = object()
    visibility = Visibility(app.catalog, views, hub)
    ann = AUDIENCES["ann"]
    known = visibility.of(ann)
    assert visibility.of(Principal(id="ann", tenant="north", groups=ann.groups, claims={"x": 1})) is known
    others = [
        Principal(id="ann"),
        Principal(id="ann", tenant="north"),
        Principal(id="ann", tenant="south", groups=ann.groups),
        Principal(id="ann", groups=ann.groups),
        Principal(id="north", tenant="ann", groups=ann.groups),
        Principal(),
    ]
    names = {visibility.of(one).audience for one in others} | {known.audience}
    assert len(names) == len(others) + 1
    for number in range(REMEMBERED):
        visibility.of(Principal(id=f"u{number}"))
    assert visibility.of(ann) is not known, "it is made anew"
    assert visibility.of(ann).audience == known.audience
