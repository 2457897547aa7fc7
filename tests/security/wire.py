"""The other end of a real server's connections, byte by byte: what no client library would send."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.serve import BffServer

__all__ = ["Peer", "Reply", "bounded", "connected", "frame", "handshake", "upgraded"]

_SOON = 30.0


@dataclass(frozen=True)
class Reply:
    """A response as far as it came; status 0 where none did."""

    status: int
    body: bytes


class Peer:
    """One connection. Every wait has a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, parts: bytes | Iterable[bytes]) -> bool:
        """Send these; False where the server has hung up before it was all sent."""
        return await self.send_within(_SOON, parts)

    async def send_within(self, seconds: float, parts: bytes | Iterable[bytes]) -> bool:
        """As ``send``; False also where the server does not take them in so many seconds."""
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(seconds):
                for part in [parts] if isinstance(parts, bytes) else parts:
                    self.writer.write(part)
                    await self.writer.drain()
            return True
        return False

    async def reply(self) -> Reply:
        """The next response."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_SOON):
                head = await self.reader.readuntil(b"\r\n\r\n")
                length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
                body = await self.reader.readexactly(int(length.split(b":")[1]))
                return Reply(int(head.split()[1]), body)
        return Reply(0, b"")

    async def closed(self) -> int:
        """The code of the close frame that comes, 1006 where the connection ends without one. What comes before is skipped."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_SOON):
                while True:
                    opcode, payload = await self._frame()
                    if opcode == 8:
                        return int(struct.unpack("!H", payload[:2])[0])
        return 1006

    async def rest_after(self, sent: bytes) -> bytes:
        """Send this and no more; everything that comes until the server has hung up, too."""
        rest = b""
        with suppress(ConnectionError, OSError):
            async with asyncio.timeout(_SOON):
                self.writer.write(sent)
                self.writer.write_eof()
                rest = await self.reader.read()
        return rest

    async def text(self) -> bytes:
        """The payload of the next text frame; others are skipped."""
        async with asyncio.timeout(_SOON):
            while True:
                opcode, payload = await self._frame()
                if opcode == 1:
                    return payload

    async def _frame(self) -> tuple[int, bytes]:
        first, length = await self.reader.readexactly(2)
        if length == 126:
            length = struct.unpack("!H", await self.reader.readexactly(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", await self.reader.readexactly(8))[0]
        return first & 0x0F, await self.reader.readexactly(length)


@asynccontextmanager
async def connected(server: BffServer) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 24)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def upgraded(server: BffServer, *, deflate: bool = False, path: bytes = b"/graphql") -> AsyncIterator[Peer]:
    """A WebSocket whose handshake is over."""
    async with connected(server) as peer:
        await peer.send(handshake(deflate=deflate, path=path))
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        assert (b"permessage-deflate" in head.lower()) == deflate, head
        yield peer


def handshake(*, deflate: bool = False, path: bytes = b"/graphql") -> bytes:
    lines = [
        b"GET " + path + b" HTTP/1.1",
        b"Host: city.test",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)),
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Protocol: graphql-transport-ws",
        *([b"Sec-WebSocket-Extensions: permessage-deflate"] if deflate else []),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def frame(payload: bytes, opcode: int = 1, *, final: bool = True, packed: bool = False, length: int | None = None) -> bytes:
    """A frame as clients send it, masked with zeros. ``length`` is what it says of itself, where that is not the truth."""
    size = len(payload) if length is None else length
    first = bytes([(0x80 if final else 0) | (0x40 if packed else 0) | opcode])
    if size < 126:
        return first + bytes([0x80 | size]) + bytes(4) + payload
    if size < 1 << 16:
        return first + bytes([0x80 | 126]) + struct.pack("!H", size) + bytes(4) + payload
    return first + bytes([0x80 | 127]) + struct.pack("!Q", size) + bytes(4) + payload


@contextmanager
def bounded(server: BffServer, room: int) -> Iterator[None]:
    """While this lasts, the server's process takes at most ``room`` bytes more than it has: asserted of the peak, afterwards."""
    assert server._process is not None
    process = Path(f"/proc/{server._process.pid}")
    (process / "clear_refs").write_text("5")  # the peak begins anew: proc(5)
    before = _memory(process)
    yield
    taken = _memory(process) - before
    assert taken < room, f"{taken} bytes were taken"


def _memory(process: Path) -> int:
    """The most memory that a process has had. Bytes."""
    peak = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024
