"""What an annotation is to GraphQL: the shape that output types, inputs and filters are all made from."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NewType, TypeAlias, TypeVar, Union, get_args, get_origin
from uuid import UUID

import graphene
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bff.errors import DeclarationError
from bff.model.domain_model import DomainModel
from bff.model.ref import Ref
from bff.model.view_model import ViewModel
from bff.schema import scalars
from bff.types import BigIntMarker, GeoPoint

__all__ = [
    "EnumShape",
    "LinkShape",
    "ListShape",
    "ModelShape",
    "PointShape",
    "RefShape",
    "ScalarShape",
    "Shape",
    "UnionShape",
    "ViewUnionShape",
    "model_shapes",
    "shape_of",
]


@dataclass(frozen=True, slots=True)
class ScalarShape:
    scalar: type[graphene.Scalar]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class EnumShape:
    enum: type[Enum]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class PointShape:
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class RefShape:
    """A pointer to a domain document: the document's id to clients."""

    nullable: bool = False


@dataclass(frozen=True, slots=True)
class LinkShape:
    """Another view, by its key."""

    view: type[ViewModel]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ModelShape:
    model: type[BaseModel]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class UnionShape:
    """One of several nested models, told apart by ``objType``."""

    name: str
    models: tuple[type[BaseModel], ...]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ViewUnionShape:
    """One of several kinds of view, by its kind and its key."""

    name: str
    views: tuple[type[ViewModel], ...]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ListShape:
    item: Shape
    nullable: bool = False


Shape: TypeAlias = (
    ScalarShape | EnumShape | PointShape | RefShape | LinkShape | ModelShape | UnionShape | ViewUnionShape | ListShape
)

SCALARS: Final[Mapping[type, type[graphene.Scalar]]] = {
    # In this order: bool is an int, and datetime is a date.
    bool: graphene.Boolean,
    int: graphene.Int,
    float: graphene.Float,
    str: graphene.String,
    bytes: scalars.Bytes,
    datetime: scalars.DateTime,
    date: scalars.Date,
    time: scalars.Time,
    timedelta: scalars.Duration,
    Decimal: scalars.Decimal,
    UUID: scalars.UUID,
}


def shape_of(annotation: Any, where: str) -> Shape:
    """The shape of values of an annotation. Raises DeclarationError, naming ``where``, for what GraphQL cannot say."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = shape_of(args[0], where)
        return _as_big(inner) if any(isinstance(extra, BigIntMarker) for extra in args[1:]) else inner
    if origin in {Union, types.UnionType}:
        return _union(args, where)
    if origin is Literal:
        return _literal(args, where)
    alias = getattr(origin or annotation, "__value__", None)
    if alias is not None:
        inner = shape_of(alias, where)
        # ``type Shape = Circle | Square`` (PEP 695) names the union; a plain ``Shape = Circle | Square`` leaves no name behind.
        return replace(inner, name=annotation.__name__) if isinstance(inner, UnionShape | ViewUnionShape) else inner
    if isinstance(annotation, NewType):
        return shape_of(annotation.__supertype__, where)
    if origin is list or (isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple):
        return ListShape(shape_of(args[0], f"{where}[]"))
    if origin is Ref or annotation is Ref:
        return RefShape()
    if annotation in {Any, object, dict, Mapping} or (isinstance(origin, type) and issubclass(origin, Mapping)):
        # The values of an untyped map may be null, and a map itself is one JSON value.
        return ScalarShape(scalars.JSON, nullable=annotation in {Any, object})
    if isinstance(annotation, type):
        return _class(annotation, where)
    raise _unknown(annotation, where)


def model_shapes(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo, Shape]]:
    """The fields of a nested model: its Python name, what pydantic knows of it, its shape."""
    if not model.__pydantic_complete__:
        model.model_rebuild()
    for name, info in model.model_fields.items():
        # pydantic takes the outermost Annotated apart.
        annotation = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        yield name, info, shape_of(annotation, f"{model.__module__}.{model.__qualname__}.{name}")


def _class(annotation: type, where: str) -> Shape:
    if issubclass(annotation, Enum):
        return EnumShape(annotation)
    if issubclass(annotation, GeoPoint):
        return PointShape()
    if issubclass(annotation, DomainModel):
        raise DeclarationError(
            where,
            f"the domain model {annotation.__name__} is never shown to clients as it is: return a view, a Ref or a BaseModel",
        )
    if issubclass(annotation, ViewModel):
        return LinkShape(annotation)
    if issubclass(annotation, BaseModel):
        return ModelShape(annotation)
    for python, scalar in SCALARS.items():
        if issubclass(annotation, python):
            return ScalarShape(scalar)
    raise _unknown(annotation, where)


def _union(args: tuple[Any, ...], where: str) -> Shape:
    members = tuple(arg for arg in args if arg is not type(None))
    shapes = tuple(shape_of(member, where) for member in members)
    nullable = len(members) < len(args) or any(shape.nullable for shape in shapes)
    if all(shape == shapes[0] for shape in shapes):
        return replace(shapes[0], nullable=nullable)
    views = [view for shape in shapes for view in _views(shape)]
    if views and all(_views(shape) for shape in shapes):
        views = list(dict.fromkeys(views))
        return ViewUnionShape("Or".join(view.__view__.name for view in views), tuple(views), nullable)
    models: list[type[BaseModel]] = []
    for shape in shapes:
        if isinstance(shape, ModelShape):
            models.append(shape.model)
        elif isinstance(shape, UnionShape):
            models += shape.models
        else:
            scalar = {shape.scalar for shape in shapes if isinstance(shape, ScalarShape)}
            if len(scalar) == 2 and scalar == {graphene.Int, graphene.Float} and len(shapes) == 2:
                return ScalarShape(graphene.Float, nullable)
            raise DeclarationError(
                where,
                f"{_shown(args)} has no GraphQL type: a union is of nested models (pydantic BaseModel classes), or of views",
            )
    models = list(dict.fromkeys(models))
    return UnionShape("Or".join(model.__name__ for model in models), tuple(models), nullable)


def _views(shape: Shape) -> tuple[type[ViewModel], ...]:
    match shape:
        case LinkShape(view):
            return (view,)
        case ViewUnionShape():
            return shape.views
        case _:
            return ()


def _literal(args: tuple[Any, ...], where: str) -> Shape:
    values = [arg for arg in args if arg is not None]
    shapes = {shape_of(type(value), where) for value in values}
    if len(shapes) != 1:
        raise DeclarationError(where, f"the values of {_shown(args)} are of several types, which no GraphQL scalar holds")
    return replace(shapes.pop(), nullable=None in args)


def _as_big(shape: Shape) -> Shape:
    if isinstance(shape, ScalarShape) and shape.scalar is graphene.Int:
        return replace(shape, scalar=scalars.BigInt)
    if isinstance(shape, ListShape):
        return replace(shape, item=_as_big(shape.item))
    return shape


def _unknown(annotation: object, where: str) -> DeclarationError:
    if isinstance(annotation, TypeVar):
        return DeclarationError(where, f"the type variable {annotation} is open: subclass the generic model with a type for it")
    shown = typing.cast(Any, annotation)
    name = getattr(shown, "__name__", str(annotation))
    return DeclarationError(where, f"{name} has no GraphQL type: use one of the value types, a nested BaseModel or a view")


def _shown(args: tuple[Any, ...]) -> str:
    return " | ".join(getattr(arg, "__name__", repr(arg)) for arg in args)
