"""One graphql-transport-ws session: the rules of PROTOCOL.md over a small socket interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from bff.serving import messages
from bff.serving.active import Wording
from bff.serving.awaiting_writer import AwaitingWriter
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits
from bff.serving.messages import CloseCode, Complete, ConnectionInit, InvalidMessage, Ping, Pong, Subscribe
from bff.serving.multiplex import Multiplex, until_ended
from bff.serving.operations import Operations
from bff.serving.pump import Pump, PumpedWriter
from bff.serving.wire import Disconnected, Ending, Socket

__all__ = ["Greet", "Session"]

logger = logging.getLogger("bff.serving")

Greet: TypeAlias = Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any] | None]]
"""Answers a ``connection_init``: its payload → the payload of the acknowledgement. Raises Ending to refuse."""


_WORDING = Wording(messages.before_result, messages.AFTER_RESULT, messages.error, messages.complete)


class Session:
    """``run`` serves one socket until it ends, and leaves no task and no generator behind.

    Who runs it reads the socket. The ``pump`` writes it, together with others, or a task where the server has no way to do that.
    A timer keeps time. An operation has a task of its own as long as there is something to wait for, so that none delays another.
    """

    # One for each socket: what most sockets do not need, a future, an event or a task, is memory that they all take.
    __slots__ = (
        "_acknowledged",
        "_connection",
        "_ended",
        "_ending",
        "_greet",
        "_greeting",
        "_heard_at",
        "_initialised",
        "_limits",
        "_loop",
        "_multiplex",
        "_operations",
        "_reading",
        "_socket",
        "_timer",
        "_writer",
    )

    def __init__(
        self, socket: Socket, operations: Operations, limits: Limits, greet: Greet | None = None, pump: Pump | None = None
    ) -> None:
        self._socket = socket
        self._connection = socket.connection
        self._operations = operations
        self._limits = limits
        self._greet = greet
        self._loop = asyncio.get_running_loop()
        frames = None if pump is None else socket.frames
        tell = None if pump is None or frames is None else pump.tell
        self._multiplex = Multiplex(operations, limits, _WORDING, tell)
        self._reading: asyncio.Timeout | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._initialised = False
        self._acknowledged = False
        self._ended = False
        self._ending: Ending | None = None
        self._heard_at = 0.0
        self._timer = self._loop.call_later(limits.init_seconds, self._late)
        self._writer: AwaitingWriter | PumpedWriter
        if pump is None or frames is None:
            self._writer = AwaitingWriter(socket, self._multiplex, limits.send_seconds, self)
        else:
            self._writer = PumpedWriter(pump, frames, self._multiplex.outbox, limits.send_seconds, self)

    def end(self, ending: Ending | None) -> None:
        """End the session: with a close frame, or with None where the peer has gone. The first call counts."""
        if self._ended:
            return
        self._ended, self._ending = True, ending
        if self._reading is not None:
            # It is over in the next turn of the loop, as if it had come to its time.
            self._reading.reschedule(self._loop.time())

    def give_up(self) -> None:
        """End the session: its peer does not read."""
        logger.warning("a WebSocket peer has not read for %s s: aborted", self._limits.send_seconds)
        self._socket.abort()
        self.end(None)

    async def run(self) -> None:
        try:
            await self._read_to_the_end()
        finally:
            # Whoever cancels this has a reason to stop the server.
            self.end(Ending(CloseCode.SERVICE_RESTART, "Service restart"))
            await self._finish(self._ending)

    async def _read_to_the_end(self) -> None:
        try:
            async with asyncio.timeout(None) as reading:
                self._reading = reading
                try:
                    await self._read()
                finally:
                    self._reading = None
        except Ending as ending:
            self.end(ending)
        except Disconnected:
            self.end(None)
        except Exception:
            if not self._ended:  # otherwise it is what ``end`` has done to us
                logger.exception("a WebSocket session failed")
                self.end(Ending(CloseCode.INTERNAL, "Internal server error"))

    async def _read(self) -> None:
        outbox = self._multiplex.outbox
        while not self._ended:
            self._hear(await self._socket.receive())
            if outbox.crowded:
                await outbox.relief()

    def _hear(self, frame: str | bytes) -> None:
        self._heard_at = self._loop.time()
        if _too_long(frame, self._limits.message_bytes):
            raise Ending(CloseCode.TOO_BIG, f"A message is longer than {self._limits.message_bytes} bytes")
        try:
            message = messages.parse(frame)
        except InvalidMessage as error:
            raise Ending(CloseCode.BAD_REQUEST, str(error)) from None
        match message:
            case Ping(payload):
                self._multiplex.outbox.control(messages.pong(payload))
            case Pong():
                pass
            case ConnectionInit(payload):
                if self._initialised:
                    raise Ending(CloseCode.TOO_MANY_INITIALISATIONS, "Too many initialisation requests")
                self._initialised = True
                self._greeting = asyncio.create_task(self._acknowledge(payload), name="greeting")
            case Subscribe():
                self._subscribe(message)
            case Complete(id):
                self._multiplex.stop(id)

    async def _acknowledge(self, payload: Mapping[str, Any] | None) -> None:
        try:
            answer = None if self._greet is None else await self._greet(payload)
            acknowledgement = messages.connection_ack(answer)
        except Ending as ending:
            self.end(ending)
        except Exception:
            logger.exception("a WebSocket session failed")
            self.end(Ending(CloseCode.INTERNAL, "Internal server error"))
        else:
            self._multiplex.outbox.control(acknowledgement)
            self._acknowledged = True
            self._timer.cancel()
            self._keep_time()
        finally:
            self._greeting = None

    def _late(self) -> None:
        self.end(Ending(CloseCode.TIMEOUT, "Connection initialisation timeout"))

    def _keep_time(self) -> None:
        """Ask a client that has been silent for so long whether it is still there."""
        due = self._heard_at + self._limits.ping_seconds
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._keep_time)
            return
        self._multiplex.outbox.control(messages.ping())
        self._timer = self._loop.call_later(self._limits.pong_seconds, self._await_pong, self._heard_at)

    def _await_pong(self, heard_at: float) -> None:
        if self._heard_at == heard_at:
            self.end(Ending(CloseCode.TIMEOUT, "No answer to a ping"))
        else:
            self._keep_time()

    def _subscribe(self, message: Subscribe) -> None:
        if not self._acknowledged:
            raise Ending(CloseCode.UNAUTHORIZED, "Unauthorized")
        if message.id in self._multiplex:
            raise Ending(CloseCode.SUBSCRIBER_EXISTS, f"Subscriber for {message.id} already exists")
        if not self._multiplex.full:
            self._multiplex.start(message.id, self._connection, partial(self._operations.prepare, message.request))
            return
        if self._multiplex.named >= 2 * self._limits.operations:
            # It keeps asking without reading our refusals: those are memory, too.
            raise Ending(CloseCode.TRY_AGAIN_LATER, "Too many operations")
        refused = f"This socket has {self._limits.operations} operations already."
        self._multiplex.refuse(message.id, RequestRefused.because(refused, "TOO_MANY_OPERATIONS"))

    async def _finish(self, ending: Ending | None) -> None:
        self._timer.cancel()
        keepers = [task for task in (self._greeting, self._writer.stop()) if task is not None]
        for keeper in keepers:
            keeper.cancel()
        self._multiplex.leave()
        await until_ended(keepers, self._limits.close_seconds)
        await self._close_socket(ending)  # the writer has stopped: the close frame has no rival
        await self._multiplex.ended()

    async def _close_socket(self, ending: Ending | None) -> None:
        if ending is None:
            return
        try:
            # A peer that has gone meanwhile is what was wanted.
            with suppress(Disconnected):
                async with asyncio.timeout(self._limits.close_seconds):
                    await self._socket.close(ending.code, ending.reason)
        except TimeoutError:
            self._socket.abort()


def _too_long(frame: str | bytes, limit: int) -> bool:
    if len(frame) > limit:
        return True
    # Only where it could matter: a character is up to four bytes.
    return isinstance(frame, str) and len(frame) * 4 > limit and len(frame.encode(errors="surrogatepass")) > limit
