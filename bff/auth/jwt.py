"""JSON Web Tokens: whoever shows one that an issuer has signed is who it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from bff.auth.bearer import MAX_TOKEN_CHARACTERS
from bff.auth.checked_tokens import CheckedTokens
from bff.auth.claims import Claim, Claims, ClaimsMapping, principal_from
from bff.auth.key_source import FetchedKeys, GivenKeys
from bff.auth.keys import ASYMMETRIC, SYMMETRIC, Material, given_keys
from bff.auth.packages import need
from bff.auth.port import Credentials
from bff.errors import SettingsError, Unauthenticated
from bff.principal import Principal

__all__ = ["JWTAuth", "checked_header"]

_REFUSED: Final = "The token is not valid."


class JWTAuth:
    """Authenticates by the token of ``Authorization: Bearer``; who has none has not signed in.

    ::

        JWTAuth(jwks_url="https://login.example.com/.well-known/jwks.json", audience="shop", issuer="https://login.example.com/")

    ``keys`` are given instead of ``jwks_url`` where they do not change. ``audience`` and ``issuer`` are checked unless they are
    None, which has to be said. A token must say when it expires, unless ``require_exp`` is False. ``leeway`` seconds are allowed
    between the issuer's clock and ours. ``user_claim``, ``tenant_claim`` and ``groups_claim`` are what the Principal is made
    from, or ``principal`` makes it from all claims.

    A token that is good is not checked again for a minute, see CheckedTokens; whether it has expired is.

    ``cache_seconds``, ``refetch_seconds``, ``stale_seconds`` and ``timeout`` are FetchedKeys' own. Raises SettingsError.
    """

    def __init__(
        self,
        *,
        audience: str | Sequence[str] | None,
        issuer: str | Sequence[str] | None,
        jwks_url: str | None = None,
        keys: Material | None = None,
        algorithms: Sequence[str] = ("RS256",),
        user_claim: Claim = "sub",
        tenant_claim: Claim | None = None,
        groups_claim: Claim | None = None,
        principal: Callable[[Claims], Principal] | None = None,
        leeway: float = 0.0,
        require_exp: bool = True,
        cache_seconds: float = 600.0,
        refetch_seconds: float = 10.0,
        stale_seconds: float = 24 * 3600.0,
        timeout: float = 5.0,
    ) -> None:
        need("JWTAuth", "jwt", "jwt", "cryptography", *(() if jwks_url is None else ("httpx",)))
        if (jwks_url is None) == (keys is None):
            raise SettingsError("JWTAuth: give either jwks_url= or keys=")
        if not 0 <= leeway <= 3600:
            raise SettingsError(f"JWTAuth: leeway={leeway!r}: give seconds, from 0 to 3600")
        self._algorithms = _checked_algorithms(algorithms, fetched=jwks_url is not None)
        self._audience = _checked_names("audience", audience)
        self._issuer = _checked_names("issuer", issuer)
        self._leeway = leeway
        self._required = ["exp"] if require_exp else []
        self._mapping = principal or ClaimsMapping(user_claim, tenant_claim, groups_claim)
        self._checked = CheckedTokens()
        self._keys: FetchedKeys | GivenKeys
        if jwks_url is not None:
            self._keys = FetchedKeys(
                jwks_url,
                cache_seconds=cache_seconds,
                refetch_seconds=refetch_seconds,
                stale_seconds=stale_seconds,
                timeout=timeout,
            )
        else:
            assert keys is not None, "one of them is given"
            self._keys = GivenKeys(given_keys(keys, self._algorithms))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._checked.clear()
        await self._keys.close()

    async def __call__(self, credentials: Credentials) -> Principal | None:
        """Who shows these credentials. Raises Unauthenticated, IssuerUnavailable."""
        token = credentials.token
        if token is None:
            return None
        known = self._checked.known(token, self._keys.changes)
        if known is not None:
            return known
        principal = principal_from(await self.claims(token), self._mapping, self._leeway)
        self._checked.keep(token, principal, self._keys.changes)
        return principal

    @property
    def key_changes(self) -> int:
        """How often the keys may have changed."""
        return self._keys.changes

    async def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that is signed, meant for us, and valid now. Raises Unauthenticated, IssuerUnavailable."""
        algorithm, kid = checked_header(token)
        if algorithm not in self._algorithms:
            raise Unauthenticated(_REFUSED)
        for key in await self._keys.find(kid):
            # By the key's own kind, not by what the token says: CVE-2015-9235, CVE-2016-10555, CVE-2022-29217.
            if algorithm in key.algorithms:
                claims = self._decoded(token, key.value, algorithm)
                if claims is not None:
                    return claims
        raise Unauthenticated(_REFUSED)

    def _decoded(self, token: str, key: Any, algorithm: str) -> dict[str, Any] | None:
        """The claims, if this key has signed them. Raises Unauthenticated where it has, and they are refused."""
        import jwt

        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={
                    "require": [*self._required],
                    "verify_aud": self._audience is not None,
                    "verify_iss": self._issuer is not None,
                },
            )
        except jwt.InvalidSignatureError:
            return None
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired.") from error
        except Exception as error:
            # Not only PyJWT's errors: json.loads takes Infinity, and nests as deeply as the stack does.
            raise Unauthenticated(_REFUSED) from error
        if not all(_is_time(claims.get(name)) for name in ("exp", "iat", "nbf")):
            raise Unauthenticated(_REFUSED)
        return claims


def checked_header(token: str) -> tuple[str, str | None]:
    """The algorithm and the kid that a token names. Raises Unauthenticated for whatever is odd about its header."""
    import jwt

    if len(token) > MAX_TOKEN_CHARACTERS or token.count(".") != 2:
        raise Unauthenticated(_REFUSED)
    try:
        header: Any = jwt.get_unverified_header(token)
    except Exception as error:
        raise Unauthenticated(_REFUSED) from error
    algorithm, kid = header.get("alg"), header.get("kid")
    # RFC 7515, section 4.1.11: nothing that we know is critical. CVE-2026-32597, CWE-345.
    if "crit" in header or "b64" in header or not isinstance(algorithm, str):
        raise Unauthenticated(_REFUSED)
    if kid is not None and (not isinstance(kid, str) or len(kid) > 1024):
        raise Unauthenticated(_REFUSED)
    return algorithm, kid


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))


def _checked_algorithms(algorithms: Sequence[str], *, fetched: bool) -> tuple[str, ...]:
    named = [algorithms] if isinstance(algorithms, str) else list(algorithms)
    unknown = [name for name in named if name not in ASYMMETRIC and name not in SYMMETRIC]
    if unknown or not named:
        known = ", ".join(sorted({*ASYMMETRIC, *SYMMETRIC}))
        raise SettingsError(f"JWTAuth: algorithms={algorithms!r}: there are {known}; a token without a signature is nobody's")
    secret = [name for name in named if name in SYMMETRIC]
    if secret and len(secret) < len(named):
        raise SettingsError(
            f"JWTAuth: algorithms={algorithms!r}: {secret[0]} takes a secret and the others a public key; "
            "make a JWTAuth for each, so that nobody can pass off the one for the other"
        )
    if secret and fetched:
        raise SettingsError(f"JWTAuth: algorithms={algorithms!r}: what is at jwks_url is public, and no secret; give keys=")
    return tuple(named)


def _checked_names(setting: str, value: str | Sequence[str] | None) -> str | list[str] | None:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else list(value)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise SettingsError(
            f"JWTAuth: {setting}={value!r}: give a name, a list of names, or None to take tokens of any {setting}"
        )
    return value if isinstance(value, str) else names
