"""The changes that nobody has to mind: what was added, what takes more than it took, what promises more than it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    is_introspection_type,
    is_required_argument,
    is_specified_directive,
    is_specified_scalar_type,
)

__all__ = ["additions"]

Addition: TypeAlias = tuple[str, str, str]
"""Its kind, its schema coordinate, its description."""

Typed: TypeAlias = GraphQLField | GraphQLInputField | GraphQLArgument
Deprecatable: TypeAlias = Typed | GraphQLEnumValue
Described: TypeAlias = Deprecatable | GraphQLNamedType


def additions(old: GraphQLSchema, new: GraphQLSchema, known: set[str]) -> Iterator[Addition]:
    """Every change that is neither breaking nor dangerous: graphql-core names none of these.

    ``known`` are the descriptions of those that are.
    """
    for name, after in new.type_map.items():
        if is_introspection_type(after) or is_specified_scalar_type(after):
            continue
        before = old.type_map.get(name)
        if before is None:
            yield "TYPE_ADDED", name, f"{name} was added."
        elif type(before) is type(after):
            yield from _described(name, before, after)
            yield from _within(name, before, after, known)
    yield from _directives(old, new)


def _within(name: str, before: GraphQLNamedType, after: GraphQLNamedType, known: set[str]) -> Iterator[Addition]:
    match before, after:
        case GraphQLObjectType() | GraphQLInterfaceType(), GraphQLObjectType() | GraphQLInterfaceType():
            for to, field in after.fields.items():
                yield from _field(f"{name}.{to}", before.fields.get(to), field, known)
        case GraphQLInputObjectType(), GraphQLInputObjectType():
            if before.is_one_of and not after.is_one_of:
                yield "INPUT_NO_LONGER_ONE_OF", name, f"{name} takes any of its fields together now (no @oneOf)."
            for to, one in after.fields.items():
                yield from _input(f"{name}.{to}", before.fields.get(to), one, known)
        case GraphQLEnumType(), GraphQLEnumType():
            for to, value in after.values.items():
                if to in before.values:
                    yield from _documented(f"{name}.{to}", before.values[to], value)
        case _:
            pass


def _field(where: str, before: GraphQLField | None, after: GraphQLField, known: set[str]) -> Iterator[Addition]:
    if before is None:
        yield "FIELD_ADDED", where, f"{where} was added."
        return
    yield from _documented(where, before, after)
    yield from _retyped("FIELD_TYPE_NARROWED", where, f"{where} changed type", before, after, known)
    for to, argument in after.args.items():
        earlier = before.args.get(to)
        if earlier is not None:
            place = f"{where}({to}:)"
            yield from _documented(place, earlier, argument)
            yield from _retyped("ARG_TYPE_WIDENED", place, f"{where} arg {to} has changed type", earlier, argument, known)


def _input(where: str, before: GraphQLInputField | None, after: GraphQLInputField, known: set[str]) -> Iterator[Addition]:
    # One that was added is dangerous or breaking.
    if before is not None:
        yield from _documented(where, before, after)
        yield from _retyped("INPUT_FIELD_TYPE_WIDENED", where, f"{where} changed type", before, after, known)


def _retyped(kind: str, where: str, what: str, before: Typed, after: Typed, known: set[str]) -> Iterator[Addition]:
    """A type that is another one, and that graphql-core has found nothing wrong with."""
    if str(before.type) != str(after.type):
        description = f"{what} from {before.type} to {after.type}."
        if description not in known:
            yield kind, where, description


def _described(where: str, before: Described, after: Described) -> Iterator[Addition]:
    if (before.description or "") != (after.description or ""):
        yield "DESCRIPTION_CHANGED", where, f"{where} is described otherwise."


def _documented(where: str, before: Deprecatable, after: Deprecatable) -> Iterator[Addition]:
    yield from _described(where, before, after)
    if before.deprecation_reason == after.deprecation_reason:
        return
    if after.deprecation_reason is None:
        yield "DEPRECATION_REMOVED", where, f"{where} is no longer deprecated."
    elif before.deprecation_reason is None:
        yield "DEPRECATED", where, f"{where} is deprecated: {after.deprecation_reason}"
    else:
        yield "DEPRECATION_CHANGED", where, f"{where} is deprecated for another reason: {after.deprecation_reason}"


def _directives(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[Addition]:
    known = {directive.name: directive for directive in old.directives}
    for directive in new.directives:
        if is_specified_directive(directive):
            continue
        where, before = f"@{directive.name}", known.get(directive.name)
        if before is None:
            yield "DIRECTIVE_ADDED", where, f"{where} was added."
            continue
        for location in directive.locations:
            if location not in before.locations:
                yield "DIRECTIVE_LOCATION_ADDED", where, f"{where} may stand on {location.name} now."
        if directive.is_repeatable and not before.is_repeatable:
            yield "DIRECTIVE_REPEATABLE_ADDED", where, f"{where} may be repeated now."
        for name in _added(before.args, directive.args):
            if not is_required_argument(directive.args[name]):
                yield "OPTIONAL_DIRECTIVE_ARG_ADDED", f"{where}({name}:)", f"An optional arg {name} on {where} was added."


def _added(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    return (name for name in after if name not in before)
