"""Who holds a socket, from its ``connection_init`` to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import HTTPConnection

from bff.auth.authenticator import Authenticator
from bff.auth.port import IssuerUnavailable
from bff.auth.standing import Standing
from bff.errors import RequestError, Unauthenticated
from bff.principal import ANONYMOUS, Principal

__all__ = ["Identity", "refresh_token", "refused"]


class Identity:
    """Calls ``over`` once the principal of a socket does not hold any more, and ``warn``, with when it expires, before that."""

    __slots__ = ("_authenticator", "_closed", "_connection", "_over", "_standing", "_warn", "principal")

    def __init__(
        self,
        authenticator: Authenticator,
        connection: Callable[[], HTTPConnection],
        over: Callable[[], None],
        warn: Callable[[float], None],
    ) -> None:
        self._authenticator = authenticator
        self._connection = connection
        self._over = over
        self._warn = warn
        self._standing: Standing | None = None
        self._closed = False
        self.principal: Principal = ANONYMOUS

    @property
    def holds(self) -> bool:
        return self._standing is None or not self._standing.expired

    async def begin(self, payload: Mapping[str, Any] | None) -> None:
        """By the payload of ``connection_init``. Raises Unauthenticated, IssuerUnavailable."""
        self._take(await self._authenticator.ask(self._connection(), payload, "websocket"))

    async def refresh(self, token: object) -> dict[str, Any] | None:
        """Go on under another token. What is said of it; None where it is another principal's, which ends the socket.

        One that is refused changes nothing: the one before holds for as long as it did.
        """
        if not isinstance(token, str) or not token:
            return refused("UNAUTHENTICATED", "The token is not a string, or is empty.")
        try:
            principal = await self._authenticator.ask(self._connection(), {"token": token}, "websocket")
        except (Unauthenticated, IssuerUnavailable) as error:
            return _refused(error)
        # Tenant and groups, too: what is open was opened under these.
        if principal != self.principal:
            return None
        self._take(principal)
        taken: dict[str, Any] = {"taken": True}
        if principal.expires_at is not None:
            taken["expiresAt"] = principal.expires_at
        return {"bff": taken}

    def close(self) -> None:
        """Nobody is called any more."""
        self._closed = True
        self._over, self._warn = _nobody, _nobody  # the session, which holds this
        if self._standing is not None:
            self._standing.close()
            self._standing = None

    def _take(self, principal: Principal) -> None:
        if self._closed:
            return  # the socket has ended meanwhile
        self._authenticator.note(self._connection(), principal)
        before, self.principal = self._standing, principal
        self._standing = self._authenticator.standing(principal, self._over, self._warn)
        if before is not None:
            before.close()


def _nobody(*_: object) -> None:
    """Whom a closed one calls."""


def refresh_token(payload: Mapping[str, Any] | None) -> object | None:
    """The token in ``{"bff": {"token": "…"}}``, the payload of a ping that brings one; None of any other."""
    ours = None if payload is None else payload.get("bff")
    return ours.get("token") if isinstance(ours, dict) else None


def refused(code: str, message: str) -> dict[str, Any]:
    """The payload of the pong for a token that is not taken."""
    return {"bff": {"taken": False, "code": code, "message": message}}


def _refused(error: RequestError) -> dict[str, Any]:
    return refused(error.code, str(error))
