"""Values that are of their GraphQL type, and that nothing can hold: refused, and nobody else's view is broken."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from ariadne import MutationType
from pydantic import BaseModel, Field

from bff.app import App
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

HUGE = "1" + "0" * 400


class Quota(BaseModel):
    seats: Annotated[int, Field(ge=0)]


class Shop(DomainModel, collection="refused_shops"):
    name: str
    seats: Annotated[int, Field(ge=0)] = 0
    rent: float = 1.0
    notes: Any = None

    @mutation(returns="ShopPage")
    @classmethod
    async def found(cls, name: str) -> ShopPage:
        shop = cls(id=name, name=name)
        await shop.save()
        return ShopPage.of(shop)

    @mutation(returns="ShopPage")
    def furnish(self, seats: int, *, forgotten: bool = False, elsewhere: bool = False) -> None:
        if forgotten:
            Shop(id="other")  # type: ignore[call-arg]
        if elsewhere:
            Quota(seats=seats)
        self.seats = seats

    @mutation(returns="ShopPage")
    def let(self, rent: float, *, more: list[float] | None = None) -> None:
        self.rent = rent

    @mutation(returns="ShopPage")
    def overcharge(self) -> None:
        self.rent = math.inf


class ShopStore(Store):
    shop = reference(Shop)


class ShopPage(ViewModel):
    store: ShopStore

    @field(filterable=True)
    def seats(self) -> int:
        return self.store.shop.seats

    @seats.setter
    def seats(self, value: int) -> None:
        self.store.shop.seats = value

    @field(filterable=True)
    def rent(self) -> float:
        return self.store.shop.rent

    @field
    def notes(self) -> Any:
        return self.store.shop.notes

    @notes.setter
    def notes(self, value: Any) -> None:
        self.store.shop.notes = value


log: list[str] = []
by_hand = MutationType()


@by_hand.field("note")
def note(*_: Any, text: str) -> str:
    log.append(text)
    return text


app = App(views=[ShopPage], type_defs="extend type Mutation { note(text: String!): String! }", bindables=[by_hand])


@pytest.fixture
async def running() -> AsyncIterator[AppHarness]:
    async with AppHarness(app) as harness:
        await Shop(id="tea", name="Tea").save()
        await Shop(id="rum", name="Rum").save()
        await harness.settled()
        log.clear()
        yield harness


async def refused(running: AppHarness, query: str) -> dict[str, Any]:
    """The one error; nothing is changed, and everybody's list is as it was."""
    answer = await running.execute(query)
    [error] = answer["errors"]
    await running.settled()
    pages = await running.execute("{ shopPages { edges { node { id seats rent } } } }")
    assert [edge["node"] for edge in pages["data"]["shopPages"]["edges"]] == [
        {"id": "rum", "seats": 0, "rent": 1.0},
        {"id": "tea", "seats": 0, "rent": 1.0},
    ]
    return dict(error)


@pytest.mark.parametrize("number", ["1e999", "-1e999", HUGE])
@pytest.mark.parametrize(
    "query",
    [
        'mutation { shopLet(id: "tea", rent: %s) { rent } }',
        'mutation { shopLet(id: "tea", rent: 2, more: [1, %s]) { rent } }',
        "{ shopPages(filter: {rent: {lt: %s}}) { edges { node { id } } } }",
        "{ shopPages(filter: {rent: {in: [1, %s]}}) { edges { node { id } } } }",
        "query ($most: Float = %s) { shopPages(filter: {rent: {lt: $most}}) { edges { node { id } } } }",
        'mutation { updateShopPage(id: "tea", input: {notes: {deep: [1, %s]}}) { notes } }',
    ],
)
async def test_a_literal_that_no_float_holds(running: AppHarness, query: str, number: str) -> None:
    error = await refused(running, query % number)
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED", error


async def test_the_largest_float_is_one(running: AppHarness) -> None:
    answer = await running.execute('mutation { shopLet(id: "tea", rent: 1.7976931348623157e308) { rent } }')
    assert answer["data"]["shopLet"] == {"rent": 1.7976931348623157e308}


async def test_a_number_that_is_none_fails_the_build_and_no_list(running: AppHarness) -> None:
    answer = await running.execute('mutation { shopOvercharge(id: "tea") { rent } }')
    assert answer["errors"][0]["extensions"]["code"] == "BUILD_FAILED"
    await running.settled()
    pages = await running.execute("{ shopPages { edges { node { id rent } } } }")
    assert "errors" not in pages
    assert [edge["node"]["rent"] for edge in pages["data"]["shopPages"]["edges"]] == [1.0, 1.0], "the last good value stays"
    ready = (await running.http.get("/readyz")).json()
    assert ready["checks"]["projector"]["failing"] == 1


async def test_what_a_model_refuses_of_a_setter_is_the_input(running: AppHarness) -> None:
    error = await refused(running, 'mutation { updateShopPage(id: "tea", input: {seats: -1}) { seats } }')
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argumentPath": ["input", "seats"]}
    assert "greater than or equal to 0" in error["message"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('mutation { shopFurnish(id: "tea", seats: -1) { seats } }', "Shop.seats: Input should be greater than or equal to 0"),
        ('mutation { shopFound(name: "salt/pepper") { id } }', "Shop.id: 'salt/pepper' is not a document id"),
        ('mutation { shopFound(name: "") { id } }', "Shop.id: '' is not a document id"),
    ],
)
async def test_what_a_model_refuses_in_a_mutation_is_bad_input(running: AppHarness, query: str, words: str) -> None:
    error = await refused(running, query)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"].startswith(words)


@pytest.mark.parametrize("argument", ["forgotten", "elsewhere"])
async def test_what_is_the_codes_own_doing_is_internal(
    running: AppHarness, argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "bff.serving")
    error = await refused(running, f'mutation {{ shopFurnish(id: "tea", seats: -1, {argument}: true) {{ seats }} }}')
    assert error["extensions"]["code"] == "INTERNAL"


async def test_fields_of_a_mutation_are_done_one_after_the_other(running: AppHarness) -> None:
    """https://spec.graphql.org/October2021/#sec-Normal-and-Serial-Execution, whatever functions their resolvers are."""
    answer = await running.execute('mutation { shopFurnish(id: "tea", seats: 2) { seats } note(text: "furnished") }')
    assert answer["data"] == {"shopFurnish": {"seats": 2}, "note": "furnished"}
    answer = await running.execute(
        """mutation {
            first: note(text: "begun")
            shopFurnish(id: "nobody", seats: 2) { seats }
            note(text: "never")
            last: shopFurnish(id: "tea", seats: 9) { seats }
        }"""
    )
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "NOT_FOUND")
    assert log == ["furnished", "begun"]
    shop = await Shop.get("tea")
    assert shop is not None
    assert shop.seats == 2
