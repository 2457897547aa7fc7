"""A running app answers from plans: graphql-core executes nothing of what can be planned."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import ExecutionContext

from bff.app import App
from bff.testing.harness import AppHarness
from tests.resolvers.plan_views import VIEWS, Tool, fill

pytestmark = pytest.mark.anyio


class Executed:
    """How many operations graphql-core has executed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        execute = ExecutionContext.execute_operation

        def counted(context: ExecutionContext, operation: Any, root: Any) -> Any:
            self.count += 1
            return execute(context, operation, root)

        monkeypatch.setattr(ExecutionContext, "execute_operation", counted)


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> Executed:
    return Executed(monkeypatch)


async def test_graphql_core_executes_nothing_that_is_planned(executed: Executed) -> None:
    async with AppHarness(App(views=VIEWS)) as running:
        await fill()
        await running.settled()
        tool = "query ($id: ID!) { toolPage(id: $id) { name maker { name tools { id } } parts { __typename } } }"
        for again in range(3):
            shown = (await running.execute(tool, {"id": "saw"}))["data"]
            assert shown["toolPage"]["maker"]["name"] == "Ann"
            selected = "totalCount edges { node { id maker { name } } }"
            tools = f"query ($n: Int) {{ toolPages(first: $n, orderBy: [{{field: NUMBER}}]) {{ {selected} }} }}"
            shown = (await running.execute(tools, {"n": 2}))["data"]
            assert [edge["node"]["id"] for edge in shown["toolPages"]["edges"]] == ["saw", "axe"]
            assert (await running.execute('{ node(id: "MakerCard:ann") { id } }'))["data"]["node"] == {"id": "ann"}
            assert await running.execute('{ toolPage(id: "none") { id } }') == {"data": {"toolPage": None}}
            # What a server has never been asked before takes the long way once.
            executed.count = executed.count if again else 0
        assert executed.count == 0
        assert (await running.execute("{ __schema { queryType { name } } }"))["data"]["__schema"]["queryType"]["name"] == "Query"
        assert executed.count == 1


async def test_what_has_changed_is_shown_from_then_on(executed: Executed) -> None:
    async with AppHarness(App(views=VIEWS)) as running:
        await fill()
        await running.settled()
        source = '{ toolPage(id: "saw") { name } toolPages(first: 9) { edges { node { name } } } }'
        for number in range(5):
            saw = await Tool.get("saw")
            assert saw is not None
            saw.name = f"Saw {number}"
            await saw.save()
            await running.settled()
            shown = (await running.execute(source))["data"]
            assert shown["toolPage"]["name"] == f"Saw {number}"
            assert {"node": {"name": f"Saw {number}"}} in shown["toolPages"]["edges"]
        assert executed.count <= 1
