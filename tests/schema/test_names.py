"""Names: every GraphQL type and field has one owner, and a name that GraphQL allows."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.schema.build import build_schema
from bff.schema.shape import shape_of


class Planet(DomainModel, collection="planets"):
    name: str


class PlanetStore(Store):
    planet = reference(Planet)


def named(called: str, /, **annotations: Any) -> Any:
    """A class of that name, of another place than the other."""
    return type(called, (BaseModel,), {"__annotations__": annotations, "__module__": "elsewhere"})


def view_of(annotation: Any, name: str = "Orbit", filterable: bool = False) -> type[ViewModel]:
    def value(self: Any) -> Any: ...

    value.__annotations__["return"] = annotation
    declared = field(filterable=filterable)(value)
    return type(name, (ViewModel,), {"__annotations__": {"store": PlanetStore}, "__module__": __name__, "value": declared})


class Ring(BaseModel):
    radius: float


class Moon(BaseModel):
    ring: Ring


class Outer(BaseModel):
    ring: Ring | None = None
    moon: Moon | None = None


def refused(*views: type[ViewModel]) -> str:
    with pytest.raises(DeclarationError) as caught:
        build_schema(Catalog.of(views))
    return str(caught.value)


def test_two_models_of_one_name_are_refused_naming_both() -> None:
    other = named("Ring", colour=str)
    both = named("Both", a=Ring, b=other)
    problem = refused(view_of(both))
    assert "elsewhere.Ring" in problem
    assert f"{__name__}.Ring" in problem


def test_a_model_and_an_enum_of_one_name_are_refused() -> None:
    enum = Enum("Ring", {"A": 1}, module="elsewhere")
    assert "Ring" in refused(view_of(named("Both", a=Ring, b=enum)))


def test_a_model_named_as_a_view_is_refused() -> None:
    problem = refused(view_of(named("Orbit", a=int)))
    assert "the view" in problem
    assert "elsewhere.Orbit" in problem


@pytest.mark.parametrize("name", ["String", "Query", "View", "Node", "PageInfo", "OrbitConnection", "OrbitEdge"])
def test_a_model_named_as_a_type_of_the_schema_is_refused(name: str) -> None:
    assert name in refused(view_of(named(name, a=int)))


def test_a_model_used_twice_is_one_type() -> None:
    assert build_schema(Catalog.of([view_of(Outer)])).type_map["Ring"]


@pytest.mark.parametrize("name", ["true", "null"])
def test_enum_values_that_graphql_has_not_are_refused(name: str) -> None:
    assert name in refused(view_of(Enum("Odd", {name: 1}, module="elsewhere")))


def test_enum_values_with_other_letters_are_refused() -> None:
    assert "größe" in refused(view_of(Enum("Odd", {"größe": 1}, module="elsewhere")))


def test_a_model_without_fields_is_refused() -> None:
    assert "at least one field" in refused(view_of(named("Nothing")))


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    content: T


class IntBox(Box[int]): ...


def test_a_generic_model_has_no_name_until_it_is_subclassed() -> None:
    assert "Box[int]" in refused(view_of(Box[int]))
    assert build_schema(Catalog.of([view_of(IntBox)])).type_map["IntBox"]


def test_fields_may_be_named_as_attributes_of_graphene_are() -> None:
    model = named("Odd", description=str, interfaces=str, name=str, field=str, fields=str, resolve=str, type=str)
    fields = build_schema(Catalog.of([view_of(model)])).type_map["Odd"].fields  # type: ignore[attr-defined]
    assert list(fields) == ["description", "interfaces", "name", "field", "fields", "resolve", "type"]


@pytest.mark.parametrize("name", ["and", "or", "not"])
def test_a_filter_has_its_own_keys(name: str) -> None:
    declared = field(filterable=True)(_named_getter(name))
    view = type("Orbit", (ViewModel,), {"__annotations__": {"store": PlanetStore}, "__module__": __name__, name: declared})
    catalog = Catalog.of([view])
    with pytest.raises(DeclarationError, match="combines filters"):
        build_schema(catalog)


def _named_getter(name: str) -> Any:
    def getter(self: Any) -> int:
        return 1

    getter.__name__ = name
    return getter


@pytest.mark.parametrize("annotation", [Literal["a", 1], int | str, complex, Planet])
def test_what_graphql_cannot_say_is_refused_where_it_stands(annotation: Any) -> None:
    with pytest.raises(DeclarationError, match=r"^Orbit\.value"):
        shape_of(annotation, "Orbit.value")


class Rocket(DomainModel, collection="rockets"):
    name: str

    @mutation
    def launch(self) -> None: ...


class RocketStore(Store):
    rocket = reference(Rocket)


class RocketPayload(BaseModel):
    mass: int


class Pad(ViewModel):
    store: RocketStore

    @field
    def payload(self) -> RocketPayload:
        return RocketPayload(mass=1)


def test_a_model_named_as_a_payload_is_refused_naming_both() -> None:
    problem = refused(Pad)
    assert "RocketPayload" in problem
    assert "Rocket's mutations" in problem
