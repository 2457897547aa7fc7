"""What a DomainError class declares, for the mutations that list it: an object type of GraphQL, and its values."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, get_origin

from bff.errors import DeclarationError, DomainError, message_of
from bff.model.codec import Codec
from bff.model.compounds import OBJ_TYPE
from bff.model.declared import check_name, unknown
from bff.model.hints import Scope, Unresolved, resolve
from bff.naming import to_camel
from bff.types import Value

__all__ = ["ErrorDefinition", "ErrorField", "check_errors", "error_definition"]

RESERVED = {
    "message": "every error has its message: pass it to super().__init__(…)",
    "args": "it is a name of Exception's own; rename it",
    OBJ_TYPE: "it is what tells the members of a union apart; rename it",
}


class ErrorField(NamedTuple):
    """An attribute that a DomainError annotates: ``meeting_id: str``."""

    name: str
    graphql_name: str
    annotation: Any
    codec: Codec


class ErrorDefinition(NamedTuple):
    """A class of errors as clients see it: ``code``, ``message``, and the attributes that it annotates."""

    name: str
    error: type[DomainError]
    description: str | None
    fields: tuple[ErrorField, ...]

    def encode(self, error: DomainError) -> dict[str, Value]:
        """An error as the value of its object type. Raises TypeError where an attribute is not as it is annotated."""
        values: dict[str, Value] = {OBJ_TYPE: self.name, "code": error.code, "message": message_of(error)}
        for field in self.fields:
            where = f"{type(error).__name__}.{field.name}"
            try:
                values[field.graphql_name] = field.codec.encode(getattr(error, field.name))
            except AttributeError:
                raise TypeError(f"{where} was not set: set it in __init__") from error
            except ValueError as wrong:
                raise TypeError(f"{where} is not of its type: {wrong}") from error
        return values


def check_errors(where: str, errors: Any) -> tuple[type[DomainError], ...]:
    """What ``@mutation(errors=…)`` was given. Raises DeclarationError where it is no list of DomainErrors, each once."""
    if not isinstance(errors, list | tuple):
        raise DeclarationError(where, f"errors={errors!r} is no list; write errors=[…], of DomainError classes")
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, DomainError)):
            shown = error.__name__ if isinstance(error, type) else repr(error)
            raise DeclarationError(
                where, f"errors= lists {shown}, which is no DomainError; make it a subclass of bff.DomainError"
            )
        if errors.count(error) > 1:
            raise DeclarationError(where, f"errors= lists {error.__name__} twice; remove one")
    return tuple(errors)


def error_definition(error: type[DomainError], scope: Scope, find: Callable[[str], type | None]) -> ErrorDefinition:
    """The definition of a listed error, its annotations resolved as those of who lists it. Raises DeclarationError."""
    check_name(error.__name__, error.__name__)
    fields: dict[str, ErrorField] = {}
    for declaring, name, annotation in _annotated(error):
        field = _field(error, declaring, name, annotation, scope, find)
        if field is not None:
            twin = next((one for one in fields.values() if one.graphql_name == field.graphql_name and one.name != name), None)
            if twin is not None:
                raise DeclarationError(
                    f"{error.__name__}.{name}", f"{twin.name} becomes the field {field.graphql_name!r} too; rename one"
                )
            fields[name] = field
    text = error.__dict__.get("__doc__")
    return ErrorDefinition(error.__name__, error, inspect.cleandoc(text) if text else None, tuple(fields.values()))


def _annotated(error: type[DomainError]) -> Iterator[tuple[type, str, Any]]:
    """The attributes that it and its parents annotate, those of DomainError's own left out."""
    for declaring in reversed(error.__mro__):
        if issubclass(declaring, DomainError) and declaring is not DomainError:
            for name, annotation in inspect.get_annotations(declaring).items():
                yield declaring, name, annotation


def _field(
    error: type[DomainError], declaring: type, name: str, annotation: Any, scope: Scope, find: Callable[[str], type | None]
) -> ErrorField | None:
    where = f"{error.__name__}.{name}"
    # The code is the class's, and what begins with an underscore is nobody else's.
    if name == "code" or name.startswith("_"):
        return None
    try:
        resolved = resolve(annotation, declaring.__module__, scope, find)
    except Unresolved as missing:
        raise unknown(where, missing) from None
    if (get_origin(resolved) or resolved) in (ClassVar, typing.Final):
        return None
    graphql_name = to_camel(name)
    for reserved in {name, graphql_name} & set(RESERVED):
        raise DeclarationError(where, RESERVED[reserved])
    check_name(where, graphql_name)
    return ErrorField(name, graphql_name, resolved, Codec.of(resolved, where, view=True))
