"""The idempotency key of a request: from its header, or from its extensions."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.requests import Request

from bff.errors import BadUserInput
from bff.request_extensions import RequestExtensions

__all__ = ["idempotency_key"]

HEADER: Final = b"idempotency-key"
MAX_LENGTH: Final = 255

# A string of https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3, or what clients send that do not quote it.
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")


def idempotency_key(request: Any, asked: RequestExtensions) -> str | None:
    """The key that a mutation came with; None where it came without.

    The header counts for what came over HTTP: that of a WebSocket's handshake would be the key of everything that follows.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    Raises BadUserInput where the header holds something else, or another key than the extension.
    """
    given = _from_header(request)
    if given is None:
        return asked.idempotency_key
    if asked.idempotency_key is not None and asked.idempotency_key != given:
        raise BadUserInput(
            "the header Idempotency-Key and extensions.bff.idempotencyKey are different keys",
            ["extensions", "bff", "idempotencyKey"],
        )
    return given


def _from_header(request: Any) -> str | None:
    if not isinstance(request, Request):
        return None
    values: set[bytes] = {value for name, value in request.scope["headers"] if name == HEADER}
    if not values:
        return None
    text = values.pop().decode("latin-1").strip() if len(values) == 1 else ""
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not 0 < len(key) <= MAX_LENGTH or not (quoted or _BARE.fullmatch(text)):
        raise BadUserInput(
            f"the header Idempotency-Key is one string of 1 to {MAX_LENGTH} characters, as in "
            '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
            ["headers", "Idempotency-Key"],
        )
    return key
