"""The WebSocket of bff.serving.uvicorn_protocol: what it writes is what a client of the websockets package reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from bff.serving.asgi_socket import FRAMES_EXTENSION
from bff.serving.framing import Framed
from bff.serving.uvicorn_protocol import WebSocketFrames, WebSocketProtocol
from bff.serving.wire import Frames

pytestmark = pytest.mark.anyio

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]


class Line:
    """A transport whose other end is a client's protocol."""

    def __init__(self) -> None:
        self.client: ClientProtocol | None = None
        self.writes = 0
        self.closing = False

    def write(self, data: bytes) -> None:
        assert self.client is not None
        self.writes += 1
        self.client.receive_data(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def get_extra_info(self, name: str) -> Any:
        return None

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class Ends:
    """Both ends of a WebSocket, and what the application was given."""

    def __init__(self, *, deflate: bool) -> None:
        self.scope: dict[str, Any] = {}
        self.send: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        self.accepted = asyncio.Event()
        self.left = asyncio.Event()
        config = uvicorn.Config(
            self._app, interface="asgi3", ws_per_message_deflate=deflate, ws_ping_interval=None, log_config=None
        )
        config.load()
        self.line = Line()
        self.server = WebSocketProtocol(config, ServerState(), {})
        self.server.connection_made(self.line)  # type: ignore[arg-type]
        extensions = [ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5})] if deflate else None
        self.line.client = self.client = ClientProtocol(parse_uri("ws://testserver/"), extensions=extensions, max_size=None)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.send = scope, send
        await receive()
        await send({"type": "websocket.accept"})
        self.accepted.set()
        await self.left.wait()

    async def open(self) -> Frames:
        self.client.send_request(self.client.connect())
        self.pass_on()
        await self.accepted.wait()
        self.client.events_received()
        frames: Frames = self.scope["extensions"][FRAMES_EXTENSION]
        return frames

    def pass_on(self) -> None:
        """What the client has to say."""
        for data in self.client.data_to_send():
            self.server.data_received(data)

    def read(self) -> list[bytes]:
        read: list[Frame] = [each for each in self.client.events_received() if isinstance(each, Frame)]
        assert all(each.opcode is Opcode.TEXT and each.fin for each in read)
        return [bytes(each.data) for each in read]


@pytest.fixture(params=[False, True], ids=["plain", "deflate"])
async def ends(request: pytest.FixtureRequest) -> Any:
    ends = Ends(deflate=request.param)
    yield ends
    ends.left.set()
    await asyncio.gather(*ends.server.tasks)


@pytest.mark.parametrize("size", SIZES)
async def test_a_message_of_each_kind_of_length(ends: Ends, size: int) -> None:
    frames = await ends.open()
    message = ("ü" * size).encode()[:size] if size % 2 == 0 else b"x" * size
    assert frames.write_messages([message]) > 0
    assert ends.read() == [message]


@pytest.mark.parametrize("size", SIZES)
async def test_a_frame_that_others_are_sent_as_well(ends: Ends, size: int) -> None:
    frames = await ends.open()
    before, payload, after = b"<", b"x" * size, b">"
    frame = Framed().frame(before, payload, after)
    if ends.server.conn.extensions:
        assert not frames.direct, "it is encoded for each"
    else:
        assert frames.direct
        assert frames.write(frame) == len(frame)
        assert ends.read() == [before + payload + after]


def test_who_says_the_same_is_given_the_same_frame() -> None:
    framed = Framed()
    payload, after = b"payload", b"}"
    frame = framed.frame(b"1", payload, after)
    assert framed.frame(bytes([49]), payload, after) is frame, "the ids are equal"
    assert framed.frame(b"2", payload, after)[2:] == b"2payload}"
    assert framed.frame(b"2", bytes(bytearray(payload)), after)[2:] == b"2payload}"
    assert framed.frame(b"2", b"other", after)[2:] == b"2other}"
    assert framed.frame(b"2", b"other", b"]")[2:] == b"2other]"


async def test_several_messages_are_one_write_and_in_order(ends: Ends) -> None:
    frames = await ends.open()
    before = ends.line.writes
    messages = [str(number).encode() * number for number in range(300)]
    assert frames.write_messages(messages) > 0
    assert ends.line.writes == before + 1
    assert ends.read() == messages


async def test_it_mixes_with_what_is_sent_otherwise(ends: Ends) -> None:
    frames = await ends.open()
    assert ends.send is not None
    frames.write_messages([b"one", b"two"])
    await ends.send({"type": "websocket.send", "text": "three"})
    frames.write_messages([b"four"])
    assert ends.read() == [b"one", b"two", b"three", b"four"]


async def test_nothing_is_written_before_the_handshake(ends: Ends) -> None:
    frames = WebSocketFrames(ends.line, ends.server.conn)  # type: ignore[arg-type]
    assert frames.write_messages([b"early"]) == 0
    assert not frames.direct
    assert ends.line.writes == 0


@pytest.mark.parametrize("who", ["application", "client", "server", "network"])
async def test_nothing_is_written_once_it_closes(ends: Ends, who: str) -> None:
    frames = await ends.open()
    assert ends.send is not None
    if who == "application":
        await ends.send({"type": "websocket.close", "code": 4400})
    elif who == "client":
        ends.client.send_close(1000)
        ends.pass_on()
    elif who == "server":
        ends.server.shutdown()
    else:
        ends.line.closing = True
        ends.server.connection_lost(ConnectionResetError())
    before = ends.line.writes
    assert frames.write_messages([b"late"]) == 0
    assert not frames.direct or frames.write(b"late") == 0
    assert ends.line.writes == before


async def test_it_says_when_it_can_be_written_again(ends: Ends) -> None:
    frames = await ends.open()
    told: list[bool] = []
    frames.on_writable(lambda: told.append(frames.can_write))
    assert frames.can_write
    direct = frames.direct
    ends.server.pause_writing()
    assert not frames.can_write
    assert not frames.direct
    ends.server.resume_writing()
    assert told == [True]
    assert frames.direct == direct
    frames.on_writable(None)
    ends.server.pause_writing()
    ends.server.resume_writing()
    assert told == [True]
