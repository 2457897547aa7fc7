"""Planned subscriptions: watched on a hub, without a task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from bff.broadcast.connect import open_broadcast
from bff.live.announcement import Announcement
from bff.live.hub import Hub
from tests.resolvers.plan_views import ToolPage
from tests.resolvers.planned import Workshop, operation_of, workshop

pytestmark = pytest.mark.anyio


class Wakes:
    """How often somebody was woken."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
async def opened() -> AsyncIterator[Workshop]:
    async with workshop("sqlite://") as found:
        yield found


def plan_of(opened: Workshop, source: str, views: Any = None) -> Any:
    document = opened.parse(source)
    return opened.plans(views or opened.hub).plan(document, operation_of(document))


async def watch(plan: Any, wake: Any, **given: Any) -> Any:
    variables = plan.variables(given)
    assert variables is not None
    return await plan.watch(variables, wake)


async def test_the_present_state_and_then_each_newer_one(opened: Workshop) -> None:
    selected = "toolPage(id: $id) { id n: name state parts { __typename } }"
    expected = await opened.execute(opened.parse(f"query ($id: ID!) {{ tool: {selected} }}"), {"id": "saw"})
    wakes = Wakes(), Wakes()
    source = f"subscription ($id: ID!) {{ tool: {selected} }}"
    watched = [await watch(plan_of(opened, source), wake, id="saw") for wake in wakes]
    first = [one.take() for one in watched]
    assert first == [expected, expected]
    assert first[0] is first[1], "subscribers of one view share one text"
    assert [one.take() for one in watched] == [None, None]

    [state] = await opened.views.read(ToolPage, ["saw"])
    assert state.document is not None
    woken = [wake.count for wake in wakes]
    newer = {**state.document, "name": "Newer", "version": state.version + 1}
    opened.hub.announced("ToolPage", Announcement("saw", state.version + 1, newer, committed=state.version + 1))
    assert [wake.count for wake in wakes] == [count + 1 for count in woken]
    second = [one.take() for one in watched]
    assert second[0] is second[1]
    assert orjson.loads(second[0])["data"]["tool"]["n"] == "Newer"

    for version in (2, 3):
        opened.hub.announced("ToolPage", Announcement("saw", state.version + version, None, committed=state.version + version))
    assert [one.take() for one in watched] == [b'{"data":{"tool":null}}'] * 2
    opened.hub.announced("ToolPage", Announcement("saw", state.version + 4, None, committed=state.version + 4))
    assert [one.take() for one in watched] == [None, None], "that it is still gone is no news"

    watched[0].close()
    watched[0].close()
    assert opened.hub.subscriptions == 1
    watched[1].close()
    assert opened.hub.subscriptions == 0


async def test_what_is_selected_may_depend_on_variables(opened: Workshop) -> None:
    selected = "number @include(if: $x) maker @skip(if: $x) { name }"
    plan = plan_of(opened, f"subscription ($id: ID!, $x: Boolean = true) {{ tool: toolPage(id: $id) {{ id {selected} }} }}")
    shown = await watch(plan, Wakes(), id="axe")
    assert orjson.loads(shown.take())["data"]["tool"]["number"] == 1
    assert await watch(plan, Wakes(), id="axe", x=False) is None, "there are links beneath it then"
    assert await watch(plan, Wakes(), id="axe", x=None) is None
    shown.close()
    assert opened.hub.subscriptions == 0


async def test_what_is_wrong_is_told_by_graphql_core(opened: Workshop) -> None:
    plan = plan_of(opened, "subscription ($id: ID!) { toolPage(id: $id) { id } }")
    assert plan.variables({"id": None}) is None
    assert await watch(plan, Wakes(), id="a/b") is None
    [state] = await opened.views.read(ToolPage, ["plane"])
    assert state.document is not None
    watched = await watch(plan_of(opened, 'subscription { toolPage(id: "plane") { number } }'), Wakes())
    assert watched.take() == b'{"data":{"toolPage":{"number":2}}}'
    odd = {**state.document, "number": 2**40, "version": state.version + 1}
    opened.hub.announced("ToolPage", Announcement("plane", state.version + 1, odd, committed=state.version + 1))
    with pytest.raises(LookupError):
        watched.take()
    assert watched.take() is None
    watched.close()


async def test_live_updates_that_end_are_told(opened: Workshop) -> None:
    async with open_broadcast("memory://") as broadcast:
        async with Hub(broadcast, opened.views) as hub:
            plan = plan_of(opened, "subscription ($id: ID!) { toolPage(id: $id) { id } }", hub)
            wakes = Wakes()
            watched = await watch(plan, wakes, id="saw")
            assert not watched.ended
            woken = wakes.count
        assert watched.ended
        assert wakes.count == woken + 1
        watched.close()
        assert await plan.watch({"id": "saw"}, wakes) is None
