"""Errors as data: what a mutation's result union holds."""

from __future__ import annotations

from typing import Any

from bff.errors import DomainError
from bff.model.compounds import OBJ_TYPE
from bff.model.mutation import MutationDefinition
from bff.resolvers.answer import Answer
from bff.resolvers.context import Context
from bff.resolvers.view_document import ViewDocument
from bff.types import Timepoint, Value

__all__ = ["MemberAnswer", "listed_error"]


class MemberAnswer:
    """An answer as the member ``success`` of a union: a view, or a payload that says which type it is."""

    def __init__(self, answer: Answer, success: str) -> None:
        self._answer = answer
        self._success = success

    def prepare(self, id: str | None, returned: Any) -> Any:
        return self._answer.prepare(id, returned)

    async def give(self, context: Context, id: str | None, prepared: Any, committed: Timepoint) -> Any:
        value = await self._answer.give(context, id, prepared, committed)
        if isinstance(value, ViewDocument) and value.view == self._success:
            return value
        if isinstance(value, dict) and not isinstance(value, ViewDocument):
            return {**value, OBJ_TYPE: self._success}
        # Several views, or one that may be absent: they are part of a payload.
        return {OBJ_TYPE: self._success, "id": id, "committedAt": str(committed), "result": value}


def listed_error(definition: MutationDefinition, error: Exception) -> dict[str, Value] | None:
    """The error as a value of the union, None where the mutation does not list it: then it is an error of the response.

    A subclass of a listed error is the nearest class that is listed, under its own code.
    """
    cause: BaseException = error
    # A TaskGroup wraps the one error that matters.
    while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    if not isinstance(cause, DomainError):
        return None
    listed = {one.error: one for one in definition.errors}
    nearest = next((listed[parent] for parent in type(cause).__mro__ if parent in listed), None)
    return None if nearest is None else nearest.encode(cause)
