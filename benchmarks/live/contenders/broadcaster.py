"""broadcaster in memory: what those of the Python peers that have no channels of their own are used with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Generic, TypeVar

from broadcaster import Broadcast

from benchmarks.live.state import key, marker, number_of

__all__ = ["Channels"]

T = TypeVar("T")


class Channels(Generic[T]):
    """The present state of each view, and a channel for each of them."""

    def __init__(self, first: Callable[[int], T], titled: Callable[[T, str], T]) -> None:
        """``first`` makes the first state of a view, ``titled`` the next one, which differs in its title."""
        self.broadcast = Broadcast("memory://")
        self._first = first
        self._titled = titled
        self._states: dict[str, T] = {}
        self._changes: defaultdict[int, int] = defaultdict(int)

    def present(self, id: str) -> T:
        if id not in self._states:
            self._states[id] = self._first(number_of(id))
        return self._states[id]

    async def follow(self, id: str) -> AsyncGenerator[T, None]:
        """The present state, then each that is published."""
        events: Any
        async with self.broadcast.subscribe(channel=id) as events:
            yield self.present(id)
            async for event in events:
                yield event.message

    async def change(self, views: Sequence[int]) -> None:
        """Publish the next state of each."""
        for view in views:
            self._changes[view] += 1
            self._states[key(view)] = state = self._titled(self.present(key(view)), marker(view, self._changes[view]))
            message: Any = state
            await self.broadcast.publish(channel=key(view), message=message)
