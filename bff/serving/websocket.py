"""graphql-transport-ws behind Ariadne's WebSocket interface, on Starlette's WebSocket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from inspect import isawaitable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from ariadne.asgi.handlers import GraphQLWebsocketHandlerBase
from ariadne.exceptions import WebSocketConnectionError
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from bff.errors import DomainError, RequestError
from bff.serving.limits import Limits
from bff.serving.messages import SUBPROTOCOL, CloseCode
from bff.serving.operations import Operations
from bff.serving.session import Greet, Session
from bff.serving.wire import Disconnected, Ending

__all__ = ["ABORT_EXTENSION", "GraphQLTransportWSHandler", "OnConnect", "StarletteSocket"]

logger = logging.getLogger("bff.serving")

ABORT_EXTENSION = "bff.abort"
"""The ASGI extension that bff.serving.uvicorn_protocol adds: a callable that drops the connection at once."""

_Answer: TypeAlias = Mapping[str, Any] | bool | None
OnConnect: TypeAlias = Callable[[WebSocket, Mapping[str, Any]], Awaitable[_Answer] | _Answer]
"""Called with the payload of ``connection_init``. False refuses (4403), a mapping is the payload of the acknowledgement.
A DomainError or RequestError refuses with its message."""


class StarletteSocket:
    """A starlette WebSocket, as a session wants it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected
        text: str | None = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, text: str) -> None:
        await self._translated(self._websocket.send_text(text))

    async def close(self, code: int, reason: str) -> None:
        await self._translated(self._websocket.close(code, reason))

    def abort(self) -> None:
        abort = self._websocket.scope.get("extensions", {}).get(ABORT_EXTENSION)
        if callable(abort):
            abort()

    @staticmethod
    async def _translated(sending: Awaitable[None]) -> None:
        try:
            await sending
        except WebSocketDisconnect as error:
            raise Disconnected from error
        except (OSError, RuntimeError) as error:
            # Servers differ in what they raise for a connection that has just gone.
            logger.debug("a WebSocket has gone while something was sent", exc_info=error)
            raise Disconnected from error


class GraphQLTransportWSHandler(GraphQLWebsocketHandlerBase):
    """Serves every WebSocket of an application with a session of PROTOCOL.md; ``shutdown`` ends them all."""

    def __init__(
        self,
        operations: Operations,
        limits: Limits,
        *,
        on_connect: OnConnect | None = None,
        allowed_origins: Sequence[str] = (),
    ) -> None:
        super().__init__(on_connect=on_connect)
        self._operations = operations
        self._limits = limits
        self._allowed_origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._sessions: dict[Session, asyncio.Future[None]] = {}
        self._closing = False

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._sessions)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.handle_websocket(WebSocket(scope=scope, receive=receive, send=send))

    async def handle_websocket(self, websocket: WebSocket) -> None:
        if not self._is_origin_allowed(websocket):
            await self._deny(websocket)
            return
        spoken = SUBPROTOCOL in websocket.scope.get("subprotocols", ())
        try:
            await websocket.accept(SUBPROTOCOL if spoken else None)
        except (WebSocketDisconnect, OSError):
            return  # it has gone during the handshake
        socket = StarletteSocket(websocket)
        refusal = self._refusal(spoken)
        if refusal is not None:
            with suppress(Disconnected):
                await socket.close(refusal.code, refusal.reason)
            return
        session = Session(socket, self._operations, websocket, self._limits, self._greeter(websocket))
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sessions[session] = finished
        try:
            await session.run()
        finally:
            del self._sessions[session]
            finished.set_result(None)

    async def shutdown(self) -> None:
        """Close every socket with 1012, on which clients connect again, and wait until nothing of them runs.

        From then on new sockets are closed with 1012 at once.
        """
        self._closing = True
        waiting = list(self._sessions.values())
        for session in list(self._sessions):
            session.end(Ending(CloseCode.SERVICE_RESTART, "Service restart"))
        if waiting:
            await asyncio.wait(waiting)

    def _refusal(self, spoken: bool) -> Ending | None:
        if not spoken:
            return Ending(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
        if self._closing:
            return Ending(CloseCode.SERVICE_RESTART, "Service restart")
        if len(self._sessions) >= self._limits.sockets:
            return Ending(CloseCode.TRY_AGAIN_LATER, "Too many sockets")
        return None

    def _greeter(self, websocket: WebSocket) -> Greet:
        async def greet(payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            websocket.state.connection_params = payload
            if self.on_connect is None:
                return None
            try:
                answer: Any = self.on_connect(websocket, payload or {})
                if isawaitable(answer):
                    answer = await answer
            except (DomainError, RequestError) as error:
                raise Ending(CloseCode.FORBIDDEN, str(error) or "Forbidden") from error
            except WebSocketConnectionError as error:
                # Ariadne's own way to refuse; its text is written for clients.
                raise Ending(CloseCode.FORBIDDEN, str(error.payload.get("message") or "Forbidden")) from error
            if answer is False:
                raise Ending(CloseCode.FORBIDDEN, "Forbidden")
            return answer if isinstance(answer, Mapping) else None

        return greet

    def _is_origin_allowed(self, websocket: WebSocket) -> bool:
        """Browsers let every page open a WebSocket to every host, with the user's cookies: so the page is looked at."""
        origin = websocket.headers.get("origin")
        if origin is None or "*" in self._allowed_origins or origin.rstrip("/").lower() in self._allowed_origins:
            return True
        try:
            return urlsplit(origin).netloc.lower() == websocket.headers.get("host", "").lower()
        except ValueError:
            return False

    @staticmethod
    async def _deny(websocket: WebSocket) -> None:
        logger.warning("a WebSocket from the page %s is refused", websocket.headers.get("origin"))
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.receive()
            await websocket.send_denial_response(PlainTextResponse("this origin is not allowed\n", 403))
        else:
            await websocket.receive()
            await websocket.close(CloseCode.FORBIDDEN)
