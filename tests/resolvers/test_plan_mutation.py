"""A planned mutation is done once, and answers what graphql-core does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from graphql import ExecutionContext

from bff.resolvers.plan.planning import Unplannable
from bff.resolvers.plan.plans import Plans
from bff.testing.harness import AppHarness
from tests.resolvers.cafe import cafe, fill

pytestmark = pytest.mark.anyio

CUT = "mutation Cut($id: ID!, $n: Int) { done: cakeCut(id: $id, pieces: $n) { ...Shown slices } } fragment Shown on CakePage { "
ASKED: list[tuple[str, Mapping[str, Any] | None, Mapping[str, str] | None]] = [
    (CUT + "__typename id name title: name }", {"id": "apple", "n": 2}, None),
    (CUT + "id }", {"id": "nut"}, {"Idempotency-Key": "once"}),
    (CUT + "name }", {"id": "apple", "n": 1000}, None),
    (CUT + "name slices }", {"id": "none", "n": 1}, None),
    (CUT + "name }", {"id": "a/b", "n": 1}, None),
    (CUT + "name }", {"id": "apple", "n": "two"}, None),
    (CUT + "name }", {"n": 1}, None),
    (CUT + "name @skip(if: true) id }", {"id": "apple", "n": 1}, None),
    ('mutation { updateCakePage(id: "apple", input: {name: "Pear"}) { id name } }', None, None),
    ('mutation { updateCakePage(id: "apple", input: {}) { id name } }', None, None),
    ('mutation { updateCakePage(id: "apple", input: {name: null}) { id name } }', None, None),
    ('mutation { seat(tableId: "t9", number: 9) { id number eats } }', None, None),
    ('mutation { bring(table: "t1", cake: "nut", orderId: "o2") { number eats } }', None, None),
    ('mutation { move(order: "o1", to: "t2") { number cakes { name } } }', None, None),
    ('mutation { cakeTake(id: "nut") { __typename ... on CakePage { slices } } }', None, None),
    ('mutation { cakeCut(id: "nut") { slices } again: cakeCut(id: "nut") { slices } }', None, None),
    ('mutation { drop(id: "nut") }', None, None),
]

AFFECTED = [{"view": "CakePage", "id": "apple"}, {"view": "TablePage", "id": "t1"}]


class Executed:
    """How many operations graphql-core has executed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        execute = ExecutionContext.execute_operation

        def counted(context: ExecutionContext, operation: Any, root: Any) -> Any:
            self.count += 1
            return execute(context, operation, root)

        monkeypatch.setattr(ExecutionContext, "execute_operation", counted)


async def answers() -> list[Any]:
    """What all of it is answered, each asked three times: the first time a text is not known yet."""
    async with AppHarness(cafe()) as running:
        await fill()
        given: list[Any] = []
        for source, variables, headers in [asked for asked in ASKED for _ in range(3)]:
            await running.settled()  # what is affected is told of the views that are there
            given.append(await running.execute(source, variables, headers=headers))
        await running.settled()
        given.append(await running.execute('{ apple: cakePage(id: "apple") { slices } nut: cakePage(id: "nut") { slices } }'))
    return [without_times(one) for one in given]


def without_times(answer: Any) -> Any:
    """As text, since the order of fields counts; when it was committed, and the ids of errors, are others each time."""
    bff = answer.get("extensions", {}).get("bff", {})
    assert ("committedAt" in bff) == (bff.pop("committedAt", None) is not None)
    for error in answer.get("errors", ()):
        error["extensions"].pop("id", None)
    return json.dumps(answer)


async def test_it_answers_what_graphql_core_does(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = await answers()

    def refuse(*_: Any) -> Any:
        raise Unplannable("for once")

    monkeypatch.setattr(Plans, "_plan_mutation", refuse)
    assert planned == await answers()


async def test_graphql_core_executes_nothing_of_one_that_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    executed = Executed(monkeypatch)
    async with AppHarness(cafe()) as running:
        await fill()
        await running.settled()
        for number in range(3):
            answer = await running.execute(CUT + "name }", {"id": "apple", "n": 1})
            assert answer["data"] == {"done": {"name": "Apple", "slices": 99 - number}}
            assert answer["extensions"]["bff"]["affects"] == AFFECTED
        assert executed.count == 0
        answer = await running.execute(CUT + "name }", {"id": "apple", "n": 1000})
        assert answer["errors"][0]["extensions"]["code"] == "SOLD_OUT"
        assert executed.count == 1
