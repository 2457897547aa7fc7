"""HTTP responses of GraphQL, and what they say about caching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from bff.serving.compression import compress
from bff.serving.errors import format_exception
from bff.serving.negotiation import field_value

__all__ = ["NO_STORE", "cached", "not_modified", "respond"]

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
"""Of errors, of mutations, and of whatever has no ETag."""

# A browser's cache must not show one person what another one was answered.
_VARY = "Accept, Accept-Encoding, Authorization, Cookie"
_ALWAYS = {"X-Content-Type-Options": "nosniff"}


def cached(tag: str, max_age: int) -> dict[str, str]:
    """The headers of an answer with an ETag, which may be shown for ``max_age`` seconds without asking again."""
    control = f"private, max-age={max_age}" if max_age > 0 else "private, no-cache"
    return {"ETag": tag, "Cache-Control": control, "Vary": _VARY}


def not_modified(headers: Mapping[str, str]) -> Response:
    """304: the client holds the answer, and these headers are what is new about it."""
    return Response(status_code=304, headers={**_ALWAYS, **headers})


async def respond(
    request: HTTPRequest,
    payload: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] = NO_STORE,
    *,
    compressed: bool = True,
) -> Response:
    """The payload as JSON, in the encoding that the client prefers, if it is allowed and pays."""
    try:
        body = orjson.dumps(payload)
    except TypeError as error:
        # A scalar of the schema has let something through that JSON cannot hold.
        body, status, headers = orjson.dumps({"errors": [format_exception(error)]}), 500, NO_STORE
    encoding = None
    if compressed:
        body, encoding = await compress(body, field_value(request.headers, "accept-encoding"))
    written = {**_ALWAYS, **headers, "Content-Type": f"{media_type}; charset=utf-8"}
    if encoding is not None:
        written["Content-Encoding"] = encoding
    return Response(body, status, written)
