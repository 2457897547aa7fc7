"""Documents that are read without pydantic are what pydantic would have made of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from bff.document import Document
from bff.errors import InvalidDocument
from bff.model.domain_model import DomainModel
from bff.model.ref import Ref
from bff.types import GeoPoint


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Harbour(DomainModel, collection="plain_harbours"):
    name: str


class Ship(DomainModel, collection="plain_ships"):
    name: str
    length: float
    crew: int
    built: date
    horn: time
    seen: datetime
    trip: timedelta
    key: UUID
    flag: bytes
    position: GeoPoint
    colour: Colour
    harbour: Ref[Harbour]
    kind: Literal["sail", "steam"] = "sail"
    second: Optional[Ref[Harbour]] = None  # noqa: UP045 - both ways of writing it
    afloat: bool = True
    draught: float | None = None
    trim: Colour = Colour.BLUE


class Sloop(Ship):
    masts: int = 1


SHIPS = st.builds(
    Ship,
    id=st.text("abc", min_size=1),
    name=st.text(),
    length=st.floats(allow_nan=False),
    crew=st.integers(-(2**63), 2**63 - 1),
    built=st.dates(),
    horn=st.times(),
    seen=st.datetimes(timezones=st.just(UTC)),
    trip=st.timedeltas(timedelta(-1000), timedelta(1000)),
    key=st.uuids(),
    flag=st.binary(),
    position=st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    colour=st.sampled_from(Colour),
    harbour=st.builds(Harbour.ref, st.text("xyz", min_size=1)),
    kind=st.sampled_from(["sail", "steam"]),
    second=st.none() | st.builds(Harbour.ref, st.text("xyz", min_size=1)),
    afloat=st.booleans(),
    draught=st.none() | st.floats(allow_nan=False),
)


def validated(document: Document) -> Ship:
    """What pydantic makes of it."""
    assert document.data is not None
    fields = Ship.__document__.fields.values()
    given = {one.name: one.codec.decode(document.data[one.document_name]) for one in fields if one.document_name in document.data}
    return Ship.model_validate({"id": document.id, **given})


@given(SHIPS, st.sets(st.sampled_from(["kind", "second", "afloat", "draught", "trim"])))
def test_it_makes_what_pydantic_makes(ship: Ship, missing: set[str]) -> None:
    data = {name: value for name, value in ship.to_data().items() if name not in missing}
    document = Document(ship.path, data, 7)
    assert Ship.__document__.plain_reader is not None
    read = Ship.__document__.plain_reader(document, data)
    assert isinstance(read, Ship)
    expected = validated(document)
    assert read == expected == Ship.from_document(document)
    assert list(read.__dict__) == list(expected.__dict__)
    assert [type(value) for value in read.__dict__.values()] == [type(value) for value in expected.__dict__.values()]
    assert read.model_fields_set == expected.model_fields_set
    assert (read.stored_data, read.update_time, read.is_new, read.create_only) == (data, 7, False, False)
    assert read.changes().data.keys() <= missing
    read.crew = 3
    with pytest.raises(ValueError, match="crew"):
        read.crew = "many"  # type: ignore[assignment]
    assert validated(document) == expected, "one is not changed by what is done to another"


def test_a_subclass_is_read_as_what_it_is() -> None:
    sloop = Sloop(**{**dict(ship()), "id": "s", "masts": 2})
    assert Ship.from_document(Document(sloop.path, sloop.to_data(), 1)) == sloop


@pytest.mark.parametrize(
    "change", [{"crew": "many"}, {"colour": "green"}, {"crew": True}, {"harbour": "elsewhere/x"}, {"name": 3}]
)
def test_what_does_not_fit_is_refused_as_ever(change: dict[str, Any]) -> None:
    data = {**ship().to_data(), **change}
    [name] = change
    with pytest.raises(InvalidDocument, match=name):
        Ship.from_document(Document("plain_ships/a", data, 1))


def test_a_field_that_is_missing_is_refused_as_ever() -> None:
    data = ship().to_data()
    del data["crew"]
    with pytest.raises(InvalidDocument, match="crew"):
        Ship.from_document(Document("plain_ships/a", data, 1))


def ship() -> Ship:
    return Ship(
        id="a",
        name="Ann",
        length=1.5,
        crew=2,
        built=date(2020, 1, 1),
        horn=time(12),
        seen=datetime(2020, 1, 1, tzinfo=UTC),
        trip=timedelta(1),
        key=UUID(int=1),
        flag=b"f",
        position=GeoPoint(1, 2),
        colour=Colour.RED,
        harbour=Harbour.ref("h"),
    )


class Part(BaseModel):
    name: str


class Constrained(DomainModel, collection="plain_constrained"):
    number: int = Field(gt=0)


class ConstrainedWithin(DomainModel, collection="plain_constrained_within"):
    number: Annotated[int, Field(gt=0)] | None


class Validated(DomainModel, collection="plain_validated"):
    number: int

    @field_validator("number")
    @classmethod
    def doubled(cls, value: int) -> int:
        return value * 2


class Checked(DomainModel, collection="plain_checked"):
    number: int

    @model_validator(mode="after")
    def check(self) -> Checked:
        return self


class Hooked(DomainModel, collection="plain_hooked"):
    number: int

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)


class BelowHooked(Hooked):
    pass


class Initialised(DomainModel, collection="plain_initialised"):
    number: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class Mixin:
    pass


class Mixed(Mixin, DomainModel, collection="plain_mixed"):
    number: int


class Private(DomainModel, collection="plain_private"):
    number: int
    _seen: list[int] = PrivateAttr(default_factory=list)


class Configured(DomainModel, collection="plain_configured"):
    model_config = ConfigDict(str_strip_whitespace=True)
    name: str


class Listed(DomainModel, collection="plain_listed"):
    numbers: list[int]


class Nested(DomainModel, collection="plain_nested"):
    part: Part


class Exact(DomainModel, collection="plain_exact"):
    price: Decimal


class Made(DomainModel, collection="plain_made"):
    name: str = Field(default_factory=lambda: "made")


@pytest.mark.parametrize(
    "model",
    [
        *(Constrained, ConstrainedWithin, Validated, Checked, Hooked, BelowHooked, Initialised, Mixed, Private, Configured),
        *(Listed, Nested, Exact, Made),
    ],
)
def test_classes_about_which_pydantic_has_more_to_say(model: type[DomainModel]) -> None:
    assert model.__document__.plain_reader is None


def test_their_validators_run_as_ever() -> None:
    assert Validated.from_document(Document("plain_validated/a", {"objType": "Validated", "number": 2}, 1)).number == 4
    with pytest.raises(InvalidDocument, match="greater than 0"):
        ConstrainedWithin.from_document(Document("plain_constrained_within/a", {"number": -1}, 1))
