"""Output types: views, nested models, their unions, enums."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

import graphene
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bff.errors import DeclarationError
from bff.model.field import FieldDefinition
from bff.model.view_model import ViewModel
from bff.naming import to_camel
from bff.schema.names import TypeNames, check_name, describe_class, description_of
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

__all__ = ["GeoPointType", "NodeInterface", "Types", "ViewInterface", "deprecation", "object_type"]


class ViewInterface(graphene.Interface):
    """What a screen reads: precomputed, and pushed to its subscribers whenever it changes."""

    class Meta:
        name = "View"

    id = graphene.ID(required=True, description="The key of the view: the id of the document it is rooted in.")
    version = graphene.String(
        required=True, description="When the view's present content was first true. Opaque, and only grows."
    )


class NodeInterface(graphene.Interface):
    """Whatever `node(id:)` finds."""

    class Meta:
        name = "Node"

    id = graphene.ID(required=True, description="The key of the view: the id of the document it is rooted in.")


class GeoPointType(graphene.ObjectType):
    """A point on Earth, in degrees (WGS 84)."""

    class Meta:
        name = "GeoPoint"

    latitude = graphene.Float(required=True)
    longitude = graphene.Float(required=True)


@dataclass(slots=True)
class Types:
    """Output types, each made once, when it is first asked for.

    ``finish`` makes what has been asked for. ``marks`` says which fields are not what is stored, links and refs, and how old the
    value of a field may be.
    """

    names: TypeNames
    enums: dict[type[Enum], Any] = field(default_factory=dict)
    marks: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    _made: dict[object, Any] = field(default_factory=dict)
    _unions: dict[str, Callable[[], Any]] = field(default_factory=dict)
    _waiting: list[Callable[[], None]] = field(default_factory=list)

    def of(self, shape: Shape) -> Any:
        """The graphene type of a shape, as a field's type."""
        inner = self._inner(shape)
        return inner if shape.nullable else graphene.NonNull(inner)

    def field(self, owner: str, name: str, shape: Shape, where: str, **options: Any) -> graphene.Field:
        """A field of the GraphQL type ``owner``."""
        check_name(name, where)
        mark = _mark(shape)
        if mark is not None:
            self.marks[owner, name] = mark
        return graphene.Field(self.of(shape), name=name, **options)

    def mark_age(self, owner: str, name: str, seconds: int) -> None:
        """Say for how long a field's value may be shown without asking again."""
        self.marks[owner, name] = {**self.marks.get((owner, name), {}), "bff.max_age": seconds}

    def view(self, view: type[ViewModel]) -> Any:
        """The object type of a view, made on the way to the schema."""
        if view not in self._made:
            self.names.claim(view.__view__.name, view, f"the view {describe_class(view)}")
            self._made[view] = None
            self._waiting.append(lambda: self._make_view(view))
        return lambda: self._made[view]

    def enum(self, enum: type[Enum], where: str) -> Any:
        if enum not in self.enums:
            self.names.claim(enum.__name__, enum, f"the enum {describe_class(enum)}")
            for name in enum.__members__:
                check_name(name, f"{describe_class(enum)}.{name}")
                if name in {"true", "false", "null"}:
                    raise DeclarationError(f"{describe_class(enum)}.{name}", "GraphQL has no enum value of that name")
            self._check_texts(enum)
            if not enum.__members__:
                raise DeclarationError(where, f"the enum {describe_class(enum)} has no values")
            self.enums[enum] = graphene.Enum.from_enum(enum, name=enum.__name__, description=_enum_description(enum))
        return self.enums[enum]

    def _check_texts(self, enum: type[Enum]) -> None:
        """An enum says of each member what it is, and why it is deprecated, in properties that graphene knows."""
        for member in enum:
            for name in ("description", "deprecation_reason"):
                text = getattr(member, name, None)
                if not (text is None or isinstance(text, str | Enum)):
                    raise DeclarationError(
                        f"{describe_class(enum)}.{name}",
                        "it is what clients are told of each value; make it a property that returns str or None, or rename it",
                    )

    def scalar(self, scalar: type[graphene.Scalar]) -> type[graphene.Scalar]:
        name = cast(Any, scalar)._meta.name
        self.names.claim(name, scalar if name not in {"String", "Int", "Float", "Boolean", "ID"} else name, f"the scalar {name}")
        return scalar

    def finish(self) -> None:
        """Make every type that was asked for, and those that they ask for."""
        while self._waiting:
            self._waiting.pop(0)()
        for name, make in self._unions.items():
            self._made[name] = make()

    def union(self, name: str, members: Callable[[], list[Any]], description: str | None = None) -> Callable[[], Any]:
        """A union, its name claimed already. ``members`` is called once every object type has been made."""

        def make() -> Any:
            meta = type("Meta", (), {"types": members(), "name": name, "description": description})
            return type(name, (graphene.Union,), {"Meta": meta})

        self._unions.setdefault(name, make)
        return lambda: self._made[name]

    def _inner(self, shape: Shape) -> Any:
        match shape:
            case ScalarShape(scalar):
                return self.scalar(scalar)
            case EnumShape(enum):
                return self.enum(enum, describe_class(enum))
            case RefShape():
                return graphene.ID
            case PointShape():
                self.names.claim("GeoPoint", GeoPointType, "the type of bff.GeoPoint")
                return GeoPointType
            case LinkShape(view):
                return self.view(view)
            case ModelShape(model):
                return self._model(model)
            case UnionShape():
                return self._union(shape)
            case ViewUnionShape():
                return self._view_union(shape)
            case ListShape(item):
                return graphene.List(self.of(item))

    def _model(self, model: type[BaseModel]) -> Any:
        if model not in self._made:
            self.names.claim(model.__name__, model, f"the model {describe_class(model)}")
            self._made[model] = None
            self._waiting.append(lambda: self._make_model(model))
        return lambda: self._made[model]

    def _union(self, shape: UnionShape) -> Any:
        name = shape.name
        self.names.claim(name, ("union", shape.models), f"the union of {', '.join(map(describe_class, shape.models))}")
        for model in shape.models:
            self._model(model)
        return self.union(name, lambda: [self._made[model] for model in shape.models])

    def _view_union(self, shape: ViewUnionShape) -> Any:
        what = f"the union of {', '.join(map(describe_class, shape.views))}"
        self.names.claim(shape.name, ("union", shape.views), what)
        for view in shape.views:
            self.view(view)
        return self.union(shape.name, lambda: [self._made[view] for view in shape.views])

    def _make_model(self, model: type[BaseModel]) -> None:
        fields = (
            self.field(
                model.__name__,
                to_camel(name),
                shape,
                f"{describe_class(model)}.{name}",
                description=info.description,
                deprecation_reason=deprecation(info),
            )
            for name, info, shape in model_shapes(model)
        )
        self._made[model] = object_type(model.__name__, fields, description_of(model), describe_class(model))

    def _make_view(self, view: type[ViewModel]) -> None:
        definition = view.__view__
        age = definition.max_age or 0
        fields = (self._view_field(definition.name, one, age) for one in definition.fields.values())
        interfaces = (ViewInterface, NodeInterface)
        if definition.max_age is not None:
            for name in ("id", "version"):
                self.mark_age(definition.name, name, definition.max_age)
        self._made[view] = object_type(definition.name, fields, definition.description, definition.name, interfaces)

    def _view_field(self, view: str, one: FieldDefinition, age: int) -> graphene.Field:
        where = f"{view}.{one.name}"
        shape = shape_of(one.annotation, where)
        made = self.field(view, one.document_name, shape, where, description=one.description, deprecation_reason=one.deprecated)
        self.mark_age(view, one.document_name, age if one.max_age is None else one.max_age)
        return made


def object_type(
    name: str, fields: Iterable[graphene.Field], description: str | None, where: str, interfaces: tuple[Any, ...] = ()
) -> Any:
    """An object type with these fields. Raises DeclarationError where there are none, or two of one name."""
    # The attributes' own names are never seen: a field may be named as no Python attribute can (``from``, ``class``).
    attributes: dict[str, Any] = {}
    taken = {taken for interface in interfaces for taken in interface._meta.fields}
    for one in fields:
        if one.name in taken:
            raise DeclarationError(where, f"two fields of the GraphQL type {name} would be named {one.name}: rename one of them")
        taken.add(one.name)
        attributes[f"field_{one.name}"] = one
    if not taken:
        raise DeclarationError(where, "a GraphQL type needs at least one field")
    meta = type("Meta", (), {"name": name, "description": description, "interfaces": interfaces})
    return type(name, (graphene.ObjectType,), {**attributes, "Meta": meta})


def deprecation(info: FieldInfo) -> str | None:
    """Why a pydantic field is deprecated, if it is (``Field(deprecated="…")``)."""
    if info.deprecated is True:
        return "No longer supported"
    return info.deprecation_message if info.deprecated else None


def _mark(shape: Shape) -> Mapping[str, Any] | None:
    while isinstance(shape, ListShape):
        shape = shape.item
    match shape:
        case LinkShape(view):
            return {"bff.link": view.__view__.name}
        case ViewUnionShape():
            return {"bff.links": True}
        case RefShape():
            return {"bff.ref": True}
        case _:
            return None


def _enum_description(enum: type[Enum]) -> Callable[[Enum | None], str | None]:
    text = description_of(enum)

    def describe(value: Enum | None) -> str | None:
        return text if value is None else None

    return describe
