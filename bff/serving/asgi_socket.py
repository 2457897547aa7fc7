"""One ASGI WebSocket, as a session wants it."""

from __future__ import annotations

import logging
from typing import Any, Final, cast

from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from bff.serving.wire import Disconnected, Frames

__all__ = ["ABORT_EXTENSION", "FRAMES_EXTENSION", "ASGISocket", "address_of"]

logger = logging.getLogger("bff.serving")

ABORT_EXTENSION: Final = "bff.abort"
"""The ASGI extension that bff.serving.uvicorn_protocol adds: a callable that drops the connection at once."""

FRAMES_EXTENSION: Final = "bff.frames"
"""The ASGI extension that bff.serving.uvicorn_protocol adds to a WebSocket: ``bff.serving.wire.Frames``."""


def address_of(scope: Scope) -> str | None:
    """The peer's address, as far as the server knows it."""
    client = scope.get("client")
    return None if client is None else str(client[0])


class ASGISocket:
    """A WebSocket once its handshake is over. ``websocket`` is Starlette's, for those who ask for it."""

    __slots__ = ("_receive", "_scope", "_send", "_websocket")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._websocket: WebSocket | None = None

    @property
    def frames(self) -> Frames | None:
        return cast("Frames | None", self._extension(FRAMES_EXTENSION))

    @property
    def state(self) -> dict[str, Any]:
        """What ``websocket.state`` is made of."""
        state: dict[str, Any] = self._scope.setdefault("state", {})
        return state

    @property
    def address(self) -> str | None:
        return address_of(self._scope)

    def connection(self) -> WebSocket:
        # Many sockets are never asked: it is made when it is.
        if self._websocket is None:
            self._websocket = WebSocket(self._scope, self._receive, self._send)
            self._websocket.client_state = self._websocket.application_state = WebSocketState.CONNECTED
        return self._websocket

    async def receive(self) -> str | bytes:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected
        text: str | None = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, text: bytes) -> None:
        await self._say({"type": "websocket.send", "text": text.decode()})

    async def close(self, code: int, reason: str) -> None:
        await self._say({"type": "websocket.close", "code": code, "reason": reason})

    def abort(self) -> None:
        abort = self._extension(ABORT_EXTENSION)
        if callable(abort):
            abort()

    def _extension(self, name: str) -> Any:
        return (self._scope.get("extensions") or {}).get(name)

    async def _say(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            # Servers differ in what they raise for a connection that has just gone.
            logger.debug("a WebSocket has gone while something was sent", exc_info=error)
            raise Disconnected from error
