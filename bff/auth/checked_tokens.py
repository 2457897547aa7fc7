"""Tokens that were checked a moment ago, and who they stand for: a signature takes longer to check than a query to answer."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bff.principal import Principal

__all__ = ["KEPT_SECONDS", "CheckedTokens"]

KEPT_SECONDS: Final = 60.0
"""For so long a token is not checked again; so long at most a key that its issuer has taken back goes on to count."""

MOST: Final = 4_096
LONGEST: Final = 4_096
"""Tokens of more characters are checked each time: what is kept of one is its claims."""


@dataclass(frozen=True, slots=True)
class _Checked:
    principal: Principal
    until: float
    keys: int


class CheckedTokens:
    """At most 4,096 tokens, the least recently used go first, each for a minute or until it expires, whichever is sooner.

    A token that was refused is never here: it is checked, and refused, each time. What was checked with other keys than there
    are now (``keys`` counts how often they have changed) is not known any more. Tokens themselves are not kept, their digests
    are. ``clock`` tells Unix time, ``monotonic`` seconds that nobody sets.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic, most: int = MOST
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._most = most
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    def __len__(self) -> int:
        return len(self._checked)

    def known(self, token: str, keys: int) -> Principal | None:
        """Who a token stands for, the same object each time; None where it is to be checked."""
        if not self._checked or len(token) > LONGEST:
            return None
        digest = _digest(token)
        checked = self._checked.get(digest)
        if checked is None:
            return None
        expires_at = checked.principal.expires_at
        if checked.keys != keys or checked.until <= self._monotonic() or (expires_at is not None and expires_at <= self._clock()):
            del self._checked[digest]
            return None
        self._checked.move_to_end(digest)
        return checked.principal

    def keep(self, token: str, principal: Principal, keys: int) -> None:
        """It was checked just now, with these keys, and is good."""
        if len(token) > LONGEST:
            return
        digest = _digest(token)
        self._checked[digest] = _Checked(principal, self._monotonic() + KEPT_SECONDS, keys)
        self._checked.move_to_end(digest)
        if len(self._checked) > self._most:
            self._checked.popitem(last=False)

    def clear(self) -> None:
        """Nothing is known any more."""
        self._checked.clear()


def _digest(token: str) -> bytes:
    # What is not text cannot have been signed: whatever stands for it here is never kept.
    return sha256(token.encode(errors="surrogatepass")).digest()
