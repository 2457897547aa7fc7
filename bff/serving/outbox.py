"""What waits to be sent on one socket: bounded, fair, and for each operation in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from bff.serving.backlog import Backlog, Shed
from bff.serving.limits import Limits
from bff.serving.wire import Frames

__all__ = ["Lane", "Outbox"]


class Lane:
    """One operation's place in the outbox: at most one result, then at most one last message.

    A lane whose messages are made when their turn has come overrides ``pull``, and is queued with ``Outbox.queue``. One that
    wants to know that its last message is taken overrides ``ended``.
    """

    __slots__ = ("closed", "last", "result", "waiting")

    def __init__(self) -> None:
        self.result: bytes | None = None
        self.last: bytes | None = None
        self.waiting = False  # whether the lane stands in the outbox's queue
        self.closed = False  # nothing of it is sent any more

    def pull(self) -> bytes | None:
        """What to send now, of a lane that has nothing in the outbox; it may queue itself again."""
        return None

    def ended(self) -> None:
        """Its last message has been taken, and is about to be sent."""


LaneT = TypeVar("LaneT", bound=Lane)


class Outbox(Generic[LaneT]):
    """Several operations put messages in, one writer takes them out.

    Controls (acknowledgement, pongs) go first. The lanes take turns, one message each. A lane holds one unsent result:
    ``put`` waits until the one before has been taken, ``replace`` takes its place.

    A writer that awaits uses ``take``; another one is told by ``on_filled`` that there may be something, and uses ``collect``.
    """

    # One for each socket, most of them silent: a deque or an asyncio.Event takes more than everything here together.
    __slots__ = (
        "_arrival",
        "_backlog",
        "_controls",
        "_length",
        "_limits",
        "_taken",
        "frames",
        "on_failed",
        "on_filled",
        "owner",
        "several",
        "turns",
        "waiting",
    )

    def __init__(self, limits: Limits, backlog: Backlog | None = None) -> None:
        """``backlog`` counts the unsent text of this one and of others."""
        self._backlog = backlog
        self.owner: Shed | None = None
        """Who lets go of the text where all of them hold too much."""
        self.on_filled: Callable[[], None] = _nobody_listens
        self.on_failed: Callable[[], None] = _nobody_listens
        """To call where what was to be written past the queue cannot be."""
        self._limits = limits
        self._controls: list[bytes] = []
        self.turns: list[LaneT] = []  # the lanes that wait, in their order
        self._length = 0
        self._arrival: asyncio.Future[None] | None = None
        self._taken: asyncio.Future[None] | None = None
        self.waiting = False
        """Whether there is something to take."""
        self.several = False
        """Whether several lanes use it: what they are sent at a time is written at a time."""
        self.frames: Frames | None = None
        """Where a lane may write past the queue, while nothing waits in it."""

    @property
    def length(self) -> int:
        """How much text of the lanes waits."""
        return self._length

    def control(self, text: bytes) -> None:
        """Queue a message of the socket itself."""
        self._controls.append(text)
        self.waiting = True
        self.on_filled()

    @property
    def crowded(self) -> bool:
        """Whether too many messages of the socket itself are unsent: then nothing more is to be read that could ask for one."""
        return len(self._controls) >= self._limits.outbox_controls

    async def relief(self) -> None:
        """Wait until it is not crowded any more."""
        while self.crowded:
            await self._until_taken()

    async def room(self) -> None:
        """Wait until the unsent text is within its bound: ask before making more of it."""
        while self._length >= self._limits.outbox_bytes:
            await self._until_taken()

    async def taken(self) -> None:
        """Wait until some of what waits has been taken."""
        await self._until_taken()

    async def put(self, lane: LaneT, text: bytes) -> None:
        """Queue a result, once the lane's last one has been taken."""
        while lane.result is not None and not lane.closed:
            await self._until_taken()
        self.replace(lane, text)

    def replace(self, lane: LaneT, text: bytes) -> None:
        """Queue a result instead of the lane's unsent one."""
        if lane.closed:
            return
        change = len(text) - len(lane.result or b"")
        lane.result = text
        self.queue(lane)
        self._count(change)

    def finish(self, lane: LaneT, text: bytes) -> None:
        """Queue the lane's last message, after its unsent result."""
        if lane.closed or lane.last is not None:
            return
        lane.last = text
        self.queue(lane)
        self._count(len(text))

    def queue(self, lane: LaneT) -> None:
        """Give a lane its turn, if it does not wait for it already."""
        if not lane.waiting and not lane.closed:
            lane.waiting = self.waiting = True
            self.turns.append(lane)
            self.on_filled()

    def drop(self, lane: LaneT) -> None:
        """Send nothing more of this lane."""
        lane.closed = True
        held = len(lane.result or b"") + len(lane.last or b"")
        lane.result = lane.last = None
        if held:
            self._count(-held)
        if lane.waiting:
            self.turns.remove(lane)
            lane.waiting = False
            self.waiting = bool(self._controls or self.turns)
        self._wake()

    def collect(self, enough: int) -> list[bytes]:
        """The next messages, until they are ``enough`` bytes together; for one writer only, which is told where some are left."""
        # One loop and no calls where there need be none: it runs once for each message of each subscriber.
        messages: list[bytes] = []
        size, taken = 0, False
        controls, turns = self._controls, self.turns
        while size < enough:
            if controls:
                text = controls.pop(0)
                taken = True
            elif turns:
                lane = turns.pop(0)
                lane.waiting = False
                if lane.result is None and lane.last is None:
                    pulled = lane.pull()
                    if pulled is None:
                        continue
                    text = pulled
                else:
                    text = self._take_turn(lane)
                    taken = True
            else:
                break
            messages.append(text)
            size += len(text)
        if taken:
            self._wake()
        self.waiting = bool(controls or turns)
        if self.waiting:
            self.on_filled()
        return messages

    async def take(self) -> bytes:
        """The next message, once there is one; for one writer only."""
        self.on_filled = self._arrived
        while not (messages := self.collect(1)):
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return messages[0]

    def _take_turn(self, lane: LaneT) -> bytes:
        text = lane.result
        if text is not None:
            lane.result = None
        else:
            text, lane.last, lane.closed = lane.last or b"", None, True
            lane.ended()
        self._count(-len(text))
        if lane.last is not None:
            self.queue(lane)
        return text

    def _count(self, change: int) -> None:
        """Last of all: where that is too much for the process, everything here is dropped."""
        self._length += change
        if self._backlog is not None:
            self._backlog.count(self, change)

    def _arrived(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _until_taken(self) -> None:
        if self._taken is None:
            self._taken = asyncio.get_running_loop().create_future()
        # Shared by all that wait, so that one that is cancelled must not cancel it.
        await asyncio.shield(self._taken)

    def _wake(self) -> None:
        if self._taken is not None:
            self._taken.set_result(None)
            self._taken = None


def _nobody_listens() -> None:
    """There is no writer yet, or no more: what is put in waits for one that looks."""
