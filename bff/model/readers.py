"""Who may see a view: computed with it, stored with it, compared with whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bff.errors import DeclarationError
from bff.model.codec import Codec
from bff.model.shape import Shape, expected
from bff.principal import Principal
from bff.types import Value

__all__ = ["READERS", "Readers", "may_read", "stored_readers", "tokens_of"]

READERS = "_readers"
"""The field of a view's document that holds who may see it. Clients cannot ask for it."""

PUBLIC = "public"
SIGNED_IN = "signed-in"


class Readers:
    """Some of all who could ask: ``Readers.users(host.id) | Readers.groups("staff")``.

    What ``ViewModel.readers`` returns. Made by its class methods, joined by ``|``.
    """

    __slots__ = ("tokens",)

    tokens: frozenset[str]
    """How they are stored: ``user:u1``, ``tenant:t1``, ``group:t1/staff``, ``signed-in``, ``public``."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = frozenset(tokens)

    @classmethod
    def public(cls) -> Readers:
        """Everybody, signed in or not."""
        return cls((PUBLIC,))

    @classmethod
    def signed_in(cls) -> Readers:
        """Everybody who is signed in, of whichever tenant."""
        return cls((SIGNED_IN,))

    @classmethod
    def nobody(cls) -> Readers:
        return cls(())

    @classmethod
    def users(cls, *ids: str) -> Readers:
        """These users, by the ids of their Principals."""
        return cls(f"user:{_given(id, 'the id of a user')}" for id in ids)

    @classmethod
    def tenant(cls, id: str) -> Readers:
        """All users of a tenant."""
        return cls((f"tenant:{_given(id, 'the id of a tenant')}",))

    @classmethod
    def groups(cls, *names: str, tenant: str | None = None) -> Readers:
        """The users of these groups, within a tenant; without one, those who belong to no tenant."""
        return cls(_group(_given(name, "the name of a group"), tenant) for name in names)

    def __or__(self, other: Readers) -> Readers:
        return Readers(self.tokens | other.tokens)

    def allow(self, principal: Principal) -> bool:
        """Whether this principal is one of them."""
        return not self.tokens.isdisjoint(tokens_of(principal))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Readers) and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __repr__(self) -> str:
        return f"Readers({', '.join(sorted(self.tokens)) or 'nobody'})"

    @classmethod
    def __bff_shape__(cls, annotation: Any, where: str) -> Shape:
        raise DeclarationError(where, "a field cannot return Readers; define readers(self) -> Readers on the view")


class ReadersShape(Shape):
    """Readers, stored as a sorted list: what a query can ask for with ``array-contains-any``."""

    def encode(self, value: Any) -> Value:
        if not isinstance(value, Readers):
            raise expected("Readers, e.g. Readers.users(…)", value)
        tokens: list[Value] = [*sorted(value.tokens)]
        return tokens

    def decode(self, stored: Any) -> Readers:
        if not isinstance(stored, list):
            raise expected("a list of readers", stored)
        return Readers(stored)


READERS_CODEC = Codec(Readers, ReadersShape())


def tokens_of(principal: Principal) -> frozenset[str]:
    """All that a principal is: it may see what names one of these."""
    if principal.id is None:
        return frozenset((PUBLIC,))
    tokens = {PUBLIC, SIGNED_IN, f"user:{principal.id}", *(_group(name, principal.tenant) for name in principal.groups)}
    if principal.tenant is not None:
        tokens.add(f"tenant:{principal.tenant}")
    return frozenset(tokens)


def may_read(stored: Value, tokens: frozenset[str]) -> bool:
    """Whether who is all of ``tokens`` may see a view whose document has this in ``READERS``.

    Nothing there, or nothing that could have been written there, is seen by nobody.
    """
    return isinstance(stored, list) and not tokens.isdisjoint(one for one in stored if isinstance(one, str))


def stored_readers(stored: Value) -> frozenset[str]:
    """Who may see a view whose document has this in ``READERS``: as ``may_read``, for who compares it with many."""
    return frozenset(one for one in stored if isinstance(one, str)) if isinstance(stored, list) else frozenset()


def _group(name: str, tenant: str | None) -> str:
    # A slash in a tenant's id must not make it another tenant's group.
    return f"group:{'' if tenant is None else tenant.replace('%', '%25').replace('/', '%2F')}/{name}"


def _given(name: Any, what: str) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"{what} is a str that is not empty, not {name!r}")
    return name
