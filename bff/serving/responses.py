"""HTTP responses of GraphQL, and what they say about caching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Scope, Send

from bff.serving.compression import MINIMUM_BYTES, Compression, preferred_encoding
from bff.serving.errors import format_exception
from bff.serving.negotiation import field_value

__all__ = ["NO_STORE", "RESPOND_EXTENSION", "Head", "cached", "head", "not_modified", "respond"]

RESPOND_EXTENSION: Final = "bff.respond"
"""The ASGI extension that bff.serving.uvicorn_protocol adds: a callable of the ``send`` that the application was given, of the
header lines of a 200 but its length, and of its body. It sends all of that at once, or says False, and nothing is sent."""


@dataclass(frozen=True, slots=True)
class Head:
    """All headers of an answer but its length: as ASGI has them, and as they are written."""

    headers: Sequence[tuple[bytes, bytes]]
    lines: bytes

    def with_line(self, name: bytes, value: bytes) -> Head:
        """With one header more."""
        return Head([*self.headers, (name, value)], b"%b%b: %b\r\n" % (self.lines, name, value))

    async def send(self, scope: Scope, send: Send, body: bytes) -> None:
        """Send a whole answer, 200."""
        respond = scope.get("extensions", _NONE).get(RESPOND_EXTENSION)
        if respond is not None and respond(send, self.lines, body):
            return
        headers = [*self.headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_NONE: Final[Mapping[str, Any]] = {}

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
"""Of errors, of mutations, and of whatever has no ETag."""

# A browser's cache must not show one person what another one was answered.
_VARY = "Accept, Accept-Encoding, Authorization, Cookie"
_ALWAYS = {"X-Content-Type-Options": "nosniff"}


def cached(tag: str, max_age: int) -> dict[str, str]:
    """The headers of an answer with an ETag, which may be shown for ``max_age`` seconds without asking again."""
    control = f"private, max-age={max_age}" if max_age > 0 else "private, no-cache"
    return {"ETag": tag, "Cache-Control": control, "Vary": _VARY}


def head(media_type: str, encoding: str | None, headers: Mapping[str, str] = NO_STORE) -> Head:
    """What ``respond`` says about an answer without errors."""
    written = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _all(media_type, encoding, headers).items()
    ]
    return Head(written, b"".join(b"%b: %b\r\n" % line for line in written))


def not_modified(headers: Mapping[str, str]) -> Response:
    """304: the client holds the answer, and these headers are what is new about it."""
    return Response(status_code=304, headers={**_ALWAYS, **headers})


async def respond(
    request: HTTPRequest,
    payload: Mapping[str, Any] | Sequence[Any],
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] = NO_STORE,
    *,
    compression: Compression | None = None,
) -> Response:
    """The payload as JSON, in the encoding that the client prefers, if it is allowed and pays."""
    try:
        body = orjson.dumps(payload)
    except TypeError as error:
        # A scalar of the schema has let something through that JSON cannot hold.
        body, status, headers = orjson.dumps({"errors": [format_exception(error)]}), 500, NO_STORE
    encoding = None
    if compression is not None and len(body) >= MINIMUM_BYTES:
        encoding = preferred_encoding(field_value(request.headers, "accept-encoding"))
        if encoding is not None:
            body = await compression.compress(body, encoding)
    return Response(body, status, _all(media_type, encoding, headers))


def _all(media_type: str, encoding: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    written = {**_ALWAYS, **headers, "Content-Type": f"{media_type}; charset=utf-8"}
    if encoding is not None:
        written["Content-Encoding"] = encoding
    return written
