"""uvicorn's WebSocket protocol, with a way to drop a peer that does not read.

ASGI knows only the polite close, which waits behind everything that the peer has not read: for ever, if it never reads.
Use it as ``uvicorn.run(…, ws=WebSocketProtocol, ws_ping_interval=None)``; a session sends pings of its own (PROTOCOL.md).
"""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bff.serving.websocket import ABORT_EXTENSION

__all__ = ["WebSocketProtocol"]


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds the ASGI extension ``bff.abort`` to the scope of each WebSocket."""

    async def run_asgi(self) -> None:
        scope = cast(dict[str, Any], self.scope)
        scope.setdefault("extensions", {})[ABORT_EXTENSION] = self.transport.abort
        await super().run_asgi()
