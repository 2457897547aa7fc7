"""Firebase ID tokens.

https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library
"""

from __future__ import annotations

import os
import re
import time
from types import TracebackType
from typing import Any, Final, Self

from bff.auth.bearer import MAX_TOKEN_CHARACTERS
from bff.auth.checked_tokens import CheckedTokens
from bff.auth.claims import Claim, ClaimsMapping, principal_from
from bff.auth.jwt import JWTAuth, checked_header
from bff.auth.packages import need
from bff.auth.port import Credentials
from bff.errors import SettingsError, Unauthenticated
from bff.principal import Principal

__all__ = ["CERTIFICATES", "EMULATOR_VARIABLE", "FirebaseAuth"]

CERTIFICATES: Final = "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
"""Where Google publishes the certificates, by their kids; how long they hold is in the answer's ``Cache-Control``."""

EMULATOR_VARIABLE: Final = "FIREBASE_AUTH_EMULATOR_HOST"

_REFUSED: Final = "The token is not valid."
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[a-z0-9][a-z0-9-]*")
_MAX_UID: Final = 128


class FirebaseAuth:
    """Authenticates by the ID tokens of a Firebase project: the user is their ``sub``, the tenant is ``firebase.tenant``.

    ``groups_claim`` is a custom claim of yours. With ``emulator`` it takes the Auth emulator's tokens, which nobody has signed,
    and no others; that is refused where the environment has no ``FIREBASE_AUTH_EMULATOR_HOST``, so that it cannot be left on
    where real people sign in. Raises SettingsError.
    """

    def __init__(
        self,
        *,
        project: str,
        groups_claim: Claim | None = None,
        leeway: float = 0.0,
        emulator: bool = False,
        certificates_url: str = CERTIFICATES,
        timeout: float = 5.0,
    ) -> None:
        need("FirebaseAuth", "firebase", "jwt", "cryptography", "httpx")
        if not _PROJECT.fullmatch(project):
            raise SettingsError(f"FirebaseAuth: project={project!r}: give the id of a project, as in its console")
        if emulator and not os.environ.get(EMULATOR_VARIABLE):
            raise SettingsError(
                f"FirebaseAuth: emulator=True takes tokens that nobody has signed, and {EMULATOR_VARIABLE} is not set: "
                "set it where the Auth emulator runs, and leave emulator out everywhere else"
            )
        self._project = project
        self._issuer = f"https://securetoken.google.com/{project}"
        self._leeway = leeway
        self._emulator = emulator
        self._checked = CheckedTokens()
        self._mapping = ClaimsMapping("sub", ("firebase", "tenant"), groups_claim)
        self._tokens = JWTAuth(
            jwks_url=certificates_url,
            audience=project,
            issuer=self._issuer,
            leeway=leeway,
            timeout=timeout,
            # Google's answers say for how long.
            cache_seconds=3600.0,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._checked.clear()
        await self._tokens.__aexit__(kind, error, traceback)

    async def __call__(self, credentials: Credentials) -> Principal | None:
        """Who shows these credentials. Raises Unauthenticated, IssuerUnavailable."""
        token = credentials.token
        if token is None:
            return None
        known = self._checked.known(token, self._tokens.key_changes)
        if known is not None:
            return known
        if self._emulator:
            claims = self._unsigned(token)
        else:
            _, kid = checked_header(token)
            if kid is None:
                raise Unauthenticated(_REFUSED)
            claims = await self._tokens.claims(token)
        self._check(claims)
        principal = principal_from(claims, self._mapping, self._leeway)
        self._checked.keep(token, principal, self._tokens.key_changes)
        return principal

    def _unsigned(self, token: str) -> dict[str, Any]:
        """The claims of a token of the emulator. Raises Unauthenticated."""
        import jwt

        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated(_REFUSED)
        try:
            algorithm, _ = checked_header(token)
            if algorithm != "none" or not token.endswith("."):
                raise Unauthenticated("This token is signed: it is not the emulator's.")
            return jwt.decode(
                token,
                algorithms=["none"],
                audience=self._project,
                issuer=self._issuer,
                leeway=self._leeway,
                options={
                    "verify_signature": False,
                    "verify_exp": True,
                    "verify_iat": True,
                    "verify_aud": True,
                    "verify_iss": True,
                    "require": ["exp"],
                },
            )
        except Unauthenticated:
            raise
        except Exception as error:
            raise Unauthenticated(_REFUSED) from error

    def _check(self, claims: dict[str, Any]) -> None:
        """What Firebase asks for beyond what every token is checked for. Raises Unauthenticated."""
        subject, now = claims.get("sub"), time.time() + self._leeway
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_UID:
            raise Unauthenticated(_REFUSED)
        for name in ("auth_time", "iat"):
            value = claims.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value > now:
                raise Unauthenticated(_REFUSED)
