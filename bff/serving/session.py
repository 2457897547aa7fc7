"""One graphql-transport-ws session: the rules of PROTOCOL.md over a small socket interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.requests import HTTPConnection

from bff.serving import messages
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits
from bff.serving.messages import CloseCode, Complete, ConnectionInit, InvalidMessage, Ping, Pong, Subscribe
from bff.serving.multiplex import Multiplex, Wording, until_ended
from bff.serving.operations import Operations
from bff.serving.wire import Disconnected, Ending, Socket

__all__ = ["Greet", "Session"]

logger = logging.getLogger("bff.serving")

Greet = Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any] | None]]
"""Answers a ``connection_init``: its payload → the payload of the acknowledgement. Raises Ending to refuse."""


_WORDING = Wording(messages.next_result, messages.error, messages.complete)


class Session:
    """``run`` serves one socket until it ends, and leaves no task and no generator behind.

    One task reads, one writes, one keeps time; each operation is a task of its own, so that none delays the others.
    """

    def __init__(
        self, socket: Socket, operations: Operations, connection: HTTPConnection, limits: Limits, greet: Greet | None = None
    ) -> None:
        self._socket = socket
        self._operations = operations
        self._connection = connection
        self._limits = limits
        self._greet = greet
        self._multiplex = Multiplex(operations, limits, _WORDING)
        self._outbox = self._multiplex.outbox
        self._greeting: asyncio.Task[None] | None = None
        self._acknowledged = asyncio.Event()
        self._heard = asyncio.Event()
        self._ended: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()

    def end(self, ending: Ending | None) -> None:
        """End the session: with a close frame, or with None where the peer has gone. The first call counts."""
        if not self._ended.done():
            self._ended.set_result(ending)

    async def run(self) -> None:
        keepers = [self._keep(self._read), self._keep(self._write), self._keep(self._watch)]
        ending: Ending | None = Ending(CloseCode.SERVICE_RESTART, "Service restart")
        try:
            ending = await asyncio.shield(self._ended)
        finally:
            if self._greeting is not None:
                keepers.append(self._greeting)
            await self._finish(keepers, ending)

    def _keep(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        async def kept() -> None:
            try:
                await work()
            except Ending as ending:
                self.end(ending)
            except Disconnected:
                self.end(None)
            except Exception:
                logger.exception("a WebSocket session failed")
                self.end(Ending(CloseCode.INTERNAL, "Internal server error"))

        return asyncio.create_task(kept(), name=getattr(work, "__name__", "greeting"))

    async def _read(self) -> None:
        while True:
            frame = await self._socket.receive()
            self._heard.set()
            if _too_long(frame, self._limits.message_bytes):
                raise Ending(CloseCode.TOO_BIG, f"A message is longer than {self._limits.message_bytes} bytes")
            try:
                message = messages.parse(frame)
            except InvalidMessage as error:
                raise Ending(CloseCode.BAD_REQUEST, str(error)) from None
            match message:
                case Ping(payload):
                    await self._outbox.control(messages.pong(payload))
                case Pong():
                    pass
                case ConnectionInit(payload):
                    if self._greeting is not None:
                        raise Ending(CloseCode.TOO_MANY_INITIALISATIONS, "Too many initialisation requests")
                    self._greeting = self._keep(partial(self._acknowledge, payload))
                case Subscribe():
                    self._subscribe(message)
                case Complete(id):
                    self._multiplex.stop(id)

    async def _write(self) -> None:
        while True:
            text = await self._multiplex.take()
            try:
                async with asyncio.timeout(self._limits.send_seconds):
                    await self._socket.send(text)
            except TimeoutError:
                logger.warning("a WebSocket peer has not read for %s s: aborted", self._limits.send_seconds)
                self._socket.abort()
                raise Disconnected from None

    async def _watch(self) -> None:
        try:
            async with asyncio.timeout(self._limits.init_seconds):
                await self._acknowledged.wait()
        except TimeoutError:
            raise Ending(CloseCode.TIMEOUT, "Connection initialisation timeout") from None
        while True:
            self._heard.clear()
            await asyncio.sleep(self._limits.ping_seconds)
            if self._heard.is_set():
                continue
            await self._outbox.control(messages.ping())
            try:
                async with asyncio.timeout(self._limits.pong_seconds):
                    await self._heard.wait()
            except TimeoutError:
                raise Ending(CloseCode.TIMEOUT, "No answer to a ping") from None

    async def _acknowledge(self, payload: Mapping[str, Any] | None) -> None:
        answer = None if self._greet is None else await self._greet(payload)
        await self._outbox.control(messages.connection_ack(answer))
        self._acknowledged.set()

    def _subscribe(self, message: Subscribe) -> None:
        if not self._acknowledged.is_set():
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

    async def _finish(self, keepers: list[asyncio.Task[None]], ending: Ending | None) -> None:
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
