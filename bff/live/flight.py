"""One read of several views, and those who wait for it beside the one whose read it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bff.errors import BFFError
from bff.live.settle import settle
from bff.projection.stored_view import StoredView

__all__ = ["Flight"]


class Flight:
    """``number`` is the how many-th it is: whoever asked before it began is given all that it found, also that nothing is there.

    ``gaps`` is how often something may have been missed of each key when it began: after another gap, what it finds may be too
    old to be shared with those who ask then.
    ``error`` is why it failed; an asyncio.CancelledError where the one whose read it was has gone away.
    """

    __slots__ = ("_waiting", "error", "found", "gaps", "number")

    def __init__(self, number: int, gaps: Mapping[str, int]) -> None:
        self.number = number
        self.gaps = gaps
        self.found: Mapping[str, StoredView | BFFError] | None = None
        self.error: BaseException | None = None
        self._waiting: list[asyncio.Future[None]] = []

    async def landed(self) -> None:
        """Wait until it has ended, one way or the other."""
        if self.found is None and self.error is None:
            # A future of its own: one who gives up waiting ends nobody else's.
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def land(self, found: Mapping[str, StoredView | BFFError]) -> None:
        """It has found this."""
        self.found = found
        settle(self._waiting, None)

    def fail(self, error: BaseException) -> None:
        """It has found nothing."""
        self.error = error
        settle(self._waiting, None)
