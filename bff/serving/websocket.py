"""graphql-transport-ws behind Ariadne's WebSocket interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Any, TypeAlias

from ariadne.asgi.handlers import GraphQLWebsocketHandlerBase
from ariadne.exceptions import WebSocketConnectionError
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from bff.auth.authenticator import Authenticator
from bff.errors import DomainError, RequestError
from bff.serving.asgi_socket import ASGISocket
from bff.serving.limits import Limits
from bff.serving.messages import SUBPROTOCOL, CloseCode
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operations
from bff.serving.origins import Origins
from bff.serving.pump import Pump
from bff.serving.session import Session
from bff.serving.wire import Disconnected, Ending
from bff.together import together

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
        origins: Origins,
        on_connect: OnConnect | None = None,
        authenticator: Authenticator | None = None,
        occupancy: Occupancy | None = None,
    ) -> None:
        super().__init__(on_connect=on_connect)
        self._authenticator = authenticator
        self._operations = operations
        self._limits = limits
        self._origins = origins
        self._occupancy = occupancy or Occupancy(limits)
        self._pump = Pump()
        self._sessions: set[Session] = set()
        self._left = asyncio.Event()
        self._closing = False

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._sessions)

    @property
    def operations(self) -> int:
        """How many operations all of them have."""
        return sum(session.operations for session in self._sessions)

    @property
    def queued_bytes(self) -> int:
        """How much text waits for peers that have not read, on single connections, too, beside what the server has buffered."""
        return self._occupancy.backlog.length

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._origins.allow(Headers(scope=scope)):
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
            self._operations.tally.refused(refusal.limit)
            with suppress(Disconnected):
                await socket.close(refusal.code, refusal.reason)
            return
        greet = partial(self._greet, socket)
        session = Session(socket, self._operations, self._limits, greet, self._pump, self._authenticator, self._occupancy)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._left.set()

    async def drain(self) -> None:
        """As ``shutdown``, but mutations that have begun are answered first: their sockets are closed after that."""
        self._closing = True
        ending = Ending(CloseCode.SERVICE_RESTART, "Service restart")
        await together(*(session.drain(ending) for session in list(self._sessions)), limit=len(self._sessions) or 1)
        await self.shutdown()

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
            return Ending(CloseCode.TRY_AGAIN_LATER, "Too many sockets", limit="sockets")
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

    @staticmethod
    async def _deny(websocket: WebSocket) -> None:
        logger.warning("a WebSocket from the page %s is refused", websocket.headers.get("origin"))
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.receive()
            await websocket.send_denial_response(PlainTextResponse("this origin is not allowed\n", 403))
        else:
            await websocket.receive()
            await websocket.close(CloseCode.FORBIDDEN)
