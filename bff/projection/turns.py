"""Builds of one view take turns within a process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import TypeAlias

__all__ = ["Turns"]

_Turn: TypeAlias = tuple[str, str]


class Turns:
    """Two builds of one view at a time would read the same, and one of them could not write it and would have to begin again.

    That happens with every mutation that is answered with a view: the projector hears of the change while the answer is built.
    Whoever comes second finds what the first has stored, and mostly has nothing to write. Between processes, writes conflict.
    """

    def __init__(self) -> None:
        self._taken: dict[_Turn, list[asyncio.Future[None]]] = {}

    def take(self, view: str, keys: Iterable[str]) -> _Taking:
        """Have the turn of all these; within the ``async with``, nobody else has that of any."""
        # In an order that all have in common: nobody waits for somebody who waits for them.
        return _Taking(self._taken, [(view, key) for key in sorted(keys)])


class _Taking:
    def __init__(self, taken: dict[_Turn, list[asyncio.Future[None]]], wanted: list[_Turn]) -> None:
        self._taken = taken
        self._wanted = wanted
        self._held: list[_Turn] = []

    async def __aenter__(self) -> None:
        try:
            for turn in self._wanted:
                while turn in self._taken:
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._taken[turn].append(future)
                    await future
                self._taken[turn] = []
                self._held.append(turn)
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        for turn in self._held:
            for future in self._taken.pop(turn):
                if not future.done():
                    future.set_result(None)
