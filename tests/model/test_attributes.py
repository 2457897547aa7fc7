"""Attributes of the class as query operators: what they become, and that they leave the class as pydantic made it."""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bff.errors import InvalidQuery
from bff.model.condition import Attribute, Condition
from bff.model.domain_model import DomainModel
from bff.model.ref import Ref
from bff.query import And, Compare, Op, Or


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Owner(BaseModel):
    full_name: str


class Shop(DomainModel, collection="shops"):
    required_name: str
    size: Size = Size.SMALL
    price: Decimal = Decimal(0)
    tags: list[str] = []
    owner: Owner | None = None
    opened: date | None = None
    break_time: timedelta = timedelta()
    stock: dict[str, int] = {}
    next_shop: Ref[Shop] | None = None
    rating: float = 0.0


SHOP: Any = Shop


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (SHOP.required_name == "a", Compare("requiredName", Op.EQ, "a")),
        (SHOP.required_name != "a", Compare("requiredName", Op.NE, "a")),
        (SHOP.rating < 3, Compare("rating", Op.LT, 3.0)),
        (SHOP.rating <= 3.5, Compare("rating", Op.LE, 3.5)),
        (SHOP.rating > 3, Compare("rating", Op.GT, 3.0)),
        (SHOP.rating >= 3, Compare("rating", Op.GE, 3.0)),
        (SHOP.size == Size.LARGE, Compare("size", Op.EQ, "l")),
        (SHOP.size.in_([Size.LARGE, Size.SMALL]), Compare("size", Op.IN, ["l", "s"])),
        (SHOP.size.not_in([Size.LARGE]), Compare("size", Op.NOT_IN, ["l"])),
        (SHOP.price == Decimal("1.50"), Compare("price", Op.EQ, "1.50")),
        (SHOP.tags.contains("x"), Compare("tags", Op.ARRAY_CONTAINS, "x")),
        (SHOP.tags.contains_any({"x"}), Compare("tags", Op.ARRAY_CONTAINS_ANY, ["x"])),
        (SHOP.tags == ["x"], Compare("tags", Op.EQ, ["x"])),
        (SHOP.owner.full_name == "Jo", Compare("owner.fullName", Op.EQ, "Jo")),
        (SHOP.owner["full_name"] == "Jo", Compare("owner.fullName", Op.EQ, "Jo")),
        (SHOP.owner == Owner(full_name="Jo"), Compare("owner", Op.EQ, {"fullName": "Jo"})),
        (SHOP.owner == None, Compare("owner", Op.EQ, None)),  # noqa: E711
        (SHOP.opened >= date(2026, 1, 2), Compare("opened", Op.GE, "2026-01-02")),
        (SHOP.break_time < timedelta(seconds=1), Compare("breakTime", Op.LT, 1_000_000)),
        (SHOP.stock["apples"] > 3, Compare("stock.apples", Op.GT, 3)),
        (SHOP.stock.apples > 3.5, Compare("stock.apples", Op.GT, 3.5)),
        (SHOP.next_shop == Shop.ref("b"), Compare("nextShop", Op.EQ, "shops/b")),
        (SHOP.id == "b", Compare("__name__", Op.EQ, "shops/b")),
        (SHOP.id.in_(["b", Shop.ref("c")]), Compare("__name__", Op.IN, ["shops/b", "shops/c"])),
    ],
)
def test_an_attribute_makes_conditions_on_documents(condition: Condition, expected: Compare) -> None:
    assert condition.filter == expected
    assert condition.models == {Shop}


def test_conditions_are_joined() -> None:
    one, other = SHOP.rating > 1, SHOP.required_name == "a"
    assert (one & other).filter == And((one.filter, other.filter))
    assert (one | other).filter == Or((one.filter, other.filter))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (lambda: SHOP.rating == "a", "Shop.rating == 'a': expected float, got str 'a'"),
        (lambda: SHOP.price < Decimal(3), "Shop.price <: it is stored in a form that does not sort"),
        (lambda: Shop.order_by(Shop.price), "Shop.price cannot be ordered by"),
        (lambda: SHOP.owner < Owner(full_name="a"), "Shop.owner <: it is stored"),
        (lambda: SHOP.rating.contains(3), "Shop.rating array-contains: it is not a list"),
        (lambda: SHOP.rating < None, "null has no order"),
        (lambda: SHOP.size.in_([]), "a list of 1 to 30 values"),
        (lambda: SHOP.size.in_([Size.LARGE] * 31), "a list of 1 to 30 values"),
        (lambda: SHOP.required_name.in_("abc"), "the operand is a list of 1 to 30 values, not 'abc'"),
        (lambda: SHOP.tags.contains_any(3), "the operand is a list of 1 to 30 values, not 3"),
        (lambda: SHOP.owner.age == 3, "Owner has no field 'age'; it has full_name"),
        (lambda: SHOP.rating.age == 3, "there is nothing named 'age' in it"),
        (lambda: SHOP.stock["a.b"] == 3, "the key 'a.b' cannot be part of a field path"),
        (lambda: SHOP.id == 3, "Shop.id: an id is a str, not 3"),
        (lambda: 1 < SHOP.rating < 3, "nor by chaining"),
        (lambda: SHOP.rating > 1 and SHOP.rating < 3, "join conditions with & and |"),
        (lambda: not SHOP.rating, "Shop.rating is an attribute of the class, which has no value"),
        (lambda: (SHOP.rating > 1) & True, "True is no condition; put each comparison in parentheses"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(wrong: Any, problem: str) -> None:
    with pytest.raises(InvalidQuery, match=problem):
        wrong()


def test_a_required_field_stays_required_in_subclasses() -> None:
    class Bakery(Shop):
        flour: int

    assert Bakery.model_fields["required_name"].is_required()
    assert Bakery.model_fields["flour"].is_required()
    with pytest.raises(ValidationError, match="required_name"):
        Bakery(id="a", flour=3)  # type: ignore[call-arg]
    assert str(Bakery.required_name) == "Bakery.required_name"


def test_a_default_stays_the_default_in_subclasses() -> None:
    class Bakery(Shop):
        pass

    assert Bakery(id="a", required_name="b").size is Size.SMALL
    assert isinstance(Bakery.size, Attribute)


def test_a_field_may_be_declared_again_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Bakery(Shop):
            required_name: str = "the bakery"
            size: Size
            rating: float

        class Stall(Bakery):
            size: Size = Size.SMALL

    assert Bakery(id="a", size=Size.LARGE, rating=1).required_name == "the bakery"
    assert Bakery.model_fields["size"].is_required()
    assert not Stall.model_fields["size"].is_required()
    assert Stall.model_fields["rating"].is_required()
    assert str(Stall.size) == "Stall.size"


def test_what_is_no_field_is_no_attribute() -> None:
    for name in ("nmae", "_stored_", "__wrapped__"):
        assert not hasattr(Shop, name)
    assert Shop(id="a", required_name="b").required_name == "b"
    assert isinstance(Shop.model_fields, dict)


def test_an_attribute_can_be_hashed_and_shown() -> None:
    assert {SHOP.owner.full_name} != {SHOP.owner}
    assert repr(SHOP.owner.full_name) == "Shop.owner.full_name"
