"""The HTTP status of what an operation's context raises, before or after the execution."""

from __future__ import annotations

from typing import Final

from bff.serving.errors import format_exception
from bff.serving.parameters import Unacceptable

__all__ = ["failed"]

# Of errors that come before the execution but are not about the request.
_STATUS: Final = {
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "STALE": 503,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    # https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header#section-2.7
    "IDEMPOTENCY_KEY_REUSED": 422,
}


def failed(error: Exception) -> Unacceptable:
    """The answer to the whole request."""
    formatted = format_exception(error)
    return Unacceptable([formatted], _STATUS.get(formatted["extensions"]["code"], 400))
