"""A client's end of a WebSocket for tests: over the network, or straight into an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import ASGIApp, Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

__all__ = ["AppWire", "Closed", "HandshakeRefused", "NetworkWire", "Options", "Wire"]


class Closed(Exception):
    """The server has closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


class HandshakeRefused(Exception):
    """The server has answered the opening of the WebSocket with an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was answered with status {status}")
        self.status = status


class Wire(Protocol):
    """One WebSocket as a client sees it. ``receive`` raises Closed."""

    subprotocol: str | None

    async def send(self, frame: str | bytes) -> None: ...

    async def receive(self) -> str | bytes: ...

    async def close(self, code: int) -> None: ...

    async def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How a client opens its WebSocket."""

    subprotocols: Sequence[str]
    headers: Mapping[str, str]
    timeout: float


class NetworkWire:
    """A WebSocket of the ``websockets`` package."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol

    @classmethod
    async def open(cls, url: str, options: Options) -> Wire:
        try:
            return cls(
                await connect(
                    url,
                    subprotocols=[Subprotocol(each) for each in options.subprotocols] or None,
                    additional_headers=dict(options.headers),
                    open_timeout=options.timeout,
                    close_timeout=options.timeout,
                    compression=None,
                    max_size=None,
                    ping_interval=None,
                    proxy=None,
                )
            )
        except InvalidStatus as error:
            raise HandshakeRefused(error.response.status_code) from error

    async def send(self, frame: str | bytes) -> None:
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int) -> None:
        await self._connection.close(code)

    async def abort(self) -> None:
        self._connection.transport.abort()
        await self._connection.wait_closed()


def _closed(error: ConnectionClosed) -> Closed:
    return Closed(error.rcvd.code, error.rcvd.reason) if error.rcvd is not None else Closed(1006, "")


class AppWire:
    """Both ends of an ASGI WebSocket, without a network."""

    def __init__(self) -> None:
        self.subprotocol: str | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue(64)
        self._gone = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, app: ASGIApp, path: str, options: Options) -> Wire:
        wire = cls()
        headers = {"host": "testserver", **{name.lower(): value for name, value in options.headers.items()}}
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "server": ("testserver", 80),
            "client": ("testclient", 50000),
            "root_path": "",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": list(options.subprotocols),
            "state": {},
            "extensions": {"websocket.http.response": {}},
        }
        wire._to_app.put_nowait({"type": "websocket.connect"})
        wire._task = asyncio.create_task(wire._run(app, scope))
        try:
            first = await wire._from_app.get()
        except BaseException:
            await wire._end()
            raise
        if first["type"] != "websocket.accept":
            await wire._end()
            raise HandshakeRefused(first.get("status", 403))
        wire.subprotocol = first.get("subprotocol")
        return wire

    async def _run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        ended: Message = {"type": "websocket.close", "code": 1006, "reason": "the application has returned"}
        try:
            await app(scope, self._to_app.get, self._sent)
        finally:
            if not self._gone:
                await self._from_app.put(ended)

    async def _sent(self, message: Message) -> None:
        if self._gone:
            raise OSError("the client has gone")
        await self._from_app.put(message)

    async def send(self, frame: str | bytes) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})

    async def receive(self) -> str | bytes:
        message = await self._from_app.get()
        if message["type"] == "websocket.close":
            raise Closed(message.get("code", 1000), message.get("reason") or "")
        frame: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
        return frame

    async def close(self, code: int) -> None:
        await self._leave(code)

    async def abort(self) -> None:
        await self._leave(1006)

    async def _leave(self, code: int) -> None:
        if self._task is None:
            return
        self._gone = True
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        while not self._task.done():
            # Whatever still wants to be sent must not keep the application from seeing that we have gone.
            reading = asyncio.ensure_future(self._from_app.get())
            await asyncio.wait([reading, self._task], return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
        task, self._task = self._task, None
        await task

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            self._gone = True
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1006, "reason": ""})
            await asyncio.wait([task])
            task.result()
