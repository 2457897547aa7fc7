"""Routes of the app's own: served as they are, by an app that can tell them who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.datastructures import URLPath
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from bff.auth.authenticator import Authenticator
from bff.auth.identify import ASK
from bff.auth.port import IssuerUnavailable
from bff.errors import Forbidden, Unauthenticated
from bff.principal import Principal
from bff.serving.failed import failed
from bff.serving.messages import CloseCode
from bff.serving.origins import Origins
from bff.serving.responses import NO_STORE

__all__ = ["REFUSED", "OwnRoute"]

_FOREIGN: Final = "A page of another origin may not do this: see allowed_origins."


class OwnRoute(BaseRoute):
    """A route in which ``bff.identify`` knows whom to ask."""

    def __init__(self, route: BaseRoute, authenticator: Authenticator, allowed_origins: Sequence[str]) -> None:
        self._route = route
        self._authenticator = authenticator
        self._origins = Origins(allowed_origins)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return self._route.matches(scope)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        return self._route.url_path_for(name, **path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[ASK] = self._ask
        await self._route.handle(scope, receive, send)

    async def _ask(self, connection: HTTPConnection) -> Principal:
        # A page that was followed here by a link has sent no origin: what a GET does is for the route to bear.
        if not self._origins.allow(connection.headers):
            raise Forbidden(_FOREIGN)
        return await self._authenticator.identify(connection)


async def _refused(connection: HTTPConnection, error: Exception) -> Response | None:
    """The answer to what was raised before there was one; a WebSocket is closed."""
    if isinstance(connection, WebSocket):
        unavailable = isinstance(error, IssuerUnavailable)
        # Before it is accepted, that is an answer of 403.
        await connection.close(CloseCode.TRY_AGAIN_LATER if unavailable else CloseCode.FORBIDDEN)
        return None
    refused = failed(error)
    headers: dict[str, str] = {**NO_STORE, "Content-Type": "application/json; charset=utf-8"}
    if refused.status == 401:
        shown = "authorization" in connection.headers
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if shown else "Bearer"
    return Response(orjson.dumps({"errors": refused.errors}), refused.status, headers)


REFUSED: Final[Mapping[Any, Any]] = {Unauthenticated: _refused, IssuerUnavailable: _refused, Forbidden: _refused}
"""Starlette's exception handlers."""
