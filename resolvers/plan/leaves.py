"""Leaves of an answer: scalars and enums, serialised as graphql-core serialises them."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)

from bff.resolvers.plan.planning import Unanswerable

__all__ = ["Complete", "leaf"]

Complete: TypeAlias = Callable[[Any], Any]
"""From what is stored to what the response holds. Raises Unanswerable where that is an error, or null where it may not be."""

_NAMES: Final = 256
_MIN_INT, _MAX_INT = -(2**31), 2**31 - 1


def leaf(type_: GraphQLLeafType, *, required: bool) -> Complete:
    """How values of a scalar or an enum are completed. What is stored as it is shown is told by its class alone."""
    slow = _serialised(type_, required=required)
    # By identity: an app may have a scalar of its own of the same name.
    if type_ is GraphQLString or type_ is GraphQLID:

        def text(value: Any) -> Any:
            return value if type(value) is str else slow(value)

        return text
    if type_ is GraphQLInt:

        def integer(value: Any) -> Any:
            return value if type(value) is int and _MIN_INT <= value <= _MAX_INT else slow(value)

        return integer
    if type_ is GraphQLFloat:

        def number(value: Any) -> Any:
            return value if type(value) is float and isfinite(value) else slow(value)

        return number
    if type_ is GraphQLBoolean:

        def truth(value: Any) -> Any:
            return value if value is True or value is False else slow(value)

        return truth
    return _named(slow) if isinstance(type_, GraphQLEnumType) else slow


def _serialised(type_: GraphQLLeafType, *, required: bool) -> Complete:
    serialize = type_.serialize
    name = type_.name

    def serialised(value: Any) -> Any:
        if value is None:
            if required:
                raise Unanswerable(f"null for {name}!")
            return None
        try:
            found = serialize(value)
        except Exception as error:
            raise Unanswerable(f"not a {name}: {error}") from error
        if found is None or found is Undefined:
            raise Unanswerable(f"not a {name}")
        return found

    return serialised


def _named(serialised: Complete) -> Complete:
    """The names of an enum's values, remembered by what is stored for them."""
    names: dict[str, str] = {}

    def named(value: Any) -> Any:
        if type(value) is not str:
            return serialised(value)
        name = names.get(value)
        if name is None:
            name = serialised(value)
            # An enum may take any number of values for one of its own (``_missing_``).
            if len(names) < _NAMES:
                names[value] = name
        return name

    return named
