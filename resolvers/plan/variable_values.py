"""The variables of an operation, as graphql-core coerces them (https://spec.graphql.org/October2021/#CoerceVariableValues())."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, TypeAlias, cast

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputType,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    coerce_input_value,
    is_input_type,
    is_leaf_type,
    type_from_ast,
    value_from_ast,
)

from bff.resolvers.plan.planning import Unplannable

__all__ = ["VariableValues"]

Coerce: TypeAlias = Callable[[Any], Any]
"""Raises GraphQLError, ValueError, TypeError or ArithmeticError for what is not of the type."""

DEEP: Final = 100
"""Nothing beneath this many levels of lists and objects is coerced here: graphql-core has a limit not far beyond."""

_WRONG = (GraphQLError, ValueError, TypeError, ArithmeticError, RecursionError)
_MIN_INT, _MAX_INT = -(2**31), 2**31 - 1


class VariableValues:
    """Coerces the variables of one operation."""

    __slots__ = ("_definitions",)

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._definitions = tuple(_definition(schema, one) for one in operation.variable_definitions or ())

    def coerce(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The values; None where one is missing or wrong: graphql-core says which, and why. What is not declared is ignored."""
        coerced: dict[str, Any] = {}
        try:
            for name, coerce, default, required in self._definitions:
                value = Undefined if given is None else given.get(name, Undefined)
                if value is Undefined:
                    if default is not Undefined:
                        coerced[name] = default
                    elif required:
                        return None
                elif value is None:
                    if required:
                        return None
                    coerced[name] = None
                else:
                    coerced[name] = coerce(value)
        except _WRONG:
            return None
        return coerced


def _definition(schema: GraphQLSchema, one: VariableDefinitionNode) -> tuple[str, Coerce, Any, bool]:
    found = type_from_ast(schema, one.type)
    if not is_input_type(found):
        raise Unplannable("a variable of no input type")
    type_ = cast(GraphQLInputType, found)
    default = Undefined if one.default_value is None else value_from_ast(one.default_value, type_)
    if one.default_value is not None and default is Undefined:
        raise Unplannable("a default that is not of its type")
    return one.variable.name.value, _coerce(type_), default, isinstance(type_, GraphQLNonNull)


def _coerce(type_: GraphQLInputType) -> Coerce:
    """How a value of the type is coerced; null is seen to by the caller, for lists and the like by what is returned here."""
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if is_leaf_type(inner):
        return _leaf(cast(GraphQLLeafType, inner))
    if isinstance(inner, GraphQLList) and is_leaf_type(_item(inner)):
        return _leaves(inner)
    # Input objects may hold themselves, as filters do.
    return lambda value: _nested(type_, value)


def _leaf(type_: GraphQLLeafType) -> Coerce:
    fast = _SPECIFIED.get(type_.name)
    if fast is not None and fast[0] is type_:
        return fast[1]
    parse = type_.parse_value

    def parsed(value: Any) -> Any:
        found = parse(value)
        if found is Undefined:
            raise ValueError(type_.name)
        return found

    return parsed


def _item(type_: GraphQLList[Any]) -> Any:
    return type_.of_type.of_type if isinstance(type_.of_type, GraphQLNonNull) else type_.of_type


def _leaves(type_: GraphQLList[Any]) -> Coerce:
    required = isinstance(type_.of_type, GraphQLNonNull)
    coerce = _leaf(_item(type_))

    def item(value: Any) -> Any:
        if value is None:
            if required:
                raise ValueError("null")
            return None
        return coerce(value)

    def items(value: Any) -> list[Any]:
        # One value that is no list is a list of that one.
        return [item(one) for one in value] if isinstance(value, list | tuple) else [coerce(value)]

    return items


def _nested(type_: GraphQLInputType, value: Any) -> Any:
    """As graphql-core does it, by its own hand."""
    if _too_deep(value):
        raise RecursionError
    return coerce_input_value(value, type_)


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEP):
        nested = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [inner for one in nested for inner in one]
        if not level:
            return False
    return True


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("String")


def _id(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and isfinite(value) and int(value) == value:
        return str(int(value))
    raise ValueError("ID")


def _int(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, float) and isfinite(value) and int(value) == value):
        raise ValueError("Int")
    if not _MIN_INT <= value <= _MAX_INT:
        raise ValueError("Int")
    return int(value)


def _float(value: Any) -> float:
    if (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and isfinite(value)):
        return float(value)
    raise ValueError("Float")


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("Boolean")


_SPECIFIED: Mapping[str, tuple[GraphQLNamedType, Coerce]] = {
    "String": (GraphQLString, _text),
    "ID": (GraphQLID, _id),
    "Int": (GraphQLInt, _int),
    "Float": (GraphQLFloat, _float),
    "Boolean": (GraphQLBoolean, _truth),
}
