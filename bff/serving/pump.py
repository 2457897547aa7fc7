"""Writes to many sockets, without a task for any of them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextvars import copy_context
from typing import Any, Final

from bff.serving.active import Woken
from bff.serving.framing import Framed
from bff.serving.messages import CloseCode
from bff.serving.outbox import Outbox
from bff.serving.wire import Ending, Ends, Frames

__all__ = ["Pump", "PumpedWriter"]

logger = logging.getLogger("bff.serving")

_WOKEN_A_TURN: Final = 5_000
_SOCKETS_A_TURN: Final = 100
_BYTES_A_TURN: Final = 1024 * 1024
_BYTES_A_WRITE: Final = 64 * 1024


class PumpedWriter:
    """Writes what a socket's operations say, for as long as its peer reads.

    A peer that does not read for ``seconds`` while something waits for it is given up.
    """

    __slots__ = ("_deadline", "_ends", "_frames", "_outbox", "_pump", "_seconds", "_stopped", "marked")

    def __init__(
        self,
        pump: Pump,
        frames: Frames,
        outbox: Outbox[Any],
        seconds: float,
        ends: Ends,
    ) -> None:
        self._pump = pump
        self._frames = frames
        self._outbox = outbox
        self._seconds = seconds
        self._ends = ends
        self._deadline: asyncio.TimerHandle | None = None
        self._stopped = False
        self.marked = False  # whether the pump has it on its list
        outbox.on_filled, outbox.on_failed, outbox.frames = self.mark, self.fail, frames
        frames.on_writable(self._on_writable)

    def mark(self) -> None:
        """There may be something to write."""
        if not self.marked:
            self.marked = True
            pump = self._pump
            pump.writers.append(self)
            if not pump.scheduled:
                pump.schedule()

    def drain(self) -> int:
        """Write what waits, but not for too long; how many bytes that were. For the pump."""
        if self._stopped:
            return 0
        # Whatever is left, or comes meanwhile, marks it again.
        self.marked = False
        frames = self._frames
        if frames.can_write:
            messages = self._outbox.collect(_BYTES_A_WRITE)
            return frames.write_messages(messages) if messages else 0
        if self._deadline is None and self._outbox.waiting:
            self._deadline = asyncio.get_running_loop().call_later(self._seconds, self._ends.give_up)
        return 0

    def fail(self) -> None:
        """What was to be written cannot be made."""
        self._ends.end(Ending(CloseCode.INTERNAL, "Internal server error"))

    def stop(self) -> None:
        """Write nothing any more."""
        self._frames.on_writable(None)
        self._outbox.frames = None
        # ``marked`` for good: it is not put on the pump's list again, where it may be still, for a turn.
        self._stopped = self.marked = True
        self._forget_deadline()

    def _on_writable(self) -> None:
        self._forget_deadline()
        if self._outbox.waiting:
            self.mark()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Pump:
    """Writes to the sockets that have something to say, in the order in which they had it, to some in each turn of the loop.

    ``tell`` it of the planned subscriptions that a change has woken: they are written at once when their turn has come, or line
    up where something waits for the same socket. A change wakes thousands: to touch each of them twice, with the others in
    between, is to fetch it from memory twice.
    """

    def __init__(self) -> None:
        self.writers: deque[PumpedWriter] = deque()
        self.scheduled = False
        self._woken: deque[Woken] = deque()
        # Not of the request that happens to wake it: it writes for all.
        self._context = copy_context()
        self._framed = Framed()

    def tell(self, woken: Woken) -> None:
        self._woken.append(woken)
        if not self.scheduled:
            self.schedule()

    def schedule(self) -> None:
        """There is something to do."""
        self.scheduled = True
        asyncio.get_running_loop().call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        self.scheduled = True
        try:
            self._hand_over()
            self._write()
        finally:
            self._framed.forget()
            # Others have their turn, and what was written leaves, before the rest is written.
            self.scheduled = False
            if self.writers or self._woken:
                self.schedule()

    def _hand_over(self) -> None:
        woken, writers, framed = self._woken, self.writers, self._framed
        lined_up, sockets, written = 0, 0, 0
        # Half of a turn is for those that wait already.
        most = _SOCKETS_A_TURN - min(len(writers), _SOCKETS_A_TURN // 2)
        # Where many wait for the same few sockets, what these are sent is joined: then the more the better.
        while (
            woken
            and sockets < most
            and written < _BYTES_A_TURN
            and lined_up < _WOKEN_A_TURN
            and (len(writers) < _SOCKETS_A_TURN or lined_up > 2 * len(writers))
        ):
            one = woken.popleft()
            try:
                length = one.hand_over(framed)
            except Exception:
                logger.exception("a WebSocket session failed while it was written to")
                one.fail()
                continue
            if length:
                sockets += 1
                written += length
            else:
                lined_up += 1

    def _write(self) -> None:
        writers = self.writers
        written, sockets = 0, 0
        while writers and sockets < _SOCKETS_A_TURN and written < _BYTES_A_TURN:
            writer = writers.popleft()
            sockets += 1
            try:
                written += writer.drain()
            except Exception:
                logger.exception("a WebSocket session failed while it was written to")
                writer.fail()
