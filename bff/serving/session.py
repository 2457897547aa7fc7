"""One graphql-transport-ws session: the rules of PROTOCOL.md over a small socket interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from bff.auth.authenticator import Authenticator
from bff.auth.identity import Identity, refresh_token, refused
from bff.auth.port import IssuerUnavailable
from bff.errors import Unauthenticated
from bff.principal import ANONYMOUS
from bff.serving import messages
from bff.serving.active import Wording
from bff.serving.awaiting_writer import AwaitingWriter
from bff.serving.errors import RequestRefused
from bff.serving.keepalive import Keepalive
from bff.serving.limits import Limits
from bff.serving.messages import CloseCode, Complete, ConnectionInit, InvalidMessage, Ping, Pong, Subscribe
from bff.serving.multiplex import Multiplex, until_ended
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operations
from bff.serving.pump import Pump, PumpedWriter
from bff.serving.shares import TooMany
from bff.serving.wire import Disconnected, Ending, Socket, close

__all__ = ["Greet", "Session"]

logger = logging.getLogger("bff.serving")

Greet: TypeAlias = Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any] | None]]
"""Answers a ``connection_init``: its payload → the payload of the acknowledgement. Raises Ending to refuse."""


_WORDING = Wording(messages.before_result, messages.AFTER_RESULT, messages.error, messages.complete)


class Session:
    """``run`` serves one socket until it ends, and leaves no task and no generator behind.

    Who runs it reads the socket. The ``pump`` writes it, together with others, or a task where the server has no way to do that.
    A ``Keepalive`` keeps time. An operation has a task of its own as long as there is something to wait for, so that none delays
    another.
    """

    # One for each socket: what most sockets do not need, a future, an event or a task, is memory that they all take.
    __slots__ = (
        "_acknowledged",
        "_connection",
        "_draining",
        "_due",
        "_ended",
        "_ending",
        "_greet",
        "_greeting",
        "_identity",
        "_initialised",
        "_keepalive",
        "_limits",
        "_loop",
        "_multiplex",
        "_occupancy",
        "_operations",
        "_reading",
        "_refreshing",
        "_socket",
        "_writer",
    )

    def __init__(
        self,
        socket: Socket,
        operations: Operations,
        limits: Limits,
        greet: Greet | None = None,
        pump: Pump | None = None,
        authenticator: Authenticator | None = None,
        occupancy: Occupancy | None = None,
    ) -> None:
        self._socket = socket
        self._connection = socket.connection
        self._operations = operations
        self._limits = limits
        self._greet = greet
        self._loop = asyncio.get_running_loop()
        frames = None if pump is None else socket.frames
        tell = None if pump is None or frames is None else pump.tell
        self._occupancy = occupancy
        self._multiplex = Multiplex(operations, limits, _WORDING, tell, occupancy)
        self._multiplex.outbox.owner = self
        self._reading: asyncio.Timeout | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._identity = None if authenticator is None else Identity(authenticator, socket.connection, self._forbid, self._warn)
        self._refreshing: asyncio.Task[None] | None = None
        self._initialised = False
        self._acknowledged = False
        self._draining = False
        self._ended = False
        self._ending: Ending | None = None
        self._due = 0.0  # when the messages that came would all have come, had they come as slowly as they may in the long run
        self._keepalive = Keepalive(limits, self._multiplex.outbox, self)
        self._writer: AwaitingWriter | PumpedWriter
        if pump is None or frames is None:
            self._writer = AwaitingWriter(socket, self._multiplex, limits.send_seconds, self)
        else:
            self._writer = PumpedWriter(pump, frames, self._multiplex.outbox, limits.send_seconds, self)

    @property
    def operations(self) -> int:
        """How many operations it has."""
        return self._multiplex.named

    @property
    def queued_bytes(self) -> int:
        """How much text waits to be sent."""
        return self._multiplex.outbox.length

    def end(self, ending: Ending | None) -> None:
        """End the session: with a close frame, or with None where the peer has gone. The first call counts."""
        if self._ended:
            return
        self._ended, self._ending = True, ending
        if ending is not None:
            self._operations.tally.refused(ending.limit)
        if self._reading is not None:
            # It is over in the next turn of the loop, as if it had come to its time.
            self._reading.reschedule(self._loop.time())

    async def drain(self, ending: Ending) -> None:
        """Begin nothing more, and end once every mutation that has begun is answered."""
        self._draining = True
        await self._multiplex.changed()
        self.end(ending)

    def give_up(self) -> None:
        """End the session: its peer does not read."""
        logger.warning("a WebSocket peer has not read for %s s: aborted", self._limits.send_seconds)
        self._operations.tally.refused("send_seconds")
        self._socket.abort()
        self.end(None)

    def shed(self) -> None:
        """End the session, and let go of what it has not sent: the process holds too much."""
        logger.warning("%s bytes wait for a WebSocket peer, more than for any other: closed", self.queued_bytes)
        self.end(Ending(CloseCode.TRY_AGAIN_LATER, "Too much is unsent", limit="queued_bytes"))
        self._multiplex.outbox.owner = None
        self._multiplex.leave()

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
        self._keepalive.heard_at = now = self._loop.time()
        limits = self._limits
        self._due = max(self._due, now) + 1 / limits.messages_per_second
        if self._due - now > limits.messages_burst / limits.messages_per_second:
            raise Ending(CloseCode.TRY_AGAIN_LATER, "Too many messages", limit="messages_per_second")
        if messages.too_long(frame, self._limits.message_bytes):
            reason = f"A message is longer than {self._limits.message_bytes} bytes"
            raise Ending(CloseCode.TOO_BIG, reason, limit="message_bytes")
        try:
            message = messages.parse(frame)
        except InvalidMessage as error:
            raise Ending(CloseCode.BAD_REQUEST, str(error)) from None
        match message:
            case Ping(payload):
                token = None if self._identity is None else refresh_token(payload)
                if token is None:
                    self._multiplex.outbox.control(messages.pong(payload))
                else:
                    self._refresh(token)
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
            if self._identity is not None:
                await self._identity.begin(payload)
            self._join()
            answer = None if self._greet is None else await self._greet(payload)
            acknowledgement = messages.connection_ack(answer)
        except Ending as ending:
            self.end(ending)
        except Unauthenticated as error:
            self.end(Ending(CloseCode.FORBIDDEN, str(error) or "Forbidden"))
        except IssuerUnavailable as error:
            self.end(Ending(CloseCode.TRY_AGAIN_LATER, str(error)))
        except Exception:
            logger.exception("a WebSocket session failed")
            self.end(Ending(CloseCode.INTERNAL, "Internal server error"))
        else:
            self._multiplex.outbox.control(acknowledgement)
            self._acknowledged = True
            self._keepalive.start()
        finally:
            self._greeting = None

    def _join(self) -> None:
        """Raises Ending where whoever holds the socket has too many of them."""
        if self._occupancy is None or self._ended:
            return
        principal = ANONYMOUS if self._identity is None else self._identity.principal
        address = self._socket.address
        try:
            self._occupancy.shares.admit(principal, address)
        except TooMany as error:
            raise Ending(CloseCode.TRY_AGAIN_LATER, str(error), limit=error.limit) from error
        self._multiplex.share = self._occupancy.shares.join(principal, address)

    def _refresh(self, token: object) -> None:
        if not self._acknowledged:
            raise Ending(CloseCode.UNAUTHORIZED, "Unauthorized")
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._take(token), name="a new token")
        else:
            self._multiplex.outbox.control(messages.pong(refused("RATE_LIMITED", "Another token is being checked.")))

    async def _take(self, token: object) -> None:
        """Go on under a new token of the same principal."""
        assert self._identity is not None, "without one, a ping is a ping"
        try:
            answer = await self._identity.refresh(token)
        except Exception:
            logger.exception("a WebSocket session failed")
            self.end(Ending(CloseCode.INTERNAL, "Internal server error"))
        else:
            if answer is None:
                self._forbid()
            else:
                self._multiplex.outbox.control(messages.pong(answer))
        finally:
            self._refreshing = None

    def _forbid(self) -> None:
        """Whoever holds the socket does not any more."""
        self.end(Ending(CloseCode.FORBIDDEN, "Forbidden"))

    def _warn(self, expires_at: float) -> None:
        self._multiplex.outbox.control(messages.ping({"bff": {"expiresAt": expires_at}}))

    def _subscribe(self, message: Subscribe) -> None:
        if not self._acknowledged:
            raise Ending(CloseCode.UNAUTHORIZED, "Unauthorized")
        if self._identity is not None and not self._identity.holds:
            raise Ending(CloseCode.FORBIDDEN, "Forbidden")
        if self._draining:
            return  # the close frame says to ask again, elsewhere
        if message.id in self._multiplex:
            raise Ending(CloseCode.SUBSCRIBER_EXISTS, f"Subscriber for {message.id} already exists")
        if not self._multiplex.full:
            self._multiplex.start(message.id, self._connection, partial(self._operations.prepare, message.request))
            return
        if self._multiplex.named >= 2 * self._limits.operations:
            # It keeps asking without reading our refusals: those are memory, too.
            raise Ending(CloseCode.TRY_AGAIN_LATER, "Too many operations", limit="operations")
        refused = f"This socket has {self._limits.operations} operations already."
        self._multiplex.refuse(message.id, RequestRefused.because(refused, "TOO_MANY_OPERATIONS", limit="operations"))

    async def _finish(self, ending: Ending | None) -> None:
        self._keepalive.stop()
        if self._identity is not None:
            self._identity.close()
        keepers = [task for task in (self._greeting, self._refreshing, self._writer.stop()) if task is not None]
        for keeper in keepers:
            keeper.cancel()
        self._multiplex.outbox.owner = None
        self._multiplex.leave()
        if self._multiplex.share is not None:
            self._multiplex.share.leave()
        await until_ended(keepers, self._limits.close_seconds)
        if ending is not None:
            # The writer has stopped: the close frame has no rival.
            await close(self._socket, ending, self._limits.close_seconds)
        await self._multiplex.ended()
