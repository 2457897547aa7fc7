"""graphql-transport-ws behind Ariadne's WebSocket interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from ariadne.asgi.handlers import GraphQLWebsocketHandlerBase
from ariadne.exceptions import WebSocketConnectionError
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from bff.errors import DomainError, RequestError
from bff.serving.asgi_socket import ASGISocket
from bff.serving.limits import Limits
from bff.serving.messages import SUBPROTOCOL, CloseCode
from bff.serving.operations import Operations
from bff.serving.pump import Pump
from bff.serving.session import Session
from bff.serving.wire import Disconnected, Ending

__all__ = ["GraphQLTransportWSHandler", "OnConnect"]

logger = logging.getLogger("bff.serving")

_Answer: TypeAlias = Mapping[str, Any] | bool | None
OnConnect: TypeAlias = Callable[[WebSocket, Mapping[str, Any]], Awaitable[_Answer] | _Answer]
"""Called with the payload of ``connection_init``. False refuses (4403), a mapping is the payload of the acknowledgement.
A DomainError or RequestError refuses with its message."""


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
        self._pump = Pump()
        self._sessions: set[Session] = set()
        self._left = asyncio.Event()
        self._closing = False

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._sessions)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_origin_allowed(scope):
            await self._deny(WebSocket(scope, receive, send))
            return
        if (await receive())["type"] != "websocket.connect":
            return  # it has gone during the handshake
        spoken = SUBPROTOCOL in scope.get("subprotocols", ())
        try:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if spoken else None, "headers": []})
        except OSError:
            return
        await self._serve(ASGISocket(scope, receive, send), spoken)

    async def handle_websocket(self, websocket: WebSocket) -> None:
        """Ariadne's way in, for code that has a Starlette WebSocket already; it is not accepted yet."""
        await self.handle(websocket.scope, websocket.receive, websocket.send)

    async def _serve(self, socket: ASGISocket, spoken: bool) -> None:
        refusal = self._refusal(spoken)
        if refusal is not None:
            with suppress(Disconnected):
                await socket.close(refusal.code, refusal.reason)
            return
        session = Session(socket, self._operations, self._limits, partial(self._greet, socket), self._pump)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._left.set()

    async def shutdown(self) -> None:
        """Close every socket with 1012, on which clients connect again, and wait until nothing of them runs.

        From then on new sockets are closed with 1012 at once.
        """
        self._closing = True
        for session in list(self._sessions):
            session.end(Ending(CloseCode.SERVICE_RESTART, "Service restart"))
        while self._sessions:
            self._left.clear()
            await self._left.wait()

    def _refusal(self, spoken: bool) -> Ending | None:
        if not spoken:
            return Ending(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
        if self._closing:
            return Ending(CloseCode.SERVICE_RESTART, "Service restart")
        if len(self._sessions) >= self._limits.sockets:
            return Ending(CloseCode.TRY_AGAIN_LATER, "Too many sockets")
        return None

    async def _greet(self, socket: ASGISocket, payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        socket.state["connection_params"] = payload
        if self.on_connect is None:
            return None
        try:
            answer: Any = self.on_connect(socket.connection(), payload or {})
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

    def _is_origin_allowed(self, scope: Scope) -> bool:
        """Browsers let every page open a WebSocket to every host, with the user's cookies: so the page is looked at."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or "*" in self._allowed_origins or origin.rstrip("/").lower() in self._allowed_origins:
            return True
        try:
            return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
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
