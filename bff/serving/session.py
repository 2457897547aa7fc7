"""One graphql-transport-ws session: the rules of PROTOCOL.md over a small socket interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from graphql import OperationType
from starlette.requests import HTTPConnection

from bff.serving import messages
from bff.serving.errors import RequestRefused, format_exception
from bff.serving.limits import Limits
from bff.serving.messages import CloseCode, Complete, ConnectionInit, InvalidMessage, Ping, Pong, Subscribe
from bff.serving.operations import Operation, Operations
from bff.serving.outbox import Lane, Outbox
from bff.serving.wire import Disconnected, Ending, Socket

__all__ = ["Greet", "Session"]

logger = logging.getLogger("bff.serving")

Greet = Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any] | None]]
"""Answers a ``connection_init``: its payload → the payload of the acknowledgement. Raises Ending to refuse."""


class _Active(Lane):
    """An operation that the client has not been told the end of."""

    __slots__ = ("id", "mutating", "task")

    def __init__(self, id: str) -> None:
        super().__init__()
        self.id = id
        self.task: asyncio.Task[None] | None = None
        self.mutating = False  # it has begun to change something

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()


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
        self._outbox: Outbox[_Active] = Outbox(limits)
        self._active: dict[str, _Active] = {}
        self._leaving: set[_Active] = set()  # the client has completed them, and they still close
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
                    self._complete(id)

    async def _write(self) -> None:
        while True:
            text, finished = await self._outbox.take()
            if finished is not None:
                # Before it is sent: the client may use the id again as soon as it has read this.
                del self._active[finished.id]
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
        if message.id in self._active:
            raise Ending(CloseCode.SUBSCRIBER_EXISTS, f"Subscriber for {message.id} already exists")
        active = _Active(message.id)
        self._active[active.id] = active
        if len(self._active) + len(self._leaving) > self._limits.operations:
            if len(self._active) > 2 * self._limits.operations:
                # It keeps asking without reading our refusals: those are memory, too.
                raise Ending(CloseCode.TRY_AGAIN_LATER, "Too many operations")
            refused = RequestRefused.because(
                f"This socket has {self._limits.operations} operations already.", "TOO_MANY_OPERATIONS"
            )
            self._outbox.finish(active, messages.error(active.id, refused.errors))
            return
        active.task = asyncio.create_task(self._operate(active, message), name=f"operation {active.id}")

    def _complete(self, id: str) -> None:
        active = self._active.pop(id, None)
        if active is None:
            return  # it has completed meanwhile: the two messages have crossed
        self._outbox.drop(active)
        if active.task is not None and active.running:
            self._leaving.add(active)
            active.task.add_done_callback(lambda _: self._leaving.discard(active))
            if not active.mutating:
                active.task.cancel()

    async def _operate(self, active: _Active, message: Subscribe) -> None:
        """One operation, to its last message. Whatever it raises ends it, and it alone."""
        try:
            await self._outbox.room()
            operation = self._operations.prepare(message.request)
            context = await self._operations.context(self._connection)
            if operation.kind is OperationType.SUBSCRIPTION:
                await self._stream(active, operation, context)
            else:
                active.mutating = operation.kind is OperationType.MUTATION
                result = await self._operations.execute(operation, context)
                await self._outbox.put(active, messages.next_result(active.id, result))
            last = messages.complete(active.id)
        except RequestRefused as refused:
            last = _failure(active.id, refused.errors)
        except Exception as error:
            last = messages.error(active.id, [format_exception(error)])
        self._outbox.finish(active, last)

    async def _stream(self, active: _Active, operation: Operation, context: Any) -> None:
        source = await self._operations.subscribe(operation, context)
        events = aiter(source)
        try:
            while True:
                try:
                    event = await self._operations.next_event(operation, events)
                except StopAsyncIteration:
                    return
                await self._outbox.room()
                result = await self._operations.execute(operation, _renewed(context), event)
                text = messages.next_result(active.id, result)
                if operation.latest_wins:
                    self._outbox.replace(active, text)
                    await asyncio.sleep(0)  # a source that never waits must not keep the loop from everybody else
                else:
                    await self._outbox.put(active, text)
        finally:
            await _close(events)

    async def _finish(self, keepers: list[asyncio.Task[None]], ending: Ending | None) -> None:
        for keeper in keepers:
            keeper.cancel()
        stopped, mutating = set[asyncio.Task[None]](), set[asyncio.Task[None]]()
        for active in (*self._active.values(), *self._leaving):
            if active.task is None or not active.running:
                continue
            self._outbox.drop(active)
            if active.mutating:
                mutating.add(active.task)
            else:
                stopped.add(active.task)
                active.task.cancel()
        await self._wait_for(set(keepers), self._limits.close_seconds)
        await self._close_socket(ending)  # the writer has stopped: the close frame has no rival
        await self._wait_for(stopped, self._limits.close_seconds)
        await self._wait_for(mutating, self._limits.mutation_seconds)

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

    async def _wait_for(self, tasks: set[asyncio.Task[None]], seconds: float) -> None:
        """Wait until all have ended; cancel those that take longer, again and again."""
        while tasks:
            _, tasks = await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                logger.warning("%s of a closed WebSocket still runs after %s s: cancelled", task.get_name(), seconds)
                task.cancel()
            seconds = self._limits.close_seconds


def _failure(id: str, errors: list[dict[str, Any]]) -> str:
    try:
        return messages.error(id, errors)
    except TypeError as error:
        # A resolver's own GraphQLError may carry extensions that JSON cannot hold.
        return messages.error(id, [format_exception(error)])


def _renewed(context: Any) -> Any:
    """The context for one more event: a loader that outlives an event would answer with what it has cached."""
    renew = getattr(context, "renew", None)
    if renew is None:
        return context
    renewed = renew()
    return context if renewed is None else renewed


async def _close(events: Any) -> None:
    close = getattr(events, "aclose", None)
    if close is None:
        return
    try:
        await close()
    except Exception:
        logger.exception("the source of a subscription failed while it was closed")


def _too_long(frame: str | bytes, limit: int) -> bool:
    if len(frame) > limit:
        return True
    # Only where it could matter: a character is up to four bytes.
    return isinstance(frame, str) and len(frame) * 4 > limit and len(frame.encode(errors="surrogatepass")) > limit
