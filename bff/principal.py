"""Who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ANONYMOUS", "MAX_GROUPS", "Principal", "signed_in"]

MAX_GROUPS = 20
"""Whoever asks is compared with readers by one query: Firestore's takes 30 values (``array-contains-any``)."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A user, or whoever has not signed in: the one whose ``id`` is None (``ANONYMOUS``).

    ``tenant`` is the customer whose data the user works with, ``groups`` are the user's within it. ``claims`` are what the token
    says, for your own use. ``expires_at`` is until when this holds, ``issued_at`` since when: Unix time, seconds.

    Raises ValueError where an id, a tenant or a group is empty, or where one that has not signed in is said to have any, or where
    there are more than ``MAX_GROUPS`` groups: take those that readers name.
    """

    id: str | None = None
    tenant: str | None = None
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    expires_at: float | None = field(default=None, compare=False)
    issued_at: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.id is None and (self.tenant is not None or self.groups):
            raise ValueError("a Principal without an id is nobody in particular: it has no tenant and no groups")
        if any(name == "" for name in (self.id, self.tenant, *self.groups)):
            raise ValueError("the id, the tenant and the groups of a Principal are not empty; leave out what there is not")

        if len(self.groups) > MAX_GROUPS:
            raise ValueError(f"{len(self.groups)} groups; a Principal has at most {MAX_GROUPS}: take those that readers name")

    @property
    def is_signed_in(self) -> bool:
        return self.id is not None


ANONYMOUS = Principal()
"""Whoever has not signed in."""


def signed_in(principal: Principal) -> bool:
    """Whether somebody has: ``@mutation(allow=signed_in)``."""
    return principal.is_signed_in
