"""The arguments of a field, as graphql-core coerces them (https://spec.graphql.org/October2021/#CoerceArgumentValues())."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    is_input_object_type,
    is_non_null_type,
    value_from_ast,
)

from bff.resolvers.plan.planning import Unanswerable, Unplannable

__all__ = ["ArgumentValues"]


@dataclass(frozen=True, slots=True)
class _Given:
    """One argument whose value depends on variables: on the one that it is, or on those inside it."""

    name: str
    variable: str | None
    node: ValueNode
    argument: GraphQLArgument
    required: bool


class ArgumentValues:
    """The arguments of one field of an operation. Raises Unplannable for literals that are not of their type."""

    __slots__ = ("_constant", "_given", "variables")

    def __init__(self, field: GraphQLField, node: FieldNode) -> None:
        self._constant: dict[str, Any] = {}
        self._given: list[_Given] = []
        nodes = {one.name.value: one.value for one in node.arguments}
        for name, argument in field.args.items():
            self._add(argument.out_name or name, argument, nodes.get(name))
        self.variables = frozenset(used for one in self._given for used in _variables(one.node))
        """The names of the variables that they depend on."""

    def values(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read-only. Raises Unanswerable where graphql-core would refuse them."""
        if not self._given:
            return self._constant
        values = dict(self._constant)
        for one in self._given:
            value = self._value(one, variables)
            if value is not Undefined:
                values[one.name] = value
        return values

    def alone(self, name: str) -> tuple[str | None, Any]:
        """The variable that this argument is, or None and its constant value. Raises Unplannable where it is neither."""
        for one in self._given:
            if one.name == name:
                if one.variable is None or one.argument.default_value is not Undefined:
                    raise Unplannable(f"{name} is made of variables")
                return one.variable, None
        if name not in self._constant:
            raise Unplannable(f"{name} is not given")
        return None, self._constant[name]

    def _add(self, name: str, argument: GraphQLArgument, node: ValueNode | None) -> None:
        required = is_non_null_type(argument.type)
        if argument.default_value is not Undefined and is_input_object_type(argument.type):
            raise Unplannable("a default that is an input object")
        if node is None:
            if argument.default_value is not Undefined:
                self._constant[name] = argument.default_value
            elif required:
                raise Unplannable(f"{name} is not given")
            return
        variable = node.name.value if isinstance(node, VariableNode) else None
        given = _Given(name, variable, node, argument, required)
        if next(_variables(node), None) is not None:
            self._given.append(given)
            return
        value = value_from_ast(node, argument.type)
        if value is Undefined or (value is None and required):
            raise Unplannable(f"{name} is not of its type")
        self._constant[name] = value

    def _value(self, one: _Given, variables: Mapping[str, Any]) -> Any:
        if one.variable is None:
            value = value_from_ast(one.node, one.argument.type, dict(variables))
            if value is Undefined:
                raise Unanswerable(f"{one.name} is not of its type")
            return value
        value = variables.get(one.variable, Undefined)
        if value is Undefined:
            value = one.argument.default_value
            if value is Undefined and one.required:
                raise Unanswerable(f"{one.name} is not given")
        elif value is None and one.required:
            raise Unanswerable(f"{one.name} is null")
        return value


def _variables(node: ValueNode) -> Iterator[str]:
    match node:
        case VariableNode():
            yield node.name.value
        case ListValueNode():
            for one in node.values:
                yield from _variables(one)
        case ObjectValueNode():
            for field in node.fields:
                yield from _variables(field.value)
        case _:
            pass
