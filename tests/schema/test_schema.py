"""The printed schema of a bike share: every kind of value, union, link, enum and deprecation, to the letter."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    assert_valid_schema,
    print_schema,
    print_type,
)
from pydantic import BaseModel, Field

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.schema.build import build_schema
from bff.types import BigInt, GeoPoint

SDL = Path(__file__).with_name("bike_share.graphql")


WORKSHOP = GeoPoint(52.5, 13.4)


class Condition(Enum):
    """How good a bike is."""

    AS_NEW = "as new"
    WORN = "worn"
    RIDEABLE = "worn"  # noqa: PIE796 (another name for it)


class Frame(BaseModel):
    """What a bike is made of."""

    material: Literal["steel", "carbon"] = Field(description="Of the tubes.")
    size_cm: int = Field(deprecated="Use `sizes`.")
    weight: BigInt = 0
    inner: Frame | None = None


class Scratch(BaseModel):
    length: float


class Flat(BaseModel):
    wheel: str
    repaired: bool = False


class Station(DomainModel, collection="stations"):
    name: str


class Bike(DomainModel, collection="bikes"):
    number: int
    home: Ref[Station]
    condition: Condition = Condition.AS_NEW
    damages: list[Scratch | Flat] = []

    @mutation(returns="BikeCard")
    def report(
        self,
        damage: Scratch | Flat,
        condition: Condition = Condition.WORN,
        at: datetime | None = None,
        patience: timedelta = timedelta(hours=1, minutes=30),
        seen_by: list[str] = [],  # noqa: B006
    ) -> None:
        """Say that something is wrong with it."""

    @mutation
    def check(self) -> None: ...

    @mutation(deprecated="Nobody weighs bikes.")
    def weigh(self, frame: Frame, where: GeoPoint = WORKSHOP) -> Decimal:
        return Decimal("12.5")


class StationStore(Store):
    station = reference(Station)
    bikes = reference(Bike, where=lambda s: Bike.home == s.station.ref, many=True)


class BikeStore(Store):
    bike = reference(Bike)
    station = reference(Station, of=lambda s: s.bike.home)


class StationBoard(ViewModel):
    """What hangs at a station."""

    store: StationStore

    @field(filterable=True)
    def name(self) -> str:
        """What it is called."""
        return self.store.station.name

    @field(filterable=True)
    def free(self) -> int:
        return len(self.store.bikes)

    @field(filterable=True)
    def open(self) -> bool:
        return True

    @field
    def bikes(self) -> list[BikeCard]:
        return [BikeCard.of(bike) for bike in self.store.bikes]

    @field
    def newest(self) -> BikeCard | None:
        return None

    @field(deprecated="Look at `bikes`.")
    def numbers(self) -> list[int]:
        return []


class BikeCard(ViewModel):
    store: BikeStore

    @field
    def station(self) -> StationBoard:
        return StationBoard.of(self.store.station)

    @field(filterable=True)
    def condition(self) -> Condition:
        return self.store.bike.condition

    @condition.setter
    def condition(self, value: Condition) -> None:
        self.store.bike.condition = value

    @field
    def frame(self) -> Frame | None:
        return None

    @frame.setter
    def frame(self, value: Frame | None) -> None: ...

    @field
    def damages(self) -> list[Scratch | Flat]:
        return self.store.bike.damages

    @field
    def home(self) -> Ref[Station]:
        return self.store.bike.home

    @field(filterable=True)
    def bought(self) -> datetime | None:
        return None

    @field(filterable=True)
    def day(self) -> date | None:
        return None

    @field
    def opens(self) -> time | None:
        return None

    @field(filterable=True)
    def ridden(self) -> timedelta | None:
        return None

    @field(filterable=True)
    def price(self) -> Decimal:
        return Decimal("1.50")

    @field(filterable=True)
    def serial(self) -> UUID | None:
        return None

    @field
    def photo(self) -> bytes | None:
        return None

    @field
    def gear(self) -> Literal[1, 3, 7] | None:
        return None

    @field
    def metres(self) -> BigInt:
        return 0

    @field(filterable=True)
    def speed(self) -> float | None:
        return None

    @field
    def position(self) -> GeoPoint | None:
        return None

    @field
    def extras(self) -> dict[str, Any]:
        return {}

    @field(filterable=True)
    def tags(self) -> list[str]:
        return []


class Depot(Mediator):
    @mutation
    def move(self, bike: Bike, to: Station, reason: Annotated[str, Field(max_length=10)] = "balance") -> BikeCard:
        """Put a bike elsewhere."""
        bike.home = to.ref
        return BikeCard.of(bike)

    @mutation
    def audit(self, bikes: list[Bike]) -> int:
        return len(bikes)


def catalog() -> Catalog:
    return Catalog.of([StationBoard, BikeCard], [Depot])


def schema(type_defs: str | None = None) -> GraphQLSchema:
    return build_schema(catalog(), type_defs)


def test_the_schema_is_to_the_letter() -> None:
    built = schema()
    assert_valid_schema(built)
    assert print_schema(built) + "\n" == SDL.read_text()


def test_the_same_declarations_give_the_same_text_in_every_process() -> None:
    """Whatever the hash seed, so that a schema under version control only changes when the app does."""
    program = f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\nfrom tests.schema import test_schema\n"
    program += "from graphql import print_schema\nprint(print_schema(test_schema.schema()))"
    for seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert printed.stdout == SDL.read_text()


def test_an_enum_serialises_what_is_stored_and_knows_each_value_by_one_name() -> None:
    condition = schema().type_map["Condition"]
    assert isinstance(condition, GraphQLEnumType)
    assert list(condition.values) == ["AS_NEW", "WORN"]
    assert condition.serialize("as new") == condition.serialize(Condition.AS_NEW) == "AS_NEW"
    assert condition.serialize(Condition.RIDEABLE) == "WORN"
    assert condition.parse_value("WORN") is Condition.WORN
    with pytest.raises(GraphQLError):
        condition.serialize("broken")


def test_hand_written_sdl_extends_it_without_loss() -> None:
    extended = schema(
        """
        "Added by hand." scalar Colour
        extend enum Condition { STOLEN }
        extend type Query { best(than: Condition! = AS_NEW, where: GeoPointInput): BikeCard }
        extend type BikeCard { colour: Colour }
        extend input ScratchOrFlatInput { other: String }
        """
    )
    assert_valid_schema(extended)
    condition = extended.type_map["Condition"]
    assert isinstance(condition, GraphQLEnumType)
    assert condition.serialize("as new") == "AS_NEW"
    assert condition.serialize("STOLEN") == "STOLEN"
    assert extended.query_type is not None
    assert extended.query_type.fields["best"].args["than"].default_value is Condition.AS_NEW
    card = extended.type_map["BikeCard"]
    assert isinstance(card, GraphQLObjectType)
    assert card.fields["station"].extensions["bff.link"] == "StationBoard"
    assert card.fields["home"].extensions["bff.ref"] is True
    assert "colour: Colour" in print_type(card)
    assert "@oneOf" in print_type(extended.type_map["ScratchOrFlatInput"])
    assert 'patience: Duration! = "PT1H30M"' in print_schema(extended)


class Plain(ViewModel):
    store: StationStore

    @field
    def name(self) -> str:
        return self.store.station.name


class Unmarked(DomainModel, collection="unmarked"):
    name: str


class UnmarkedStore(Store):
    one = reference(Unmarked)


class Simple(ViewModel):
    store: UnmarkedStore

    @field
    def name(self) -> str:
        return self.store.one.name


def test_an_app_that_changes_and_filters_nothing_has_a_valid_schema() -> None:
    built = build_schema(Catalog.of([Simple]))
    assert_valid_schema(built)
    assert built.mutation_type is None
    assert print_type(built.query_type or built.type_map["Query"]).count("filter") == 0


def test_an_app_without_views_has_a_valid_schema() -> None:
    built = build_schema(Catalog.of([]), "extend type Query { hello: String }")
    assert_valid_schema(built)
    assert built.subscription_type is None


@pytest.mark.parametrize("keyword", ["type", "extend type"])
def test_sdl_brings_the_root_types_that_the_app_has_not(keyword: str) -> None:
    built = build_schema(
        Catalog.of([]),
        [
            f"{keyword} Mutation {{ shout: String }}",
            "extend type Mutation { whisper: String }",
            f"{keyword} Subscription {{ noise: Int }}",
        ],
    )
    assert_valid_schema(built)
    assert built.mutation_type is not None
    assert list(built.mutation_type.fields) == ["shout", "whisper"]
    assert built.subscription_type is not None


@pytest.mark.parametrize(
    ("type_defs", "problem"),
    [
        ("extend type Query { broken: }", "Syntax Error"),
        ("extend type Query { best: Nowhere }", "Nowhere"),
        ("type Query { best: String }", "already exists.*extend it"),
        ("type BikeCard { best: String }", "already exists.*extend it"),
        ("extend type Nothing { best: String }", "Nothing"),
        ("extend type BikeCard { station: String }", "station"),
    ],
)
def test_sdl_that_does_not_fit_is_refused(type_defs: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        schema(type_defs)
