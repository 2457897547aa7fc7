"""From arguments as GraphQL coerced them to the Python values that a function is annotated with."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any, NewType, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.warnings import UnsupportedFieldAttributeWarning

from bff.errors import BadUserInput
from bff.model.codec import Codec
from bff.model.ref import Ref
from bff.model.shape import CodecError
from bff.model.view_model import ViewModel
from bff.naming import to_camel, uncapitalise
from bff.types import GeoPoint

__all__ = ["Path", "argument_at", "python_value", "storable_value", "strip"]

Path = list[str | int]

AS_GIVEN = frozenset({str, bool})
"""Neither pydantic nor a document would change them, or refuse them: a text only where it is not valid Unicode."""


@contextmanager
def argument_at(path: Path) -> Iterator[None]:
    """What is wrong inside is wrong with the argument at this path: a document id does not know where it came from."""
    try:
        yield
    except BadUserInput as error:
        if error.path is None:
            error.path = path
        raise


def python_value(annotation: Any, value: Any, path: Path) -> Any:
    """The value of an argument, validated as pydantic validates a field of that annotation.

    Raises BadUserInput, with the path into the arguments by their GraphQL names.
    """
    prepared = _prepare(annotation, value, path)
    try:
        return _adapter(annotation).validate_python(prepared, by_alias=False, by_name=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = [*path, *_place(value, first["loc"])]
        raise BadUserInput(f"{_dotted(where)}: {first['msg']}", where) from error


def storable_value(codec: Codec, value: Any, path: Path) -> Any:
    """The value of an argument, as ``python_value`` has it, and such that it can be stored. Raises BadUserInput."""
    kind = type(value)
    if kind is codec.annotation and kind in AS_GIVEN and (kind is not str or value.isascii()):
        return value
    found = python_value(codec.annotation, value, path)
    try:
        codec.encode(found)
    except CodecError as error:
        raise BadUserInput(f"{_dotted(path)}: {error}", path) from None
    return found


def strip(annotation: Any) -> Any:
    """The annotation without ``Annotated``, ``| None``, aliases and NewType around it."""
    while True:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation = args[0]
        elif origin in {Union, types.UnionType} and len(some := [arg for arg in args if arg is not type(None)]) == 1:
            annotation = some[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(origin or annotation, "__value__"):
            annotation = (origin or annotation).__value__
        else:
            return annotation


def _prepare(annotation: Any, value: Any, path: Path) -> Any:
    """Names as Python has them, ids as Refs, input objects as what they stand for; the rest as it is."""
    if value is None:
        return None
    annotation = strip(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return _one_of([arg for arg in map(strip, args) if arg is not type(None)], value, path)
    if isinstance(value, list) and isinstance(origin, type) and issubclass(origin, Sequence):
        return [_prepare(args[0], one, [*path, index]) for index, one in enumerate(value)]
    if origin is Ref:
        # A client knows ids; the path of a document is not its business.
        with argument_at(path):
            return args[0].ref(value) if isinstance(value, str) else value
    if not isinstance(annotation, type):
        return value
    if issubclass(annotation, ViewModel) and isinstance(value, str):
        with argument_at(path):
            return annotation.of(value)
    if issubclass(annotation, GeoPoint) and isinstance(value, Mapping):
        try:
            return annotation(**value)
        except ValueError as error:
            raise BadUserInput(f"{_dotted(path)}: {error}", path) from None
    if issubclass(annotation, BaseModel) and isinstance(value, Mapping):
        return _fields(annotation, value, path)
    return value


def _place(value: Any, location: Sequence[str | int]) -> Iterator[str | int]:
    """Where pydantic's location is in the value as given: fields have GraphQL names there, the keys of a dict their own."""
    for part in location:
        known = isinstance(value, Mapping) and part in value
        name = part if known or isinstance(part, int) else to_camel(part)
        yield name
        try:
            value = value[name]
        except (LookupError, TypeError):
            value = None


def _fields(model: type[BaseModel], value: Mapping[str, Any], path: Path) -> dict[str, Any]:
    named = {to_camel(name): (name, info) for name, info in model.model_fields.items()}
    prepared: dict[str, Any] = {}
    for key, inner in value.items():
        if key not in named:
            raise BadUserInput(f"{_dotted([*path, key])}: {model.__name__} has no such field", [*path, key])
        name, info = named[key]
        prepared[name] = _prepare(info.annotation, inner, [*path, key])
    return prepared


def _one_of(members: list[Any], value: Any, path: Path) -> Any:
    """A union of nested models: an input object with one key per model, exactly one of them given."""
    if not isinstance(value, Mapping):
        return value
    models = {uncapitalise(member.__name__): member for member in members if isinstance(member, type)}
    given = [(key, inner) for key, inner in value.items() if inner is not None]
    if len(given) != 1:
        raise BadUserInput(f"{_dotted(path)}: give exactly one of {', '.join(models)}", path)
    [(key, inner)] = given
    return python_value(models[key], inner, [*path, key])


@lru_cache(maxsize=1024)
def _cached_adapter(annotation: Any) -> TypeAdapter[Any]:
    with warnings.catch_warnings():
        # Annotated[str, Field(deprecated=…)] says something to clients, and nothing to pydantic.
        warnings.simplefilter("ignore", UnsupportedFieldAttributeWarning)
        try:
            return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:
            # Models bring their own configuration.
            return TypeAdapter(annotation)


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(annotation)
    except TypeError:
        # An annotation that cannot be hashed (Annotated with a dict in it).
        return TypeAdapter(annotation)


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
