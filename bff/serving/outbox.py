"""What waits to be sent on one socket: bounded, fair, and for each operation in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from bff.serving.limits import Limits

__all__ = ["Lane", "Outbox"]


class Lane:
    """One operation's place in the outbox: at most one result, then at most one last message."""

    __slots__ = ("closed", "last", "result", "waiting")

    def __init__(self) -> None:
        self.result: str | None = None
        self.last: str | None = None
        self.waiting = False  # whether the lane stands in the outbox's queue
        self.closed = False  # nothing of it is sent any more


LaneT = TypeVar("LaneT", bound=Lane)


class Outbox(Generic[LaneT]):
    """Several operations put messages in, one writer takes them out.

    Controls (acknowledgement, pongs) go first. The lanes take turns, one message each. A lane holds one unsent result:
    ``put`` waits until the one before has been taken, ``replace`` takes its place.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._controls: deque[str] = deque()
        self._turns: deque[LaneT] = deque()
        self._length = 0
        self._filled = asyncio.Event()
        self._taken: asyncio.Future[None] | None = None

    @property
    def length(self) -> int:
        """How much text of the lanes waits."""
        return self._length

    async def control(self, text: str) -> None:
        """Queue a message of the socket itself; waits where too many are unsent."""
        while len(self._controls) >= self._limits.outbox_controls:
            await self._until_taken()
        self._controls.append(text)
        self._filled.set()

    async def room(self) -> None:
        """Wait until the unsent text is within its bound: ask before making more of it."""
        while self._length >= self._limits.outbox_bytes:
            await self._until_taken()

    async def put(self, lane: LaneT, text: str) -> None:
        """Queue a result, once the lane's last one has been taken."""
        while lane.result is not None and not lane.closed:
            await self._until_taken()
        self.replace(lane, text)

    def replace(self, lane: LaneT, text: str) -> None:
        """Queue a result instead of the lane's unsent one."""
        if lane.closed:
            return
        self._length += len(text) - len(lane.result or "")
        lane.result = text
        self._queue(lane)

    def finish(self, lane: LaneT, text: str) -> None:
        """Queue the lane's last message, after its unsent result."""
        if lane.closed or lane.last is not None:
            return
        self._length += len(text)
        lane.last = text
        self._queue(lane)

    def drop(self, lane: LaneT) -> None:
        """Send nothing more of this lane."""
        lane.closed = True
        self._length -= len(lane.result or "") + len(lane.last or "")
        lane.result = lane.last = None
        if lane.waiting:
            self._turns.remove(lane)
            lane.waiting = False
        self._wake()

    async def take(self) -> tuple[str, LaneT | None]:
        """The next message, and the lane that it is the last message of. For one writer only."""
        while not self._controls and not self._turns:
            self._filled.clear()
            await self._filled.wait()
        if self._controls:
            text, finished = self._controls.popleft(), None
        else:
            text, finished = self._take_turn(self._turns.popleft())
        self._wake()
        return text, finished

    def _take_turn(self, lane: LaneT) -> tuple[str, LaneT | None]:
        lane.waiting = False
        text, finished = lane.result, None
        if text is not None:
            lane.result = None
        else:
            text, lane.last, lane.closed, finished = lane.last or "", None, True, lane
        self._length -= len(text)
        if lane.last is not None:
            self._queue(lane)
        return text, finished

    def _queue(self, lane: LaneT) -> None:
        if not lane.waiting:
            lane.waiting = True
            self._turns.append(lane)
        self._filled.set()

    async def _until_taken(self) -> None:
        if self._taken is None:
            self._taken = asyncio.get_running_loop().create_future()
        # Shared by all that wait, so that one that is cancelled must not cancel it.
        await asyncio.shield(self._taken)

    def _wake(self) -> None:
        if self._taken is not None:
            self._taken.set_result(None)
            self._taken = None
