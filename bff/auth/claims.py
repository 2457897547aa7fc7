"""From the claims of a token to a Principal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from bff.errors import SettingsError, Unauthenticated
from bff.principal import MAX_GROUPS, Principal

__all__ = ["Claim", "Claims", "ClaimsMapping", "principal_from"]

Claim: TypeAlias = str | Sequence[str]
"""The name of a claim (``"sub"``), or its place (``("realm_access", "roles")``)."""

Claims: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimsMapping:
    """Which claims are the user, the tenant and the groups. Raises SettingsError for a place that is none."""

    user: Claim = "sub"
    tenant: Claim | None = None
    groups: Claim | None = None

    def __post_init__(self) -> None:
        for setting, claim in (("user_claim", self.user), ("tenant_claim", self.tenant), ("groups_claim", self.groups)):
            parts = [claim] if isinstance(claim, str) else claim
            if parts is not None and (not parts or not all(isinstance(part, str) and part for part in parts)):
                raise SettingsError(f"{setting}={claim!r}: give the name of a claim, or a tuple of names that lead to it")

    def __call__(self, claims: Claims) -> Principal:
        """Raises Unauthenticated where a claim is missing or of another type, or there are more than ``MAX_GROUPS`` groups."""
        user = _text(claims, self.user)
        if user is None:
            raise Unauthenticated("The token does not say whose it is.")
        return Principal(
            id=user,
            tenant=None if self.tenant is None else _text(claims, self.tenant),
            groups=frozenset() if self.groups is None else _groups(claims, self.groups),
        )


def principal_from(claims: Claims, mapping: Callable[[Claims], Principal], leeway: float) -> Principal:
    """The principal that a checked token stands for: it holds no longer than the token does.

    Raises Unauthenticated, and what ``mapping`` raises. A ``mapping`` that returns no Principal raises TypeError.
    """
    found = mapping(claims)
    if not isinstance(found, Principal):
        raise TypeError(f"the principal of a token is a Principal, not {type(found).__name__}")
    expires_at = None if claims.get("exp") is None else float(claims["exp"]) + leeway
    ends = [end for end in (found.expires_at, expires_at) if end is not None]
    issued_at = found.issued_at
    if issued_at is None and claims.get("iat") is not None:
        issued_at = float(claims["iat"])
    return replace(
        found,
        claims=found.claims or MappingProxyType(dict(claims)),
        expires_at=min(ends, default=None),
        issued_at=issued_at,
    )


def _at(claims: Claims, claim: Claim) -> Any:
    value: Any = claims
    for part in (claim,) if isinstance(claim, str) else claim:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(claims: Claims, claim: Claim) -> str | None:
    value = _at(claims, claim)
    if value is None or (isinstance(value, str) and value):
        return value
    raise Unauthenticated("A claim of the token is not as it should be.")


def _groups(claims: Claims, claim: Claim) -> frozenset[str]:
    value = _at(claims, claim)
    if value is None:
        return frozenset()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Unauthenticated("A claim of the token is not as it should be.")
    groups = frozenset(names)
    if len(groups) > MAX_GROUPS:
        # The remedy is the app's (`principal=`), and whoever asks is known by now.
        raise Unauthenticated(f"The token has {len(groups)} groups, and no more than {MAX_GROUPS} are taken.")
    return groups
