"""Asks whatever authenticates, such that nothing that goes wrong lets anybody in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, Final

from starlette.requests import HTTPConnection

from bff.auth.bearer import credentials
from bff.auth.port import Authenticate, IssuerUnavailable, Transport
from bff.auth.revocation import Revocations
from bff.auth.standing import Standing
from bff.begun import Begun
from bff.errors import Unauthenticated
from bff.principal import ANONYMOUS, Principal

__all__ = ["Authenticator", "principal_of"]

logger = logging.getLogger("bff.auth")

_STATE: Final = "bff_principal"


def principal_of(connection: HTTPConnection) -> Principal:
    """Who has sent a request, or holds a socket; ANONYMOUS where nobody was asked."""
    found = connection.scope.get("state", {}).get(_STATE)
    return found if isinstance(found, Principal) else ANONYMOUS


class Authenticator:
    """What an app authenticates with. ``seconds`` is how long it may take; ``clock`` tells Unix time."""

    def __init__(
        self,
        authenticate: Authenticate,
        revocations: Revocations | None = None,
        *,
        seconds: float = 10.0,
        warn_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authenticate = authenticate
        self._revocations = revocations
        self._seconds = seconds
        self._warn_seconds = warn_seconds
        self._clock = clock
        self._warned = False

    async def ask(
        self, connection: HTTPConnection, payload: Mapping[str, Any] | None = None, transport: Transport = "http"
    ) -> Principal:
        """Who that is. Raises Unauthenticated, IssuerUnavailable."""
        principal = await self._ask(connection, payload, transport)
        self._check(principal)
        return principal

    async def identify(self, request: HTTPConnection) -> Principal:
        """Who has sent an HTTP request, asked once; ``principal_of`` finds it then. Raises as ``ask``."""
        known = request.scope.get("state", {}).get(_STATE)
        if isinstance(known, Principal):
            return known
        principal = await self.ask(request)
        self.note(request, principal)
        return principal

    @staticmethod
    def note(connection: HTTPConnection, principal: Principal) -> None:
        """Have ``principal_of`` find it."""
        connection.scope.setdefault("state", {})[_STATE] = principal

    def standing(
        self, principal: Principal, over: Callable[[], None], warn: Callable[[float], None] | None = None
    ) -> Standing | None:
        """Calls ``over`` once the principal does not hold any more; None for whoever has not signed in, which always holds."""
        if principal.id is None and principal.expires_at is None:
            return None
        return Standing(principal, self._revocations, over, warn, self._warn_seconds, self._clock)

    async def _ask(self, connection: HTTPConnection, payload: Mapping[str, Any] | None, transport: Transport) -> Principal:
        try:
            found: Any = self._authenticate(credentials(connection.scope["headers"], payload, transport))
            if isawaitable(found):
                found = await self._waited(found)
        except (Unauthenticated, IssuerUnavailable):
            raise
        except TimeoutError as error:
            logger.exception("what authenticates has not answered within %s s: refused", self._seconds)
            raise IssuerUnavailable("Who is asking cannot be checked now.") from error
        except Exception as error:
            # A RequestError, too: what a user's function calls may say things that are not for whoever is not known.
            logger.exception("what authenticates has failed: refused")
            raise Unauthenticated("Who is asking could not be checked.") from error
        if found is None:
            return ANONYMOUS
        if not isinstance(found, Principal):
            logger.error("what authenticates has returned %s, not a Principal or None: refused", type(found).__name__)
            raise Unauthenticated("Who is asking could not be checked.")
        return found

    async def _waited(self, answer: Awaitable[Any]) -> Any:
        running: Any = answer.__await__()
        # Most tokens have been checked a moment ago: nothing is waited for, and no clock is started.
        try:
            waits_for = next(running)
        except StopIteration as done:
            return done.value
        async with asyncio.timeout(self._seconds):
            return await Begun(running, waits_for)

    def _check(self, principal: Principal) -> None:
        if principal.expires_at is not None and principal.expires_at <= self._clock():
            raise Unauthenticated("The token has expired.")
        if self._revocations is None or principal.id is None:
            return
        if self._revocations.is_revoked(principal):
            raise Unauthenticated("The token was revoked.")
        kept = self._clock() + self._revocations.hours * 3600
        if not self._warned and (principal.expires_at is None or principal.expires_at > kept):
            self._warned = True
            logger.warning(
                "a principal holds for longer than revocations are kept (revocation_hours = %g): once they are forgotten, "
                "its token would be good again",
                self._revocations.hours,
            )
