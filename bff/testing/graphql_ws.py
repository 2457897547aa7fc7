"""A graphql-transport-ws client for tests: it queues what arrives, so that no message is lost, and every wait has a deadline.

::

    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        id = await client.subscribe("subscription { meetingSession(id: \\"m1\\") { numHearingAidRequested } }")
        assert await client.next(id) == {"data": {"meetingSession": {"numHearingAidRequested": 2}}}
        await client.complete(id)

``GraphQLWSClient.to_url("ws://127.0.0.1:8000/graphql")`` drives a server over the network in the same way.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from starlette.types import ASGIApp

from bff.testing.websocket_wires import AppWire, Closed, HandshakeRefused, NetworkWire, Options, Wire

__all__ = ["Closed", "GraphQLWSClient", "HandshakeRefused", "OperationFailed", "Unexpected"]

SUBPROTOCOL = "graphql-transport-ws"
_MAX_QUEUED = 100_000


class OperationFailed(Exception):
    """An ``error`` message came where a result was awaited; ``errors`` is its payload."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(str(error.get("message")) for error in errors))
        self.errors = errors


class Unexpected(AssertionError):
    """Another message came than the one that was awaited."""


class GraphQLWSClient:
    """One socket. ``timeout`` seconds is the deadline of every wait; TimeoutError tells what did not come.

    A ``ping`` is answered as soon as it has come, as the protocol asks, whatever the test waits for; ``expect("ping")`` still
    finds it. With ``answer_pings=False`` it is the silent client that a server lets go.
    """

    def __init__(self, open_wire: Callable[[], Awaitable[Wire]], *, timeout: float = 10.0, answer_pings: bool = True) -> None:
        self.timeout = timeout
        self._answer_pings = answer_pings
        self._open_wire = open_wire
        self._wire: Wire | None = None
        self._reader: asyncio.Task[None] | None = None
        self._arrived = asyncio.Condition()
        self._messages: deque[dict[str, Any]] = deque()
        self._closed: Closed | None = None
        self._failure: BaseException | None = None
        self._ids = itertools.count(1)

    @classmethod
    def to_url(
        cls,
        url: str,
        *,
        subprotocols: Sequence[str] = (SUBPROTOCOL,),
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        answer_pings: bool = True,
    ) -> Self:
        """A client of a server that listens: ``ws://host:port/path``."""
        options = Options(subprotocols, headers or {}, timeout)
        return cls(lambda: NetworkWire.open(url, options), timeout=timeout, answer_pings=answer_pings)

    @classmethod
    def to_app(
        cls,
        app: ASGIApp,
        path: str = "/graphql",
        *,
        subprotocols: Sequence[str] = (SUBPROTOCOL,),
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        answer_pings: bool = True,
    ) -> Self:
        """A client of an ASGI application in this event loop. The application's lifespan is the caller's."""
        options = Options(subprotocols, headers or {}, timeout)
        return cls(lambda: AppWire.open(app, path, options), timeout=timeout, answer_pings=answer_pings)

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(self.timeout):
            self._wire = await self._open_wire()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def subprotocol(self) -> str | None:
        """The one that the server has chosen."""
        return self.wire.subprotocol

    @property
    def wire(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("enter the client first: async with client")
        return self._wire

    # Sending

    async def send(self, message: Any) -> None:
        """Send anything as JSON."""
        await self.send_raw(json.dumps(message))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        async with asyncio.timeout(self.timeout):
            await self.wire.send(frame)

    async def init(self, payload: Mapping[str, Any] | None = None) -> Any:
        """Initialise the connection; the payload of the acknowledgement."""
        await self.send({"type": "connection_init"} if payload is None else {"type": "connection_init", "payload": payload})
        return (await self.expect("connection_ack")).get("payload")

    async def subscribe(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        id: str | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> str:
        """Start an operation of any kind; its id."""
        id = id if id is not None else str(next(self._ids))
        payload = {"query": query, "variables": variables, "operationName": operation_name, "extensions": extensions}
        payload = {name: value for name, value in payload.items() if value is not None}
        await self.send({"id": id, "type": "subscribe", "payload": payload})
        return id

    async def complete(self, id: str) -> None:
        """Stop an operation; what still waits of it here is dropped."""
        await self.send({"id": id, "type": "complete"})
        self._messages = deque(message for message in self._messages if message.get("id") != id)

    async def ping(self, payload: Mapping[str, Any] | None = None) -> Any:
        """Send a ping; the payload of its pong."""
        await self.send({"type": "ping"} if payload is None else {"type": "ping", "payload": payload})
        return (await self.expect("pong")).get("payload")

    async def execute(
        self, query: str, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> dict[str, Any]:
        """Run a query or a mutation over the socket; its whole result. Raises OperationFailed."""
        id = await self.subscribe(query, variables, operation_name)
        result = await self.next(id)
        await self.expect_complete(id)
        return result

    # Awaiting

    async def next(self, id: str) -> dict[str, Any]:
        """The payload of the operation's next result. Raises OperationFailed, Closed, Unexpected, TimeoutError."""
        message = await self._message(lambda each: each.get("id") == id, f"a result of operation {id}")
        if message["type"] == "error":
            raise OperationFailed(message["payload"])
        if message["type"] != "next":
            raise Unexpected(f"awaited a result of operation {id}, got {message}")
        payload: dict[str, Any] = message["payload"]
        return payload

    async def until(self, id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first result of the operation that is as wanted; those before it are skipped."""
        async with asyncio.timeout(self.timeout):
            while not wanted(payload := await self.next(id)):
                pass
        return payload

    async def expect_complete(self, id: str) -> None:
        """The operation's next message is ``complete``."""
        message = await self._message(lambda each: each.get("id") == id, f"the completion of operation {id}")
        if message["type"] != "complete":
            raise Unexpected(f"awaited the completion of operation {id}, got {message}")

    async def expect_error(self, id: str) -> list[dict[str, Any]]:
        """The operation's next message is ``error``; its payload."""
        try:
            payload = await self.next(id)
        except OperationFailed as failed:
            return failed.errors
        raise Unexpected(f"awaited an error of operation {id}, got the result {payload}")

    async def expect(self, kind: str) -> dict[str, Any]:
        """The next message of a type."""
        return await self._message(lambda each: each.get("type") == kind, f"a message of type {kind}")

    async def expect_close(self, *codes: int) -> Closed:
        """The server closes the socket, with one of the codes where some are given. What came before is skipped."""
        async with self._arrived:
            await self._wait_until(lambda: self._closed is not None, "the close of the socket")
        closed = self._closed
        if closed is None or (codes and closed.code not in codes):
            raise Unexpected(f"awaited a close with {codes}, got {closed}")
        return closed

    def waiting(self, id: str | None = None) -> list[dict[str, Any]]:
        """The messages that have arrived and that nobody has asked for yet."""
        return [message for message in self._messages if id is None or message.get("id") == id]

    # Leaving

    async def close(self, code: int = 1000) -> None:
        """Close politely."""
        if self._wire is not None:
            async with asyncio.timeout(self.timeout):
                await self._wire.close(code)
        await self._stop()

    async def abort(self) -> None:
        """Vanish without a close frame."""
        await self.wire.abort()
        await self._stop()

    async def _stop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])

    async def _read(self) -> None:
        try:
            while True:
                message = json.loads(await self.wire.receive())
                if self._answer_pings and message.get("type") == "ping":
                    await self.send({**message, "type": "pong"})
                if len(self._messages) >= _MAX_QUEUED:
                    raise Unexpected(f"{_MAX_QUEUED} messages wait and nobody asks for them")
                async with self._arrived:
                    self._messages.append(message)
                    self._arrived.notify_all()
        except Closed as closed:
            self._closed = closed
        except Exception as error:
            self._failure = error
        async with self._arrived:
            self._arrived.notify_all()

    async def _message(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        async with self._arrived:
            await self._wait_until(lambda: self._closed is not None or _first(self._messages, wanted) is not None, what)
            message = _first(self._messages, wanted)
            if message is None:
                raise self._closed or Unexpected(what)
            self._messages.remove(message)
            return message

    async def _wait_until(self, come: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await self._arrived.wait_for(lambda: come() or self._failure is not None)
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {self.timeout} s; waiting: {list(self._messages)[:5]}") from None
        if self._failure is not None:
            raise self._failure


def _first(messages: Iterable[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    return next((message for message in messages if wanted(message)), None)
