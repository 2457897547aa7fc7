"""What authenticates: from what a client shows to who that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bff.errors import RequestError
from bff.principal import Principal

__all__ = ["Authenticate", "Credentials", "IssuerUnavailable", "Transport"]

Transport: TypeAlias = Literal["http", "websocket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client shows of itself.

    ``token`` is what stands behind ``Authorization: Bearer``, or on a socket in the payload of ``connection_init``, which counts
    before the header there; None where there is neither. ``headers`` are the request's, by their names in lower case; of a header
    that came twice, both, joined by a comma. ``payload`` is that of ``connection_init``, empty over HTTP.
    """

    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)
    transport: Transport = "http"


Authenticate: TypeAlias = Callable[[Credentials], Principal | Awaitable[Principal | None] | None]
"""Who shows these credentials; None: nobody who has signed in. Raises Unauthenticated for credentials that are wrong: its message
reaches the client. Whatever else it raises refuses as well, and its text is for the log alone."""


class IssuerUnavailable(RequestError):
    """The credentials cannot be checked now. Trying again later is safe."""

    code = "UNAVAILABLE"
