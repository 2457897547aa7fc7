"""When listeners look for what this process has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["LONGEST_SECONDS", "Wakes"]

LONGEST_SECONDS: Final = 0.01
"""So long commits that follow each other keep listeners waiting, at most."""


class Wakes:
    """Calls ``wake`` once for commits that follow each other, as a mutation's and that of the view which it is answered with do.

    To look for news takes the event loop, and the interpreter from the writer's thread: whoever has awaited a commit goes on
    first, and if it commits at once again, ``busy`` says so, and that commit is found by the same look.
    """

    __slots__ = ("_busy", "_due", "_wake")

    def __init__(self, wake: Callable[[], None], busy: Callable[[], bool]) -> None:
        self._wake = wake
        self._busy = busy
        self._due: asyncio.TimerHandle | None = None

    def committed(self) -> None:
        """There are commits. Called from the event loop; those who await them were told, or go on when this returns."""
        loop = asyncio.get_running_loop()
        if self._due is None:
            self._due = loop.call_later(LONGEST_SECONDS, self._call)
        # Those who await them run in the next round at the latest: in the one after that it is known whether they commit again.
        loop.call_soon(loop.call_soon, self._look)

    def close(self) -> None:
        """Call no more for what there was so far."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _look(self) -> None:
        if self._due is not None and not self._busy():
            self._call()

    def _call(self) -> None:
        self.close()
        self._wake()
