"""Errors as data: what a mutation lists is part of its result, and changes nothing about what is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar, Final

import pytest
from graphql import GraphQLUnionType, print_type
from pydantic import BaseModel

from bff.app import App
from bff.errors import DeclarationError, DomainError
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.settings import Settings
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Reason(Enum):
    HOLIDAY = "holiday"


class Hours(BaseModel):
    opens_at: datetime


class ShopClosed(DomainError):
    """The shop is closed."""

    code = "CLOSED"
    shop_id: str
    shop: Ref[Shop]
    sign: ShopSign | None = None
    reason: Reason = Reason.HOLIDAY
    next_hours: list[Hours]
    _secret: str = "not for clients"

    def __init__(self, shop: Shop) -> None:
        super().__init__(f"{shop.name} is closed")
        self.shop_id = shop.id
        self.shop = shop.ref
        self.sign = ShopSign.of(shop)
        self.next_hours = [Hours(opens_at=datetime(2026, 5, 1, 9, tzinfo=UTC))]


class SoldOut(DomainError):
    """Nothing is left."""

    SHELF: ClassVar[int] = 7
    LIMIT: Final = 0


class NothingOfThat(SoldOut): ...


@dataclass
class TooFew(DomainError):
    """There are not as many."""

    left: int
    _secret: str = "1234"


class Forgetful(DomainError):
    what: str

    def __init__(self, message: str = "forgotten") -> None:
        # As many exceptions have it; it is no field.
        self.message = message


class Shop(DomainModel, collection="shops"):
    name: str
    stock: int = 1

    @mutation(returns="ShopSign", errors=[ShopClosed, SoldOut])
    async def sell(self, how: str = "") -> None:
        self.stock -= 1
        await self.save()
        match how:
            case "closed":
                raise ShopClosed(self)
            case "sold out":
                raise SoldOut
            case "subclass":
                raise NothingOfThat("not a crumb")
            case "group":
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._fail())
                finally:
                    # Before Python 3.13, when one of its tasks fails, it leaves its own task marked as being cancelled.
                    current = asyncio.current_task()
                    assert current is not None
                    current.uncancel()
            case "unlisted":
                raise Forgetful("for everybody")
            case "too few":
                raise TooFew(1, "5678")

    async def _fail(self) -> None:
        raise SoldOut("in a group")

    @mutation(errors=[TooFew])
    def order(self) -> None:
        raise TooFew(self.stock, "5678")

    @mutation(errors=[SoldOut])
    def stocktake(self) -> None:
        if self.stock < 0:
            raise SoldOut

    @mutation(errors=[SoldOut])
    def count(self, times: int) -> list[int]:
        return [self.stock] * times

    @mutation(errors=[Forgetful])
    def forget(self) -> None:
        self.stock = 99
        raise Forgetful

    @mutation(errors=(SoldOut,))
    @classmethod
    async def found(cls, names: list[str]) -> list[ShopSign]:
        shops = [cls.new(name=name) for name in names]
        for shop in shops:
            await shop.save()
        return [ShopSign.of(shop) for shop in shops]


class Street(Mediator):
    @mutation(errors=[SoldOut])
    def nearest(self, shop: Shop | None = None) -> ShopSign | None:
        return None if shop is None else ShopSign.of(shop)


class ShopStore(Store):
    shop = reference(Shop)


class ShopSign(ViewModel):
    store: ShopStore

    @field
    def name(self) -> str:
        return self.store.shop.name

    @field
    def stock(self) -> int:
        return self.store.shop.stock


@pytest.fixture
async def street(datastore_url: str) -> AsyncIterator[AppHarness]:
    async with AppHarness(App(views=[ShopSign], mediators=[Street]), settings=Settings(datastore_url=datastore_url)) as harness:
        await Shop(id="baker", name="Baker").save()
        await harness.settled()
        yield harness


async def sell(street: AppHarness, how: str) -> dict[str, Any]:
    return await street.execute(
        """mutation ($how: String!) { shopSell(id: "baker", how: $how) {
            __typename
            ... on ShopSign { name stock }
            ... on Error { code message }
            ... on ShopClosed { shopId shop reason sign { name stock } nextHours { opensAt } }
        } }""",
        {"how": how},
    )


async def test_a_success_is_the_view_after_the_commit(street: AppHarness) -> None:
    assert (await sell(street, ""))["data"] == {"shopSell": {"__typename": "ShopSign", "name": "Baker", "stock": 0}}


async def test_a_listed_error_is_data_and_nothing_is_written(street: AppHarness) -> None:
    assert await sell(street, "closed") == {
        "data": {
            "shopSell": {
                "__typename": "ShopClosed",
                "code": "CLOSED",
                "message": "Baker is closed",
                "shopId": "baker",
                "shop": "baker",
                "reason": "HOLIDAY",
                "sign": {"name": "Baker", "stock": 1},
                "nextHours": [{"opensAt": "2026-05-01T09:00:00Z"}],
            }
        }
    }
    shop = await Shop.get("baker")
    assert shop is not None
    assert shop.stock == 1


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("sold out", "SOLD_OUT", "Nothing is left."),
        ("subclass", "NOTHING_OF_THAT", "not a crumb"),
        ("group", "SOLD_OUT", "in a group"),
    ],
)
async def test_the_nearest_listed_class_is_the_type(street: AppHarness, how: str, code: str, message: str) -> None:
    result = await sell(street, how)
    assert result == {"data": {"shopSell": {"__typename": "SoldOut", "code": code, "message": message}}}
    shop = await Shop.get("baker")
    assert shop is not None
    assert shop.stock == 1


async def test_what_is_not_listed_stays_an_error(street: AppHarness) -> None:
    result = await sell(street, "unlisted")
    assert result["data"] is None
    assert [(error["message"], error["extensions"]) for error in result["errors"]] == [("for everybody", {"code": "FORGETFUL"})]


async def test_what_a_class_is_called_with_is_no_message(street: AppHarness) -> None:
    """A dataclass says nothing of its message, and Python takes the values of its fields for it."""
    result = await sell(street, "too few")
    assert [error["message"] for error in result["errors"]] == ["There are not as many."]
    document = 'mutation { shopOrder(id: "baker") { ... on TooFew { code message left } } }'
    assert (await street.execute(document))["data"]["shopOrder"] == {
        "code": "TOO_FEW",
        "message": "There are not as many.",
        "left": 1,
    }


async def test_an_attribute_that_was_not_set_is_ours_to_know(street: AppHarness) -> None:
    result = await street.execute('mutation { shopForget(id: "baker") { __typename } }')
    assert [error["extensions"]["code"] for error in result["errors"]] == ["INTERNAL"]
    shop = await Shop.get("baker")
    assert shop is not None
    assert shop.stock == 1


async def test_what_is_no_object_type_is_part_of_a_payload(street: AppHarness) -> None:
    result = await street.execute(
        """mutation {
            shopStocktake(id: "baker") { __typename ... on ShopPayload { id committedAt } }
            shopCount(id: "baker", times: 2) { __typename ... on ShopCountPayload { id result } }
            shopFound(names: ["Butcher", "Grocer"]) { __typename ... on ShopFoundPayload { committedAt result { name stock } } }
            near: nearest(shopId: "baker") { __typename ... on NearestPayload { result { name } } }
            nothing: nearest { __typename ... on NearestPayload { committedAt result { name } } }
        }"""
    )
    assert "errors" not in result, result
    data = result["data"]
    assert data["shopStocktake"].pop("committedAt").isdigit()
    assert data["shopFound"].pop("committedAt").isdigit()
    assert data["nothing"].pop("committedAt").isdigit()
    assert result.pop("extensions")["bff"]["committedAt"].isdigit()
    assert result == {
        "data": {
            "shopStocktake": {"__typename": "ShopPayload", "id": "baker"},
            "shopCount": {"__typename": "ShopCountPayload", "id": "baker", "result": [1, 1]},
            "shopFound": {
                "__typename": "ShopFoundPayload",
                "result": [{"name": "Butcher", "stock": 1}, {"name": "Grocer", "stock": 1}],
            },
            "near": {"__typename": "NearestPayload", "result": {"name": "Baker"}},
            "nothing": {"__typename": "NearestPayload", "result": None},
        }
    }


def test_the_union_names_the_success_first() -> None:
    schema = App(views=[ShopSign], mediators=[Street]).schema
    members = {
        name: [member.name for member in one.types] for name, one in schema.type_map.items() if isinstance(one, GraphQLUnionType)
    }
    assert members == {
        "ShopSellResult": ["ShopSign", "ShopClosed", "SoldOut"],
        "ShopOrderResult": ["ShopPayload", "TooFew"],
        "ShopStocktakeResult": ["ShopPayload", "SoldOut"],
        "ShopCountResult": ["ShopCountPayload", "SoldOut"],
        "ShopForgetResult": ["ShopPayload", "Forgetful"],
        "ShopFoundResult": ["ShopFoundPayload", "SoldOut"],
        "NearestResult": ["NearestPayload", "SoldOut"],
    }
    assert schema.mutation_type is not None
    assert str(schema.mutation_type.fields["shopSell"].type) == "ShopSellResult!"
    assert print_type(schema.type_map["SoldOut"]).startswith('"""Nothing is left."""\ntype SoldOut implements Error {')


def test_unions_live_through_hand_written_sdl() -> None:
    schema = App(views=[ShopSign], mediators=[Street], type_defs="extend type Query { hello: String }").schema
    assert schema.mutation_type is not None
    assert schema.mutation_type.fields["shopSell"].extensions["bff.success"] == "ShopSign"


@pytest.mark.parametrize("taken", ["Error", "SoldOut", "ShopSellResult"])
def test_a_name_that_is_taken_is_said(taken: str) -> None:
    other = type(ViewModel)(taken, (ShopSign,), {"__module__": __name__, "__qualname__": taken})
    with pytest.raises(DeclarationError, match=f"named {taken}, which is the name of .* already: rename one of them"):
        App(views=[ShopSign, other], mediators=[Street])


def test_what_cannot_be_listed_is_said_where_it_is_declared() -> None:
    for errors, problem in (
        ([ValueError], "errors= lists ValueError, which is no DomainError; make it a subclass of bff.DomainError"),
        ([SoldOut()], "which is no DomainError"),
        ([SoldOut, SoldOut], "errors= lists SoldOut twice; remove one"),
        (SoldOut, "is no list; write errors="),
    ):
        with pytest.raises(DeclarationError, match=f"sell: .*{problem}"):

            @mutation(errors=errors)  # type: ignore[arg-type]
            def sell(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        ({"message": str}, r"Odd\.message: every error has its message"),
        ({"obj_type": str}, r"Odd\.obj_type: it is what tells the members of a union apart"),
        ({"a_b": str, "aB": str}, r"Odd\.aB: a_b becomes the field 'aB' too"),
        ({"where": "Nowhere"}, r"Odd\.where: .*'Nowhere', which is not defined"),
        ({"shop": Shop}, r"Odd\.shop: a DomainModel is a document of its own"),
        ({"places": set[str]}, r"Odd\.places: set.*cannot be stored"),
    ],
)
def test_an_attribute_that_cannot_be_shown_is_said(annotations: dict[str, Any], problem: str) -> None:
    odd = type("Odd", (DomainError,), {"__annotations__": annotations, "__module__": __name__})

    class Kiosk(DomainModel, collection="kiosks"):
        @mutation(errors=[odd])
        def open(self) -> None: ...

    with pytest.raises(DeclarationError, match=problem):
        App(views=[ShopSign], models=[Kiosk])


def test_an_override_lists_the_errors_of_what_it_overrides() -> None:
    class Corner(Shop):
        @mutation(errors=[ShopClosed])
        def stocktake(self) -> None: ...

    with pytest.raises(
        DeclarationError, match=r"Corner\.stocktake: it overrides the mutation shopStocktake of Shop with other errors"
    ):
        App(views=[ShopSign], models=[Corner])
