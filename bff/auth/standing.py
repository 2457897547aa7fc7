"""How long a principal holds on one connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from bff.auth.revocation import Revocations
from bff.principal import Principal

__all__ = ["Standing"]

_LOOK_SECONDS: Final = 30.0
"""How often the clock is looked at, at least: it may be set, and a machine may sleep."""


class Standing:
    """Calls ``over`` once the principal has expired or is revoked, and before that ``warn``, with when it expires.

    ``warn_seconds`` is how long before; ``clock`` tells Unix time. Whoever makes one closes it.
    """

    __slots__ = ("_clock", "_forget", "_loop", "_over", "_timer", "_warn", "_warn_at", "principal")

    def __init__(
        self,
        principal: Principal,
        revocations: Revocations | None,
        over: Callable[[], None],
        warn: Callable[[float], None] | None = None,
        warn_seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.principal = principal
        self._over = over
        self._warn = warn
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._forget = None if revocations is None else revocations.watch(principal, over)
        self._warn_at = None if warn is None or principal.expires_at is None else principal.expires_at - warn_seconds
        if principal.expires_at is not None:
            self._look()

    @property
    def expired(self) -> bool:
        return self.principal.expires_at is not None and self.principal.expires_at <= self._clock()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._forget is not None:
            self._forget()
        self._timer = self._forget = None

    def _look(self) -> None:
        expires_at, now = self.principal.expires_at, self._clock()
        assert expires_at is not None, "only who expires is looked at"
        if expires_at <= now:
            # Not here: whoever makes a Standing does not have it yet.
            self._timer = self._loop.call_later(0, self._over)
            return
        if self._warn_at is not None and self._warn is not None and self._warn_at <= now:
            self._warn_at = None
            self._timer = self._loop.call_later(0, self._told, self._warn, expires_at)
            return
        due = expires_at if self._warn_at is None else self._warn_at
        self._timer = self._loop.call_later(min(due - now, _LOOK_SECONDS), self._look)

    def _told(self, warn: Callable[[float], None], expires_at: float) -> None:
        self._look()
        warn(expires_at)
