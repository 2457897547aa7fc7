"""The id of the request that is being served: given by the client or a proxy, or made here."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

__all__ = ["HEADER", "RequestIdFilter", "current_request_id", "request_id_of"]

HEADER: Final = b"x-request-id"

# What stands in logs and in a header is no place for spaces, quotes and line breaks, nor for a client's novel.
_GIVEN: Final = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}", re.ASCII)

current_request_id: Final[ContextVar[str | None]] = ContextVar("bff.request_id", default=None)
"""The id of what is being served; None outside of a request. A WebSocket's operations have the id of its handshake."""


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The request's own ``X-Request-Id``, if it is one, of at most 128 characters; otherwise a new one of 128 random bits."""
    given = [value for name, value in headers if name == HEADER]
    if len(given) == 1 and _GIVEN.fullmatch(given[0]):
        return given[0].decode("ascii")
    return secrets.token_hex(16)


class RequestIdFilter(logging.Filter):
    """Adds ``request_id`` to the records that pass a handler: None outside of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True
