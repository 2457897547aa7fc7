"""For how long a datastore has held the event loop in this round of it."""

from __future__ import annotations

import asyncio

from bff.datastore.sqlite.pace import HERE_SECONDS

__all__ = ["Rounds"]


class Rounds:
    """What neither waits nor is handed over does not give way either: in each round of the event loop there is a budget for that.

    A task that reads and commits on and on would keep all others from running.
    """

    __slots__ = ("_round", "_spent")

    def __init__(self) -> None:
        self._spent = 0.0
        self._round = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it was held for as long as it may be."""
        return self._spent >= HERE_SECONDS

    def spend(self, seconds: float) -> None:
        """The event loop was held for so long."""
        if not self._spent:
            asyncio.get_running_loop().call_soon(self._begin)
        self._spent += seconds

    async def turn(self) -> None:
        """Wait for the next round where this one is over: what else is to be done comes first."""
        while self.is_over:
            await self._round.wait()

    def _begin(self) -> None:
        self._spent = 0.0
        self._round.set()
        self._round.clear()
