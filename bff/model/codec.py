"""One annotation, and how its values are stored."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, PydanticUndefinedAnnotation, RootModel

from bff.errors import DeclarationError
from bff.model.compounds import OBJ_TYPE, DictShape, ListShape, ModelShape, OptionalShape, UnionShape, ValueShape
from bff.model.declared import kind_of
from bff.model.hints import Unresolved
from bff.model.naming import CAMEL, Naming
from bff.model.scalars import FINITE, SCALARS, EnumShape, IntShape, LiteralShape
from bff.model.shape import Shape
from bff.types import BigIntMarker, Value

__all__ = ["Codec"]

_SUPPORTED = (
    "str, int, float, bool, datetime, date, time, timedelta, Decimal, UUID, bytes, Enum, Literal, GeoPoint, Ref[…], list[…], "
    "dict[str, …], pydantic models, unions of them, and any of these | None"
)
_INSTEAD: dict[Any, str] = {
    set: "list[…]",
    frozenset: "list[…]",
    tuple: "list[…] or a pydantic model",
    complex: "a pydantic model of two floats",
    bytearray: "bytes",
    object: "Any",
}


@dataclass(frozen=True, slots=True)
class Codec:
    """Stores values of one annotation, and reads them back.

    ``Codec.of(list[Role], "Ticket.roles").encode([Role.SPEAKER])`` is ``["speaker"]``. Both directions check types strictly and
    raise CodecError, a ValueError that says where in the value: ``[1].name: expected str, got int 3``.
    """

    annotation: Any
    shape: Shape

    def encode(self, value: Any) -> Value:
        """The stored form of a value. Raises CodecError."""
        kind = type(value)
        if kind in self.shape.as_is and (kind is not str or value.isascii()):
            stored: Value = value
            return stored
        return self.shape.encode(value)

    def decode(self, stored: Any) -> Any:
        """The value of a stored form. Raises CodecError."""
        return self.shape.decode(stored)

    @staticmethod
    def of(annotation: Any, where: str, names: Naming = CAMEL, *, view: bool = False) -> Codec:
        """The codec of an annotation whose forward references are resolved.

        ``where`` is what errors name (``Ticket.roles``). In a ``view``, an int has 32 bits unless it is annotated BigInt, and a
        float is finite, as GraphQL's are. Raises DeclarationError for a type that cannot be stored, Unresolved where a nested
        model waits for a name.
        """
        return Codec(annotation, _Build(where, names, view).shape(annotation))


class _Build:
    """Builds the shapes of one annotation; a model that holds itself gets one shape."""

    def __init__(self, where: str, names: Naming, view: bool) -> None:
        self._where = where
        self._names = names
        self._view = view
        self._numbers: dict[type, Shape] = {int: IntShape(32), float: FINITE} if view else {int: IntShape(64)}
        self._models: dict[type[BaseModel], ModelShape] = {}

    def shape(self, annotation: Any, *, in_list: bool = False) -> Shape:
        origin = get_origin(annotation)
        if origin is Annotated:
            inner, *marks = get_args(annotation)
            return IntShape(64) if any(isinstance(mark, BigIntMarker) for mark in marks) and inner is int else self.shape(inner)
        if isinstance(annotation, NewType):
            return self.shape(annotation.__supertype__)
        if hasattr(annotation, "__value__"):  # type X = …, which 3.11 has no name for
            return self.shape(annotation.__value__)
        if origin is Union or origin is types.UnionType:
            return self._union(get_args(annotation))
        if origin is Literal:
            return LiteralShape(get_args(annotation))
        if origin is list:
            if in_list:
                raise self._wrong(
                    "a document cannot hold a list directly in a list; make the inner one a field of a pydantic model"
                )
            return ListShape(self.shape(get_args(annotation)[0], in_list=True))
        if origin in {dict, Mapping}:
            return self._dict(*get_args(annotation))
        return self._class(annotation, origin)

    def _class(self, annotation: Any, origin: Any) -> Shape:
        kind = kind_of(annotation)
        if kind == "document":
            remedy = "give clients a pydantic model, or a ViewModel" if self._view else f"store a Ref[{annotation.__name__}]"
            raise self._wrong(f"a DomainModel is a document of its own; {remedy}")
        if kind == "view" and not self._view:
            raise self._wrong(
                "a ViewModel is what clients read, and is not stored in a domain document; store a Ref to a DomainModel"
            )
        own = getattr(origin or annotation, "__bff_shape__", None)
        if own is not None:
            shape: Shape = own(annotation, self._where)
            return shape
        if annotation is Any:
            return ValueShape(view=self._view)
        if annotation is AwareDatetime:
            return SCALARS[datetime]
        if annotation is None:
            return SCALARS[type(None)]
        if isinstance(annotation, type):
            if annotation in self._numbers:
                return self._numbers[annotation]
            if annotation in SCALARS:
                return SCALARS[annotation]
            if issubclass(annotation, Enum):
                return self._enum(annotation)
            if issubclass(annotation, BaseModel) and not issubclass(annotation, RootModel):
                return self._model(annotation)
        raise self._unsupported(annotation, origin)

    def _union(self, members: tuple[Any, ...]) -> Shape:
        some = [member for member in members if member is not type(None)]
        shape = self.shape(some[0]) if len(some) == 1 else self._models_union(some)
        return OptionalShape(shape) if len(some) < len(members) else shape

    def _models_union(self, members: list[Any]) -> Shape:
        shapes = [self.shape(member) for member in members]
        if all(shape.views for shape in shapes):
            views = tuple(dict.fromkeys(view for shape in shapes for view in shape.views))
            union: Shape = views[0].__bff_union_shape__(views)
            return union
        models = [shape for shape in shapes if isinstance(shape, ModelShape)]
        if len(models) < len(shapes):
            shown = " | ".join(_shown(member) for member in members)
            raise self._wrong(f"{shown} cannot be told apart when stored; make each a pydantic model, or use one type")
        names = [shape.model.__name__ for shape in models]
        if len(set(names)) < len(names):
            raise self._wrong(f"two models of one union are called {next(n for n in names if names.count(n) > 1)}; rename one")
        for shape in models:
            if any(stored == OBJ_TYPE for stored, _ in shape.fields.values()):
                raise self._wrong(
                    f"{shape.model.__name__} has a field stored as {OBJ_TYPE!r}, which tells the union apart; rename it"
                )
        return UnionShape(models)

    def _dict(self, key: Any, value: Any) -> Shape:
        if key is not str:
            raise self._wrong(f"the keys of a stored map are str, not {_shown(key)}")
        return DictShape(self.shape(value))

    def _enum(self, enum: type[Enum]) -> Shape:
        odd = [member for member in enum if not isinstance(member.value, str | int | float | bool)]
        if odd:
            raise self._wrong(f"{odd[0]} cannot be stored: the values of an Enum are str, int, float or bool")
        return EnumShape(enum)

    def _model(self, model: type[BaseModel]) -> ModelShape:
        known = self._models.get(model)
        if known is not None:
            return known
        if not model.__pydantic_fields_complete__ and not model.model_rebuild(raise_errors=False):
            raise Unresolved(model.__name__, _missing_name(model))
        shape = self._models[model] = ModelShape(model)
        for name, info in model.model_fields.items():
            where = f"{self._where} ({model.__name__}.{name})"
            inner = _Build(where, self._names, self._view)
            inner._models = self._models
            annotation = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
            document_name = self._names.document_name(where, name)
            shape.fields[name] = (document_name, inner.shape(annotation))
        return shape

    def _unsupported(self, annotation: Any, origin: Any) -> DeclarationError:
        if isinstance(annotation, TypeVar):
            return self._wrong(f"{annotation} stands for no type here; name the type")
        for kind in (origin, annotation):
            if kind in _INSTEAD:
                return self._wrong(f"{_shown(annotation)} cannot be stored; use {_INSTEAD[kind]}")
            if kind in {list, dict}:
                return self._wrong(f"say of what, e.g. {'list[str]' if kind is list else 'dict[str, int]'}")
        if isinstance(annotation, ForwardRef | str):
            return self._wrong(f"{annotation!r} is not resolved")
        return self._wrong(f"{_shown(annotation)} cannot be stored; there are: {_SUPPORTED}")

    def _wrong(self, problem: str) -> DeclarationError:
        return DeclarationError(self._where, problem)


def _missing_name(model: type[BaseModel]) -> str:
    try:
        model.model_rebuild()
    except PydanticUndefinedAnnotation as error:
        return error.name or model.__name__
    return model.__name__


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) and get_origin(annotation) is None else str(annotation)
