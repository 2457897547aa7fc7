"""Builds of one view take turns within a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

__all__ = ["Turns"]


class Turns:
    """Two builds of one view at a time would read the same, and one of them could not write it and would have to begin again.

    That happens with every mutation that is answered with a view: the projector hears of the change while the answer is built.
    Whoever comes second finds what the first has stored, and mostly has nothing to write. Between processes, writes conflict.
    """

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], list[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def take(self, view: str, keys: Iterable[str]) -> AsyncIterator[None]:
        """Have the turn of all these; within the ``with``, nobody else has that of any."""
        held: list[tuple[str, str]] = []
        try:
            for key in sorted(keys):  # in an order that all have in common: nobody waits for somebody who waits for them
                turn = (view, key)
                while turn in self._taken:
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._taken[turn].append(future)
                    await future
                self._taken[turn] = []
                held.append(turn)
            yield
        finally:
            for turn in held:
                for future in self._taken.pop(turn):
                    if not future.done():
                        future.set_result(None)
