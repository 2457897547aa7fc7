"""Who asks, in routes that are the app's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bff.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["ASK", "identify"]

ASK: Final = "bff_ask"
"""Where in the state of a request it stands what tells who has sent it (``bff.serving.own_route``)."""


async def identify(connection: HTTPConnection) -> Principal:
    """Who has sent a request to a route of ``App(routes=…)``, or opens a WebSocket there, by what the app was given as ``auth``.

    ::

        async def invoice(request: Request) -> Response:
            principal = await bff.identify(request)

    ANONYMOUS where nobody has signed in, and where the app has no ``auth``. What it raises need not be caught: Unauthenticated is
    answered with 401, and IssuerUnavailable with 503; Forbidden with 403, for pages of other origins than the app's own and
    ``allowed_origins``, by which a browser may be sent here with a user's cookies (CWE-352, CWE-1385).
    """
    ask = connection.scope.get("state", {}).get(ASK)
    return ANONYMOUS if ask is None else await ask(connection)
