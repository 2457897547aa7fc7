"""uvicorn's protocols, with what ASGI has no word for: to drop a peer that does not read, and to hear that the server shuts down.

ASGI knows only the polite close, which waits behind everything that the peer has not read: for ever, if it never reads. And a
server that shuts down waits for open responses before it tells the application: for ever, if they are streams.
Use them as ``uvicorn.run(…, http=HTTPProtocol, ws=WebSocketProtocol, ws_ping_interval=None)``; a session sends pings of its own
(PROTOCOL.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bff.serving.http_stream import SHUTDOWN_EXTENSION
from bff.serving.websocket import ABORT_EXTENSION

__all__ = ["HTTPProtocol", "WebSocketProtocol"]


class HTTPProtocol(HttpToolsProtocol):
    """Adds the ASGI extensions ``bff.abort`` and ``bff.shutdown`` to the scope of each request."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_shutdown: set[Callable[[], None]] = set()
        self._shutting_down = False

    def on_headers_complete(self) -> None:
        # The application sees the scope in a task that begins later.
        super().on_headers_complete()
        extensions = cast(dict[str, Any], self.scope).setdefault("extensions", {})
        extensions[ABORT_EXTENSION] = self.transport.abort
        extensions[SHUTDOWN_EXTENSION] = self._tell_shutdown

    def shutdown(self) -> None:
        super().shutdown()
        self._shutting_down = True
        for call in list(self._on_shutdown):
            call()

    def _tell_shutdown(self, call: Callable[[], None]) -> Callable[[], None]:
        self._on_shutdown.add(call)
        if self._shutting_down:
            call()
        return lambda: self._on_shutdown.discard(call)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds the ASGI extension ``bff.abort`` to the scope of each WebSocket."""

    async def run_asgi(self) -> None:
        scope = cast(dict[str, Any], self.scope)
        scope.setdefault("extensions", {})[ABORT_EXTENSION] = self.transport.abort
        await super().run_asgi()
