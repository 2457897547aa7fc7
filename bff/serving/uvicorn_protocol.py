"""uvicorn's protocols, with what ASGI has no word for: to drop a peer that does not read, to hear that the server shuts down, and
to send a whole answer in one piece.

ASGI knows only the polite close, which waits behind everything that the peer has not read: for ever, if it never reads. And a
server that shuts down waits for open responses before it tells the application: for ever, if they are streams.
Use them as ``uvicorn.run(…, http=HTTPProtocol, ws=WebSocketProtocol, ws_ping_interval=None)``; a session sends pings of its own
(PROTOCOL.md).
"""

from __future__ import annotations

from asyncio import Transport
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from bff.serving.asgi_socket import ABORT_EXTENSION, FRAMES_EXTENSION
from bff.serving.framing import head
from bff.serving.gate import Gate
from bff.serving.http_stream import SHUTDOWN_EXTENSION
from bff.serving.idle_timer import IdleTimer
from bff.serving.inbox import Inbox
from bff.serving.responses import RESPOND_EXTENSION

__all__ = ["HTTPProtocol", "WebSocketFrames", "WebSocketProtocol"]

HEAD_BYTES: Final = 64 * 1024
"""How much of a head may arrive before it is complete, and of what stands between the parts of a body, or behind it."""

_DROPPED: Final[Any] = deque(maxlen=0)
_HEAD_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HTTPProtocol(HttpToolsProtocol):
    """Adds the ASGI extensions ``bff.abort``, ``bff.shutdown`` and ``bff.respond`` to the scope of each request.

    And a bound of what it takes that is no body (CWE-770): neither uvicorn nor httptools has one. And its pauses share a timer.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_shutdown: set[Callable[[], None]] = set()
        self._shutting_down = False
        self._extensions: dict[str, Any] = {}
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._begin = b""
        self._of_no_body = 0
        self._idle = IdleTimer(self.loop, self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        self._of_no_body += len(data)
        super().data_received(data)
        if self._of_no_body > HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._of_no_body = 0
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._idle.close()

    def _unset_keepalive_if_required(self) -> None:
        self._idle.busy()

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        # As uvicorn does, but for its timer.
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle.idle()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._extensions = {
            ABORT_EXTENSION: transport.abort,
            SHUTDOWN_EXTENSION: self._tell_shutdown,
            RESPOND_EXTENSION: self._respond,
        }

    def on_headers_complete(self) -> None:
        # The application sees the scope in a task that begins later.
        super().on_headers_complete()
        self._of_no_body = 0
        parser: Any = self.parser
        if not parser.should_upgrade():
            # What comes from now on stands behind the body: it must not become one of the headers (CWE-444).
            self.headers = _DROPPED
        scope: Any = self.scope
        scope["extensions"] = self._extensions.copy()

    def _respond(self, send: Any, head: bytes, body: bytes) -> bool:
        """As ``RequestResponseCycle.send`` of a whole answer does, in one piece; what is not the plain case is left to that.

        ``send`` is what the application was given: whoever has put its own around it sees every message.
        """
        cycle = getattr(send, "__self__", None)
        if (
            not isinstance(cycle, RequestResponseCycle)
            or cycle.transport is not self.transport
            or cycle.response_started
            or cycle.disconnected
            or cycle.access_log
            or not cycle.keep_alive
            or self.flow.write_paused
        ):
            return False
        # A new list every second, with another date in it.
        if self._default_headers is not cycle.default_headers:
            self._default_headers = cycle.default_headers
            lines = [b"%b: %b\r\n" % line for line in self._default_headers]
            self._begin = b"".join([STATUS_LINE[200], *lines])
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (self._begin, head, len(body), body))
        cycle.message_event.set()
        cycle.on_response()
        return True

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


class WebSocketFrames:
    """What ``bff.frames`` is: ``bff.serving.wire.Frames``. ASGI's ``send`` takes one message, and is awaited.

    It writes from the handshake to the first close frame, ours or the peer's. What that takes is at hand here: among thousands of
    sockets, to look for it in uvicorn's and websockets' protocols is to fetch these from memory, which costs more than the rest.
    """

    __slots__ = ("_call", "_connection", "_encoded", "_transport", "can_write", "closing", "direct")

    def __init__(self, transport: Transport, connection: ServerProtocol) -> None:
        self._transport = transport
        self._connection = connection
        self._encoded = False  # known once the handshake is over
        self._call: Callable[[], None] | None = None
        self.can_write = True
        self.closing = True
        """Whether a close frame has been sent while the transport stays open for the peer's; true before the handshake, too."""
        self.direct = False

    def opened(self) -> None:
        """The handshake is over."""
        self._encoded = bool(self._connection.extensions)
        self.closing = self._connection.state is not OPEN
        self._turn_direct()

    def closes(self) -> None:
        """A close frame is about to be sent: data may not follow it, and the transport stays open until the peer has answered."""
        self.closing = True
        self._turn_direct()

    def pause(self) -> None:
        self.can_write = False
        self._turn_direct()

    def on_writable(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def resume(self) -> None:
        self.can_write = True
        self._turn_direct()
        if self._call is not None:
            self._call()

    def write(self, frame: bytes) -> int:
        transport = self._transport
        if transport.is_closing():
            return 0
        transport.write(frame)
        return len(frame)

    def write_messages(self, messages: Sequence[bytes]) -> int:
        transport = self._transport
        if self.closing or transport.is_closing():
            return 0
        if self._encoded:
            if self._connection.state is not OPEN:
                return 0
            data = self._encode(messages)
        elif len(messages) == 1:
            data = head(len(messages[0])) + messages[0]
        else:
            data = b"".join([part for message in messages for part in (head(len(message)), message)])
        transport.write(data)
        return len(data)

    def _turn_direct(self) -> None:
        self.direct = self.can_write and not self.closing and not self._encoded

    def _encode(self, messages: Sequence[bytes]) -> bytes:
        """Frames as permessage-deflate makes them."""
        for message in messages:
            self._connection.send_text(message)
        return b"".join(self._connection.data_to_send())


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds the ASGI extensions ``bff.abort`` and ``bff.frames`` to the scope of each WebSocket."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = Gate()  # type: ignore[assignment]
        self._writer: WebSocketFrames | None = None
        self._pings_paused = False

    def handle_ping(self) -> None:
        super().handle_ping()
        # Its pong waits for the peer to read: no more pings are taken until it does (CWE-770).
        if self._writer is not None and not self._writer.can_write and not self._pings_paused:
            self._pings_paused = True
            self.transport.pause_reading()

    async def receive(self) -> Any:
        message = await super().receive()
        if self._pings_paused:
            self.transport.pause_reading()
        return message

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        if self.curr_msg_data_type == "text" and not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError:
                # As uvicorn does, without an exception in the log for whatever a client sends (CWE-779), and without one
                # where its close frame came with it: then there is nothing more to say.
                self.frames = []
                if self.conn.state is OPEN:
                    self.conn.send_close(1007)
                    self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def run_asgi(self) -> None:
        extensions = cast(dict[str, Any], self.scope).setdefault("extensions", {})
        extensions[ABORT_EXTENSION] = self.transport.abort
        extensions[FRAMES_EXTENSION] = self._writer = WebSocketFrames(self.transport, self.conn)
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        writer = self._writer
        assert writer is not None, "it was made before the application was called"
        if message["type"] == "websocket.close":
            writer.closes()
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # it is answered: nothing that uvicorn need log as an error
        if message["type"] == "websocket.accept":
            writer.opened()
            # The handshake is over. The application has its headers in the scope: two more copies are of use to nobody.
            self.request.headers.clear()
            self.response.headers.clear()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writer is not None:
            self._writer.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pings_paused:
            self._pings_paused = False
            if not self.read_paused:
                self.transport.resume_reading()
        if self._writer is not None:
            self._writer.resume()
