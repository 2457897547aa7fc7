"""Where a client puts its token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bff.auth.port import Credentials, Transport
from bff.errors import Unauthenticated

__all__ = ["MAX_TOKEN_CHARACTERS", "credentials"]

MAX_TOKEN_CHARACTERS: Final = 16 * 1024
"""The longest token that anybody looks at."""

_MALFORMED: Final = "The Authorization header is malformed."


def credentials(
    headers: Sequence[tuple[bytes, bytes]], payload: Mapping[str, Any] | None = None, transport: Transport = "http"
) -> Credentials:
    """What came in these headers (as ASGI has them), or in the payload of a ``connection_init``.

    A payload may have ``{"token": "…"}`` or ``{"Authorization": "Bearer …"}``, at the top or in ``headers``, as clients send it.
    Raises Unauthenticated where it cannot be told which token is meant, or where it is none.
    """
    named: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "authorization" and name in named:
            # CWE-436: who stands in front of us may have looked at the other one.
            raise Unauthenticated("There is more than one Authorization header.")
        named[name] = f"{named[name]}, {value}" if name in named else value
    token = None if payload is None else _of_payload(payload)
    if token is None and "authorization" in named:
        token = _bearer(named["authorization"])
    if token is not None and len(token) > MAX_TOKEN_CHARACTERS:
        raise Unauthenticated(f"The token is longer than {MAX_TOKEN_CHARACTERS} characters.")
    return Credentials(token=token, headers=named, payload=payload or {}, transport=transport)


def _of_payload(payload: Mapping[str, Any]) -> str | None:
    found: list[Any] = []
    inner = payload.get("headers")
    for holder in (payload, inner if isinstance(inner, dict) else {}):
        for name, value in holder.items():
            if value is not None and name.lower() == "authorization":
                found.append(_bearer(value) if isinstance(value, str) else value)
    if payload.get("token") is not None:
        found.append(payload["token"])
    if any(not isinstance(one, str) or not one for one in found):
        raise Unauthenticated("The token of connection_init is not a string, or is empty.")
    if len(set(found)) > 1:
        raise Unauthenticated("There is more than one token in connection_init.")
    return found[0] if found else None


def _bearer(value: str) -> str | None:
    """The token; None where it is of another scheme."""
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or " " in token or "," in token:
        raise Unauthenticated(_MALFORMED)
    return token
