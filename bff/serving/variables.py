"""Where a variable that cannot be coerced goes: the path of the argument that it would have been."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    coerce_input_value,
    type_from_ast,
)

from bff.serving.errors import format_request_error

__all__ = ["variable_errors"]

Path: TypeAlias = list[str | int]


def variable_errors(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    given: Mapping[str, Any],
    errors: Sequence[GraphQLError],
) -> list[dict[str, Any]]:
    """What graphql-core says of these variables, each error with ``extensions.argumentPath`` where that can be told.

    It can where all uses of the variable are one argument: ``["input", "tons"]`` of ``load(input: $cargo)``.
    """
    within: dict[str, Iterator[Path]] = {}
    uses: dict[str, list[Path]] = {}
    for name, path in _uses(document, operation):
        if path not in uses.setdefault(name, []):
            uses[name].append(path)
    formatted = []
    for error in errors:
        one = format_request_error(error, "BAD_USER_INPUT")
        definition = error.nodes[0] if error.nodes else None
        if isinstance(definition, VariableDefinitionNode):
            name = definition.variable.name.value
            if name not in within:
                within[name] = iter(_wrong(schema, definition, given))
            # graphql-core reports in the order in which it coerces, and so is it done again here.
            inner = next(within[name], [])
            if len(uses.get(name, ())) == 1:
                one["extensions"]["argumentPath"] = [*uses[name][0], *inner]
        formatted.append(one)
    return formatted


def _wrong(schema: GraphQLSchema, definition: VariableDefinitionNode, given: Mapping[str, Any]) -> list[Path]:
    """The places inside a variable's value that are not of its type."""
    type_ = type_from_ast(schema, definition.type)
    value = given.get(definition.variable.name.value)
    found: list[Path] = []
    if type_ is not None and value is not None:
        coerce_input_value(value, cast(GraphQLInputType, type_), lambda path, invalid, error: found.append(list(path)))
    return found


def _uses(document: DocumentNode, operation: OperationDefinitionNode) -> Iterator[tuple[str, Path]]:
    """Each variable in the arguments of fields, with its place there."""
    fragments = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    waiting: list[SelectionSetNode] = [one.selection_set for one in (operation, *fragments)]
    while waiting:
        for selection in waiting.pop().selections:
            if isinstance(selection, FieldNode):
                for argument in selection.arguments:
                    yield from _within(argument.value, [argument.name.value])
            inner = getattr(selection, "selection_set", None)
            if inner is not None:
                waiting.append(inner)


def _within(value: ValueNode, path: Path) -> Iterator[tuple[str, Path]]:
    match value:
        case VariableNode():
            yield value.name.value, path
        case ObjectValueNode():
            for field in value.fields:
                yield from _within(field.value, [*path, field.name.value])
        case ListValueNode():
            for index, one in enumerate(value.values):
                yield from _within(one, [*path, index])
