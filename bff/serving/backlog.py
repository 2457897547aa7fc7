"""The unsent text of all connections of a process, together."""

from __future__ import annotations

from typing import Protocol

from bff.serving.limits import Limits

__all__ = ["Backlog", "Shed", "Unsent"]


class Shed(Protocol):
    """Whoever holds unsent text."""

    def shed(self) -> None:
        """Let go of all unsent text, and end the connection: its peer is too slow."""
        ...


class Unsent(Protocol):
    """The unsent text of one connection."""

    @property
    def length(self) -> int: ...

    @property
    def owner(self) -> Shed | None:
        """Who can end the connection; None where it ends already."""
        ...


class Backlog:
    """Keeps the unsent text within ``limits.queued_bytes``: over it, the slowest connections are ended, one after another.

    The slowest is the one with the most unsent text: so the fewest have to go, and whoever reads has nothing to fear.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.queued_bytes
        self._holding: set[Unsent] = set()
        self.length = 0
        """How much text waits. Bytes."""

    def count(self, unsent: Unsent, change: int) -> None:
        """A connection holds so much more, or less."""
        self.length += change
        if change > 0:
            self._holding.add(unsent)
            if self.length > self._most:
                self._shed()
        elif not unsent.length:
            self._holding.discard(unsent)

    def _shed(self) -> None:
        while self.length > self._most:
            slowest = max((one for one in self._holding if one.owner is not None), key=lambda one: one.length, default=None)
            if slowest is None or slowest.owner is None:
                return
            slowest.owner.shed()
            if slowest.length:
                return  # it could not let go: the next text is another occasion
