"""How values that hold values are stored: optional ones, lists, maps, nested models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from bff.model.scalars import FINITE, SCALARS, IntShape
from bff.model.shape import CodecError, Shape, expected
from bff.types import GeoPoint, Value

__all__ = ["OBJ_TYPE", "DictShape", "ListShape", "ModelShape", "OptionalShape", "UnionShape", "ValueShape", "problems"]

OBJ_TYPE = "objType"
"""The document field that tells the classes of one collection, or of one union, apart."""

_RESERVED_KEY = re.compile(r"__.*__", re.DOTALL)


class OptionalShape(Shape):
    """None, or a value."""

    def __init__(self, inner: Shape) -> None:
        self.inner = inner
        self.as_is = inner.as_is | {type(None)}
        self.ordered = inner.ordered
        self.filterable = inner.filterable

    def encode(self, value: Any) -> Value:
        return None if value is None else self.inner.encode(value)

    def decode(self, stored: Any) -> Any:
        return None if stored is None else self.inner.decode(stored)

    def holds(self, stored: Any) -> bool:
        return stored is None or self.inner.holds(stored)


class ListShape(Shape):
    """A list of values of one kind."""

    def __init__(self, element: Shape) -> None:
        self.element = element
        self.filterable = element.filterable

    def encode(self, value: Any) -> Value:
        if not isinstance(value, list):
            raise expected("list", value)
        return self._each(self.element.encode, value)

    def decode(self, stored: Any) -> list[Any]:
        if not isinstance(stored, list | tuple):
            raise expected("list", stored)
        return self._each(self.element.decode, stored)

    def holds(self, stored: Any) -> bool:
        return isinstance(stored, list | tuple) and all(map(self.element.holds, stored))

    def _each(self, convert: Any, values: Any) -> list[Any]:
        try:
            return [convert(value) for value in values]
        except CodecError:
            for position, value in enumerate(values):
                try:
                    convert(value)
                except CodecError as error:
                    raise error.within(position) from None
            raise


class DictShape(Shape):
    """A map from text to values of one kind. Keys are stored as they are."""

    def __init__(self, value: Shape) -> None:
        self.value = value

    def encode(self, value: Any) -> Value:
        if not isinstance(value, dict):
            raise expected("dict", value)
        return {_key(key): _within(key, self.value.encode, item) for key, item in value.items()}

    def decode(self, stored: Any) -> dict[str, Any]:
        if not isinstance(stored, Mapping):
            raise expected("map", stored)
        return {key: _within(key, self.value.decode, item) for key, item in stored.items()}

    def holds(self, stored: Any) -> bool:
        return isinstance(stored, Mapping) and all(map(self.value.holds, stored.values()))


class ModelShape(Shape):
    """A nested pydantic model, stored as a map of its fields. ``fields`` is set once known: models can hold themselves."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.fields: dict[str, tuple[str, Shape]] = {}
        self._encoders: list[tuple[str, str, frozenset[type], Callable[[Any], Value]]] = []

    def encode(self, value: Any) -> Value:
        if type(value) is not self.model:
            raise expected(self.model.__name__, value)
        # Not as attributes: those of deprecated fields warn whoever reads them, and this is nobody's use of them.
        values = value.__dict__
        if not self._encoders:
            self._encoders = [(name, stored, shape.as_is, shape.encode) for name, (stored, shape) in self.fields.items()]
        try:
            encoded: dict[str, Value] = {}
            for name, stored, as_is, encode in self._encoders:
                item = values[name]
                kind = type(item)
                encoded[stored] = item if kind in as_is and (kind is not str or item.isascii()) else encode(item)
            return encoded
        except CodecError:  # once more, to say where
            return {stored: _within(name, shape.encode, values[name]) for name, (stored, shape) in self.fields.items()}

    def decode(self, stored: Any) -> BaseModel:
        if not isinstance(stored, Mapping):
            raise expected(self.model.__name__, stored)
        values = {
            name: _within(document_name, shape.decode, stored[document_name])
            for name, (document_name, shape) in self.fields.items()
            if document_name in stored
        }
        try:
            return self.model.model_validate(values, by_name=True, by_alias=False)
        except ValidationError as error:
            raise CodecError(problems(error)) from None

    def holds(self, stored: Any) -> bool:
        """The model itself is not asked: it may refuse what clients may be shown all the same."""
        return isinstance(stored, Mapping) and all(
            name in stored and shape.holds(stored[name]) for name, shape in self.fields.values()
        )


class UnionShape(Shape):
    """One of several nested models, stored with the name of its class."""

    def __init__(self, members: list[ModelShape]) -> None:
        self.members = tuple(members)
        self._by_model = {member.model: member for member in members}
        self._by_name = {member.model.__name__: member for member in members}
        self._expected = " or ".join(self._by_name)

    def encode(self, value: Any) -> Value:
        member = self._by_model.get(type(value))
        if member is None:
            raise expected(self._expected, value)
        encoded = member.encode(value)
        assert isinstance(encoded, dict)
        return {OBJ_TYPE: member.model.__name__, **encoded}

    def decode(self, stored: Any) -> BaseModel:
        if not isinstance(stored, Mapping):
            raise expected(self._expected, stored)
        member = self._by_name.get(str(stored.get(OBJ_TYPE)))
        if member is None:
            raise CodecError(f"{OBJ_TYPE} is {stored.get(OBJ_TYPE)!r}, expected {self._expected}")
        return member.decode(stored)

    def holds(self, stored: Any) -> bool:
        member = self._by_name.get(str(stored.get(OBJ_TYPE))) if isinstance(stored, Mapping) else None
        return member is not None and member.holds(stored)


class ValueShape(Shape):
    """Anything that a document can hold, as it is; in a ``view``, no number that JSON does not have."""

    ordered = True

    def __init__(self, *, view: bool = False) -> None:
        self._view = view

    def encode(self, value: Any) -> Value:
        return self._checked(value, in_list=False)

    def decode(self, stored: Any) -> Any:
        if isinstance(stored, Mapping):
            return {key: self.decode(item) for key, item in stored.items()}
        if isinstance(stored, list | tuple):
            return [self.decode(item) for item in stored]
        return stored

    def _checked(self, value: Any, *, in_list: bool) -> Value:
        match value:
            case float() if self._view:
                return FINITE.encode(value)
            case None | bool() | float() | bytes() | GeoPoint():
                return value
            case int():
                return _INT.encode(value)
            case str() | datetime():
                return SCALARS[str if isinstance(value, str) else datetime].encode(value)
            case list() if in_list:
                raise CodecError("a document cannot hold a list directly in a list")
            case list():
                return [_within(at, lambda item: self._checked(item, in_list=True), item) for at, item in enumerate(value)]
            case dict():
                return {
                    _key(key): _within(key, lambda item: self._checked(item, in_list=False), item) for key, item in value.items()
                }
            case _:
                raise expected("a value that a document can hold", value)


_INT = IntShape(64)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise expected("a str as key", key)
    if not key or _RESERVED_KEY.fullmatch(key):
        raise CodecError(f"{key!r} cannot be the key of a stored map: it is empty, or of the form __…__")
    return key


def _within(step: str | int, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except CodecError as error:
        raise error.within(step) from None


def problems(error: ValidationError) -> str:
    """pydantic's complaints in one line: ``name: field required; age: should be a valid integer``."""
    return "; ".join(
        ": ".join(part for part in (".".join(str(step) for step in problem["loc"]), problem["msg"]) if part)
        for problem in error.errors(include_url=False, include_input=False)
    )
