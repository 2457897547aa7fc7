"""How much of a process each principal has: connections, and subscriptions on them."""

from __future__ import annotations

from typing import Final, TypeAlias

from bff.principal import Principal
from bff.serving.limits import Limits

__all__ = ["Share", "Shares", "TooMany"]

_Key: TypeAlias = tuple[str, str | None, str | None]
_PRINCIPAL: Final = "principal"
_ADDRESS: Final = "address"


class TooMany(Exception):
    """One connection more would be over ``limit``: its name in ``Limits``."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class Share:
    """What one user has: WebSockets and streams together, and the subscriptions on them. Or all that an address has that has not
    signed in. ``leave`` once for each time that it was joined, ``unsubscribe`` once for each ``subscribe``."""

    __slots__ = ("_key", "_most_subscriptions", "_shares", "connections", "subscriptions")

    def __init__(self, shares: dict[_Key, Share], key: _Key, most_subscriptions: int | None) -> None:
        self._shares = shares
        self._key = key
        self._most_subscriptions = most_subscriptions
        self.connections = 0
        self.subscriptions = 0

    def leave(self) -> None:
        """One connection fewer."""
        self.connections -= 1
        self._forget()

    def subscribe(self) -> bool:
        """One subscription more; False, and none, where it would be one too many."""
        if self._most_subscriptions is not None and self.subscriptions >= self._most_subscriptions:
            return False
        self.subscriptions += 1
        return True

    def unsubscribe(self) -> None:
        """One subscription fewer."""
        self.subscriptions -= 1
        self._forget()

    def _forget(self) -> None:
        if not self.connections and not self.subscriptions:
            del self._shares[self._key]


class Shares:
    """The shares of a process. It knows of those who are connected, and of nobody else.

    A user is one in all groups, and another one in another tenant. Whoever has not signed in is told apart by the peer's address
    alone, which behind a proxy may be the proxy's: docs/decisions/limits.md.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._shares: dict[_Key, Share] = {}

    def __len__(self) -> int:
        return len(self._shares)

    def admit(self, principal: Principal, address: str | None) -> None:
        """Raises TooMany where there is no place for one more connection."""
        share = self._shares.get(_key(principal, address))
        connections = 0 if share is None else share.connections
        if principal.is_signed_in:
            if connections >= self._limits.principal_sockets:
                raise TooMany("You have too many connections already.", "principal_sockets")
        elif self._limits.address_sockets is not None and connections >= self._limits.address_sockets:
            raise TooMany("Your address has too many connections already.", "address_sockets")

    def join(self, principal: Principal, address: str | None) -> Share:
        """Count one connection more, whether there is a place or not."""
        key = _key(principal, address)
        share = self._shares.get(key)
        if share is None:
            most = self._limits.principal_subscriptions if principal.is_signed_in else None
            share = self._shares[key] = Share(self._shares, key, most)
        share.connections += 1
        return share


def _key(principal: Principal, address: str | None) -> _Key:
    return (_PRINCIPAL, principal.tenant, principal.id) if principal.is_signed_in else (_ADDRESS, None, address)
