"""How long a connection may be idle between two requests."""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable

__all__ = ["IdleTimer"]


class IdleTimer:
    """Calls ``expired`` when a connection has been idle for so many seconds.

    One timer of the event loop outlasts many pauses: when it is due it looks how long the last one has been. To start one with
    each answer, and stop it with each request, costs a tenth of what a query takes (docs/decisions/http-path.md).
    """

    __slots__ = ("_expired", "_idle_since", "_loop", "_seconds", "_timer")

    def __init__(self, loop: AbstractEventLoop, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expired = expired
        self._idle_since: float | None = None
        self._timer: TimerHandle | None = None

    def idle(self) -> None:
        """A pause begins."""
        self._idle_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def busy(self) -> None:
        """It is over."""
        self._idle_since = None

    def close(self) -> None:
        """Nothing expires any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._idle_since is None:
            return  # the next pause starts another
        left = self._idle_since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._expired()
