"""What changed between two schemas, and how bad that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graphql import (
    BreakingChange,
    BreakingChangeType,
    DangerousChange,
    GraphQLInputObjectType,
    GraphQLSchema,
    find_breaking_changes,
    find_dangerous_changes,
)

from bff.contract.additions import additions

__all__ = ["Change", "Severity", "changes_between"]


class Severity(StrEnum):
    """``BREAKING``: what clients ask today may fail. ``DANGEROUS``: it is answered, and may hold what they do not expect."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``type`` is graphql-core's name for its kind (``FIELD_REMOVED``), or one of the same manner.

    ``coordinate`` is what it is about, as a schema coordinate (``Meeting.title``, ``Query.meetings(first:)``, ``Role.SPEAKER``):
    https://spec.graphql.org/September2025/#sec-Schema-Coordinates
    """

    severity: Severity
    type: str
    coordinate: str
    description: str


def changes_between(old: GraphQLSchema, new: GraphQLSchema) -> tuple[Change, ...]:
    """Every change, the breaking ones first. What breaks and what is dangerous is what graphql-core says it is.

    It knows nothing of ``@oneOf`` (an input object that becomes one refuses what it took before), nor of the defaults of input
    fields. Both schemas are best read from SDL: then their default values are of one form.
    """
    found = [_found(Severity.BREAKING, change) for change in find_breaking_changes(old, new)]
    found += [_found(Severity.DANGEROUS, change) for change in find_dangerous_changes(old, new)]
    found += _inputs(old, new)
    found += [Change(Severity.SAFE, *one) for one in additions(old, new, {one.description for one in found})]
    return tuple(sorted(found, key=lambda one: [*Severity].index(one.severity)))


# graphql-core says what a change is about in its description only.
_COORDINATES: Final = tuple(
    (re.compile(pattern), coordinate)
    for pattern, coordinate in (
        (r"A required arg (?P<arg>\w+) on directive (?P<on>\w+) was added\.", "@{on}({arg}:)"),
        (r"(?:A required|An optional) arg (?P<arg>\w+) on (?P<on>\w+\.\w+) was added\.", "{on}({arg}:)"),
        (r"(?:A required|An optional) field (?P<field>\w+) on input type (?P<on>\w+) was added\.", "{on}.{field}"),
        (r"(?P<on>\w+\.\w+) arg (?P<arg>\w+) ", "{on}({arg}:)"),
        (r"(?P<on>\w+\.\w+) (?:was removed|changed type)", "{on}"),
        (r"(?P<value>\w+) was (?:added to|removed from) enum type (?P<on>\w+)\.", "{on}.{value}"),
        (r"(?P<member>\w+) was (?:added to|removed from) union type (?P<on>\w+)\.", "{on}"),
        (r"(?P<interface>\w+) added to interfaces implemented by (?P<on>\w+)\.", "{on}"),
        (r"(?P<on>\w+) no longer implements interface ", "{on}"),
        (r"(?P<on>\w+) changed from ", "{on}"),
        (r"Repeatable flag was removed from (?P<on>\w+)\.", "@{on}"),
        (r"(?:Standard scalar )?(?P<on>\w+) was removed because it is not referenced anymore\.", "{on}"),
        (r"Standard scalar (?P<on>\w+) was removed", "{on}"),
        (r"(?P<arg>\w+) was removed from (?P<on>\w+)\.", "@{on}({arg}:)"),
        (r"(?P<on>\w+) was removed\.", "{on}"),
    )
)


def _found(severity: Severity, change: BreakingChange | DangerousChange) -> Change:
    coordinate = ""
    for pattern, template in _COORDINATES:
        match = pattern.match(change.description)
        if match is not None:
            coordinate = template.format(**match.groupdict())
            break
    match change.type:
        case BreakingChangeType.DIRECTIVE_REMOVED:
            coordinate = f"@{coordinate}"
        case BreakingChangeType.DIRECTIVE_LOCATION_REMOVED:
            coordinate = coordinate.partition("(")[0]
        case _:
            pass
    return Change(severity, change.type.name, coordinate, change.description)


def _inputs(old: GraphQLSchema, new: GraphQLSchema) -> list[Change]:
    """What graphql-core does not look at."""
    found = []
    for name, before in old.type_map.items():
        after = new.type_map.get(name)
        if isinstance(before, GraphQLInputObjectType) and isinstance(after, GraphQLInputObjectType):
            if after.is_one_of and not before.is_one_of:
                description = f"{name} takes exactly one of its fields now (@oneOf)."
                found.append(Change(Severity.BREAKING, "INPUT_BECAME_ONE_OF", name, description))
            for field in before.fields:
                if field in after.fields and before.fields[field].default_value != after.fields[field].default_value:
                    where = f"{name}.{field}"
                    description = f"{where} has another default value."
                    found.append(Change(Severity.DANGEROUS, "INPUT_FIELD_DEFAULT_VALUE_CHANGE", where, description))
    return found
