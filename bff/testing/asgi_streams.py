"""An httpx transport into an ASGI application whose responses arrive while they are made; httpx's own waits for their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

__all__ = ["StreamingASGITransport"]


class StreamingASGITransport(httpx.AsyncBaseTransport):
    """Runs each request in a task of this event loop. A response that is closed early is a client that has disconnected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(await request.aread())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "server": (request.url.host, request.url.port),
            "client": ("testclient", 50000),
            "root_path": "",
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "state": {},
            "extensions": {},
        }
        exchange.task = asyncio.create_task(exchange.run(self._app, scope))
        try:
            start = await exchange.next()
        except BaseException:
            await exchange.aclose()
            raise
        return httpx.Response(start["status"], headers=start["headers"], stream=exchange)


class _Exchange(httpx.AsyncByteStream):
    """Both ends of one request."""

    def __init__(self, body: bytes) -> None:
        self.task: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_app.put_nowait({"type": "http.request", "body": body, "more_body": False})
        # A message that nobody reads is one that the application waits for.
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._gone = False

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._to_app.get, self._sent)
        finally:
            if not self._gone:
                await self._from_app.put(None)

    async def _sent(self, message: Message) -> None:
        if self._gone:
            raise OSError("the client has gone")
        await self._from_app.put(message)

    async def next(self) -> Message:
        message = await self._from_app.get()
        if message is not None:
            return message
        task, self.task = self.task, None
        if task is not None:
            await task  # raises what the application has raised
        raise httpx.RemoteProtocolError("the application has returned before its response was complete")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            message = await self.next()
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return

    async def aclose(self) -> None:
        self._gone = True
        self._to_app.put_nowait({"type": "http.disconnect"})
        task, self.task = self.task, None
        while task is not None and not task.done():
            # Whatever still wants to be sent must not keep the application from seeing that we have gone.
            reading = asyncio.ensure_future(self._from_app.get())
            await asyncio.wait([reading, task], return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
        if task is not None:
            await task
