"""Input types: what mutations and setters take."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

import graphene
from graphql import GraphQLError, Undefined
from pydantic import BaseModel

from bff.errors import DeclarationError
from bff.model.parameter import MISSING, Parameter
from bff.model.view_model import ViewModel
from bff.naming import to_camel, uncapitalise
from bff.schema.names import check_name, describe_class, description_of
from bff.schema.scalars import JSON
from bff.schema.shape import (
    EnumShape,
    LinkShape,
    ListShape,
    ModelShape,
    PointShape,
    RefShape,
    ScalarShape,
    Shape,
    UnionShape,
    ViewUnionShape,
    model_shapes,
    shape_of,
)
from bff.schema.types import Types, deprecation
from bff.types import GeoPoint

__all__ = ["GeoPointInput", "Inputs", "input_type"]


class GeoPointInput(graphene.InputObjectType):
    """A point on Earth, in degrees (WGS 84)."""

    latitude = graphene.Float(required=True)
    longitude = graphene.Float(required=True)


@dataclass(slots=True)
class Inputs:
    """Input types, each made once, when it is first asked for; ``finish`` makes what has been asked for.

    ``one_of`` names those that stand for a union: GraphQL has no input unions, and OneOf input objects in their place.
    """

    types: Types
    one_of: list[str] = field(default_factory=list)
    _made: dict[object, Any] = field(default_factory=dict)
    _waiting: list[Callable[[], None]] = field(default_factory=list)

    def of(self, shape: Shape) -> Any:
        """The graphene type of a shape, as an argument's type."""
        inner = self._inner(shape)
        return inner if shape.nullable else graphene.NonNull(inner)

    def argument(self, parameter: Parameter, where: str) -> graphene.Argument:
        """The argument for a parameter of a mutation. One with a default may be left out."""
        if parameter.model is not None:
            # A domain document arrives loaded: the client names it by its id.
            id: Any = graphene.List(graphene.NonNull(graphene.ID)) if parameter.many else graphene.ID
            given = id if parameter.nullable or parameter.default is not MISSING else graphene.NonNull(id)
            return self._argument(given, Undefined, parameter)
        shape = shape_of(parameter.annotation, f"{where}({parameter.name})")
        type_, default = (
            self._optional(shape, parameter.default) if parameter.default is not MISSING else (self.of(shape), Undefined)
        )
        return self._argument(type_, default, parameter)

    def _argument(self, type_: Any, default: Any, parameter: Parameter) -> graphene.Argument:
        # What is required cannot be deprecated, here as below.
        optional = default is not Undefined or not isinstance(type_, graphene.NonNull)
        return graphene.Argument(
            type_,
            default_value=default,
            description=parameter.description,
            deprecation_reason=parameter.deprecated if optional else None,
        )

    def setters(self, view: type[ViewModel]) -> Any:
        """``MeetingSessionInput``: a key for each field with a setter. What is absent stays as it is."""
        definition = view.__view__
        self.types.names.claim(definition.input_name, ("setters", view), f"the input of {describe_class(view)}'s setters")
        fields = {}
        for one in definition.fields.values():
            if one.setter is not None:
                shape = shape_of(one.setter_annotation, f"{definition.name}.{one.name} (its setter)")
                # Never required: an absent key is a field that stays as it is. A null that cannot be is refused when it is set.
                fields[one.document_name] = graphene.InputField(
                    self._inner(shape), name=one.document_name, description=one.description, deprecation_reason=one.deprecated
                )
        description = f"Changes to a {definition.name}: what is absent stays as it is."
        return input_type(definition.input_name, fields, description, definition.name)

    def finish(self) -> None:
        """Make every type that was asked for, and those that they ask for."""
        while self._waiting:
            self._waiting.pop(0)()

    def _inner(self, shape: Shape) -> Any:
        match shape:
            case ScalarShape(scalar):
                return self.types.scalar(scalar)
            case EnumShape(enum):
                return self.types.enum(enum, describe_class(enum))
            case RefShape() | LinkShape():
                return graphene.ID
            case PointShape():
                self.types.names.claim("GeoPointInput", GeoPointInput, "the input of bff.GeoPoint")
                return GeoPointInput
            case ModelShape(model):
                return self._model(model)
            case UnionShape():
                return self._union(shape)
            case ViewUnionShape(name):
                raise DeclarationError(name, "clients give views of one kind, by key; take a str and an Enum that says the kind")
            case ListShape(item):
                return graphene.List(self.of(item))

    def _model(self, model: type[BaseModel]) -> Any:
        key = ("input", model)
        if key not in self._made:
            self.types.names.claim(f"{model.__name__}Input", key, f"the input of {describe_class(model)}")
            self._made[key] = None
            self._waiting.append(lambda: self._make_model(model))
        return lambda: self._made[key]

    def _union(self, shape: UnionShape) -> Any:
        key = ("input", shape.models)
        if key not in self._made:
            name = f"{shape.name}Input"
            self.types.names.claim(name, key, f"the input of the union of {', '.join(map(describe_class, shape.models))}")
            fields = {
                (to := uncapitalise(model.__name__)): graphene.InputField(self._model(model), name=to) for model in shape.models
            }
            self._made[key] = input_type(name, fields, "Exactly one of its fields.", name)
            self.one_of.append(name)
        return self._made[key]

    def _make_model(self, model: type[BaseModel]) -> None:
        fields = {}
        for name, info, shape in model_shapes(model):
            to = check_name(to_camel(name), f"{describe_class(model)}.{name}")
            type_, default = self.of(shape), Undefined
            if not info.is_required():
                type_, default = self._optional(shape, info.default)
            # What is required cannot be deprecated: https://spec.graphql.org/October2021/#sec-Input-Objects.Type-Validation
            reason = deprecation(info) if shape.nullable or not info.is_required() else None
            fields[to] = graphene.InputField(
                type_, name=to, default_value=default, description=info.description, deprecation_reason=reason
            )
        self._made["input", model] = input_type(f"{model.__name__}Input", fields, description_of(model), describe_class(model))

    def _optional(self, shape: Shape, default: object) -> tuple[Any, Any]:
        """The type of something that may be left out, and its default where GraphQL can write that down.

        Where it cannot, the type is nullable, and the default applies in Python.
        """
        written = _written(shape, default)
        return (self._inner(shape) if written is Undefined else self.of(shape)), written


def _written(shape: Shape, default: object) -> Any:
    """A default as GraphQL's default value, or Undefined."""
    match shape, default:
        case EnumShape(), Enum():
            return default
        case PointShape(), GeoPoint():
            return {"latitude": default.latitude, "longitude": default.longitude}
        case ListShape(item), list() | tuple():
            items = [_written(item, one) for one in default]
            return Undefined if Undefined in items else items
        case ScalarShape(scalar), _ if default is not None and scalar is not JSON:
            try:
                cast(Any, scalar).serialize(default)
            except GraphQLError:
                return Undefined
            return default
    return Undefined


def input_type(name: str, fields: dict[str, graphene.InputField], description: str | None, where: str) -> Any:
    """An input object type with these fields. Raises DeclarationError where there are none."""
    if not fields:
        raise DeclarationError(where, f"the GraphQL input {name} needs at least one field")
    meta = type("Meta", (), {"name": name, "description": description})
    return type(name, (graphene.InputObjectType,), {**{f"field_{to}": one for to, one in fields.items()}, "Meta": meta})
