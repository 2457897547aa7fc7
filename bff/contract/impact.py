"""Who breaks: which recorded operations a change of the schema hits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from graphql import GraphQLSchema

from bff.contract.changes import Change, Severity
from bff.contract.recorded import RecordedOperation
from bff.contract.usage import Usage, usage_of
from bff.contract.validity import problems_of

__all__ = ["Impact", "impacts"]

# These break who uses what they are about. Whether the others do is told by validating the operation.
_ALWAYS: Final = {"FIELD_REMOVED", "FIELD_CHANGED_KIND", "REQUIRED_ARG_ADDED", "TYPE_CHANGED_KIND", "INPUT_BECAME_ONE_OF"}
_WHEN_SENT: Final = {"FIELD_REMOVED", "FIELD_CHANGED_KIND", "REQUIRED_INPUT_FIELD_ADDED", "VALUE_REMOVED_FROM_ENUM"}


@dataclass(frozen=True, slots=True)
class Impact:
    """What becomes of an operation that clients send.

    ``changes`` are the breaking changes that hit it; ``problems`` is what validation says of it against the new schema. It
    ``was_valid`` against the old one, or nobody has broken it.
    """

    operation: RecordedOperation
    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    was_valid: bool

    @property
    def breaks(self) -> bool:
        return self.was_valid and bool(self.changes or self.problems)


def impacts(
    old: GraphQLSchema | None, new: GraphQLSchema, changes: Iterable[Change], operations: Iterable[RecordedOperation]
) -> tuple[Impact, ...]:
    """The operations that are not what they were, or not valid; without an old schema, those that are not valid."""
    breaking = [change for change in changes if change.severity is Severity.BREAKING]
    found = []
    for operation in operations:
        problems = tuple(error.message for error in problems_of(new, operation.document))
        was_valid = old is None or not problems_of(old, operation.document)
        hit: tuple[Change, ...] = ()
        if old is not None and was_valid:
            usage = usage_of(old, operation.document)
            hit = tuple(change for change in breaking if _hits(change, usage, invalid=bool(problems)))
        if hit or problems:
            found.append(Impact(operation, hit, problems, was_valid))
    return tuple(found)


def _hits(change: Change, usage: Usage, *, invalid: bool) -> bool:
    """Whether a breaking change hits who uses this. What it depends on beyond that shows in the document being invalid."""
    holder = change.coordinate.partition("(")[0]
    owner = change.coordinate.partition(".")[0]
    if change.type in _ALWAYS and holder in usage.asked:
        return True
    if change.type in _WHEN_SENT and (owner if change.type == "REQUIRED_INPUT_FIELD_ADDED" else holder) in usage.sent:
        return True
    if change.type in {"TYPE_CHANGED_KIND", "INPUT_BECAME_ONE_OF"} and owner in usage.sent:
        return True
    if change.type == "IMPLEMENTED_INTERFACE_REMOVED" and (owner, _last_word(change)) in usage.told_apart:
        return True
    if not invalid:
        return False
    if change.type == "REQUIRED_INPUT_FIELD_ADDED":
        return owner in usage.given
    if change.type == "REQUIRED_DIRECTIVE_ARG_ADDED":
        return holder in usage.asked
    return change.coordinate in usage.asked | usage.given


def _last_word(change: Change) -> str:
    """The interface, which graphql-core names at the end of its description."""
    return change.description.removesuffix(".").rpartition(" ")[2]
