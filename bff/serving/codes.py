"""The codes that ``extensions.code`` of an error may hold, besides those of ``bff.errors`` and of DomainErrors."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["RequestCode"]

# A type checker refuses a code that is not here, and a test one that docs/errors.md does not explain.
RequestCode: TypeAlias = Literal[
    "BAD_REQUEST",
    "BAD_USER_INPUT",
    "DOCUMENT_NOT_TRUSTED",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "INTERNAL",
    "METHOD_NOT_ALLOWED",
    "NOT_ACCEPTABLE",
    "OPERATION_EXISTS",
    "OPERATION_RESOLUTION_FAILURE",
    "ORIGIN_NOT_ALLOWED",
    "PERSISTED_QUERY_NOT_FOUND",
    "PERSISTED_QUERY_NOT_SUPPORTED",
    "SERVICE_RESTART",
    "STREAM_EXISTS",
    "STREAM_NOT_FOUND",
    "TIMEOUT",
    "TOO_LARGE",
    "TOO_MANY_OPERATIONS",
    "TOO_MANY_STREAMS",
    "UNSUPPORTED_MEDIA_TYPE",
]
