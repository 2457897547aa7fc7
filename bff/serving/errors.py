"""Errors as clients see them: a message made for them, ``extensions.code``, and never the text of an unexpected exception."""

from __future__ import annotations

import logging
import re
import uuid
from traceback import walk_tb
from typing import Any

from graphql import ExecutionContext, GraphQLError, ValueNode

from bff.errors import (
    AnswerNotBuilt,
    AnswerUnknown,
    BadUserInput,
    BFFError,
    BroadcastError,
    BuildError,
    Conflict,
    DatastoreError,
    DatastoreUnavailable,
    DocumentTooLarge,
    DomainError,
    IncompleteBuild,
    InvalidQuery,
    OutcomeUnknown,
    RequestError,
    message_of,
)
from bff.observability.request_id import current_request_id
from bff.serving.codes import RequestCode

__all__ = ["RequestRefused", "format_error", "format_exception", "format_request_error"]

logger = logging.getLogger("bff.serving")

_ARGUMENT = re.compile(r"Argument ['\"](\w+)['\"]")
"""How graphql-core begins what it says of an argument's value."""

_SERIALISES = ExecutionContext.complete_leaf_value.__code__
_COMPLETES = {
    ExecutionContext.complete_list_value.__code__,
    ExecutionContext.complete_object_value.__code__,
    ExecutionContext.ensure_valid_runtime_type.__code__,
}
"""Where graphql-core finds that what a resolver gave is not of the field's type."""

# Their own messages are for the log: they name hosts, files and documents, and quote exceptions. First match wins.
_PUBLIC: tuple[tuple[type[BFFError], str], ...] = (
    (DatastoreUnavailable, "the datastore is not available: nothing was written, try again later"),
    (AnswerUnknown, "the change was made, and what it answers with cannot be read now: look before you try again"),
    (OutcomeUnknown, "it is not known whether the change was made: look before you try again"),
    (Conflict, "somebody else wrote first: nothing was written, try again"),
    (DocumentTooLarge, "a document would be over the datastore's limit: nothing was written"),
    (DatastoreError, "the datastore could not do it"),
    (BroadcastError, "the live channel is not available, try again later"),
    (AnswerNotBuilt, "the change was made, and the view that it answers with cannot be built: do not try again"),
    (IncompleteBuild, "the documents of this view change faster than it can be built, try again"),
    (BuildError, "this view cannot be built from its documents"),
)


class RequestRefused(Exception):
    """A request that is not executed; ``errors`` are formatted, ``status`` is its HTTP status.

    ``code`` of the first error says why: GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, BAD_USER_INPUT, …. ``limit`` is the
    name in ``Limits`` of the one that it is over.
    """

    def __init__(self, errors: list[dict[str, Any]], status: int = 400, limit: str | None = None) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors
        self.status = status
        self.limit = limit

    @classmethod
    def because(
        cls, message: str, code: RequestCode = "BAD_REQUEST", status: int = 400, *, limit: str | None = None
    ) -> RequestRefused:
        """One error without a place in the document."""
        return cls([{"message": message, "extensions": {"code": code}}], status, limit)


def format_error(error: GraphQLError, debug: bool = False) -> dict[str, Any]:
    """An error of the execution, as it goes out. Unexpected exceptions become ``internal error`` with an id that is in the log.

    ``debug`` is Ariadne's: it changes nothing, since what it would add is in the log.
    """
    cause = _cause(error)
    formatted = _placed(error)
    if cause is None and _of_result(error):
        # What graphql-core says of a value that is not the client's, but ours.
        cause = error
    if cause is None:
        # Raised as a GraphQLError by a resolver, or by graphql-core about an argument: written for the client.
        formatted["message"] = error.message
        formatted["extensions"] = {**_of_graphql(error), **(error.extensions or {})}
        return formatted
    formatted["message"], formatted["extensions"] = _published(cause, formatted.get("path"))
    return formatted


def format_exception(error: Exception) -> dict[str, Any]:
    """An exception that has no place in a document: a context that cannot be made, a payload that cannot be written."""
    return format_error(error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error))


def format_request_error(error: GraphQLError, code: RequestCode) -> dict[str, Any]:
    """An error about the request itself, found before anything of it was executed. graphql-core writes these for clients."""
    return {**_placed(error), "message": error.message, "extensions": {**(error.extensions or {}), "code": code}}


def _placed(error: GraphQLError) -> dict[str, Any]:
    placed: dict[str, Any] = {"message": ""}
    if error.locations:
        placed["locations"] = [{"line": location.line, "column": location.column} for location in error.locations]
    if error.path is not None:
        placed["path"] = list(error.path)
    return placed


def _published(cause: BaseException, path: list[Any] | None) -> tuple[str, dict[str, Any]]:
    if isinstance(cause, RequestError | DomainError | InvalidQuery):
        extensions: dict[str, Any] = {"code": cause.code}
        if isinstance(cause, BadUserInput) and cause.path is not None:
            extensions["argumentPath"] = list(cause.path)
        return message_of(cause), extensions
    incident = uuid.uuid4().hex[:12]
    reported: dict[str, Any] = {"id": incident}
    if (request := current_request_id.get()) is not None:
        reported["requestId"] = request
    where = ".".join(map(str, path)) if path else "request"
    for kind, message in _PUBLIC:
        if isinstance(cause, kind):
            logger.warning("%s: %s [%s]", where, message, incident, exc_info=cause)
            return message, {"code": getattr(cause, "code", kind.code), **reported}
    logger.error("%s: internal error [%s]", where, incident, exc_info=cause)
    return "internal error", {"code": "INTERNAL", **reported}


def _of_result(error: GraphQLError) -> bool:
    """Whether it was raised about a value that a resolver gave: one that is not of its type, whatever a scalar says of it."""
    raised: BaseException | None = error
    while raised is not None:
        code = [frame.f_code for frame, _ in walk_tb(raised.__traceback__)]
        if _SERIALISES in code or (code and code[-1] in _COMPLETES):
            return True
        raised = raised.original_error if isinstance(raised, GraphQLError) else None
    return False


def _of_graphql(error: GraphQLError) -> dict[str, Any]:
    """What a GraphQLError is that says nothing of it itself."""
    if not error.path:
        return {"code": "GRAPHQL_VALIDATION_FAILED"}
    argument = _ARGUMENT.match(error.message)
    if argument is not None and error.nodes and isinstance(error.nodes[0], ValueNode):
        # A variable that may be null, or be absent, in the place of an argument that may not.
        return {"code": "BAD_USER_INPUT", "argumentPath": [argument[1]]}
    return {"code": "BAD_REQUEST"}


def _cause(error: GraphQLError) -> BaseException | None:
    """What was raised first, or None where that was a GraphQLError itself."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    # A resolver's TaskGroup wraps the one error that matters.
    while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    if isinstance(cause, GraphQLError):
        return _cause(cause)
    return cause
