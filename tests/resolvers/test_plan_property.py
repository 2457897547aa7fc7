"""Whatever is asked of stored views, a plan answers what graphql-core does, to the byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from bff.resolvers.cursor import encode_cursor
from bff.resolvers.page import PageRequest
from tests.resolvers.operations import queries
from tests.resolvers.plan_views import ToolPage
from tests.resolvers.planned import AtHand, Workshop, ask, operation_of, workshop

KEEPS = {
    "everything": lambda key: True,
    "some": lambda key: key < "lists",
    "nothing": lambda key: False,
}


class Shared:
    """A workshop that every example asks, in a loop of its own."""

    def __init__(self, runner: asyncio.Runner, opened: Workshop) -> None:
        self.runner = runner
        self.workshop = opened
        self.views: dict[str, AtHand] = {name: self.workshop.at_hand(keeps) for name, keeps in KEEPS.items()}
        [saw] = self.runner.run(self.workshop.views.read(ToolPage, ["saw"]))
        assert saw.document is not None
        self.cursor = encode_cursor("ToolPage", PageRequest(ToolPage).counted().full_order(), saw.document)


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with asyncio.Runner() as runner:
        opened = workshop("sqlite://")
        yield Shared(runner, runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))


patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@settings(patient, max_examples=250)
@given(st.data())
def test_a_plan_answers_as_graphql_core_does(shared: Shared, data: st.DataObject) -> None:
    opened = shared.workshop
    source, variables = data.draw(queries(opened.schema))
    variables = {name: shared.cursor if value == "CURSOR" else value for name, value in variables.items()}
    document = parse(source)
    assume(not validate(opened.schema, document))
    compared = shared.runner.run(compare(shared, document, variables))
    event("answered" if compared else "left to graphql-core")


async def compare(shared: Shared, document: Any, variables: dict[str, Any]) -> bool:
    expected = await shared.workshop.execute(document, variables)
    for views in shared.views.values():
        plan = shared.workshop.plans(views).plan(document, operation_of(document))
        assert plan is not None
        # The second time it is known, and was written before.
        for _ in range(2):
            assert await ask(plan, variables) == expected
    return expected is not None


@pytest.fixture(autouse=True)
def _no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What no answer should raise is logged: that graphql-core then answers hides it from the comparison."""
    yield
    assert not [one for one in caplog.get_records("call") if one.levelno >= logging.ERROR]
