"""How old an answer may become in a client's cache: what the views and fields say that it is of."""

from __future__ import annotations

import pytest

from bff import ViewModel, field
from tests.app.league import TeamStore, get, running

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("query", "control"),
    [
        ('{ playerCard(id: "p0") { name } }', "private, max-age=3600"),
        ('{ playerCard(id: "p0") { id version __typename name } }', "private, max-age=3600"),
        ('{ playerCard(id: "p0") { name goals } }', "private, no-cache"),
        ('{ playerCard(id: "p0") { id } }', "private, no-cache"),
        ('{ playerCard(id: "nobody") { name } }', "private, no-cache"),
        ('{ badge(id: "t0") { text } playerCard(id: "nobody") { name } }', "private, no-cache"),
        ('{ badge(id: "t0") { id text } }', "private, max-age=60"),
        ('{ badge(id: "t0") { text size } }', "private, max-age=5"),
        ('{ badge(id: "t0") { id } }', "private, max-age=60"),
        ('{ badge(id: "t0") { text } playerCard(id: "p0") { name } }', "private, max-age=60"),
        ("{ badges { edges { node { text } } } }", "private, max-age=60"),
        ("{ playerCards { edges { node { name } } } }", "private, no-cache"),
        ('{ playerCard(id: "p0") { name team { id } } }', "private, no-cache"),
        ('{ node(id: "Badge:t0") { ... on Badge { text } } }', "private, max-age=60"),
    ],
)
async def test_the_smallest_age_counts(query: str, control: str) -> None:
    async with running() as (harness, _):
        response = await get(harness, query)
        assert "errors" not in response.json(), response.json()
        assert response.headers["cache-control"] == control


def test_an_age_changes_no_definition() -> None:
    def declared(age: int | None) -> str:
        class Aged(ViewModel, max_age=age):
            store: TeamStore

            @field(max_age=age)
            def name(self) -> str:
                return self.store.team.name

        return Aged.__view__.definition_hash

    assert declared(None) == declared(60)
