"""The least of HTTP and of WebSockets that a client needs, so that its own time is small beside what it measures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Self

__all__ = ["HTTPConnection", "WebSocket", "request"]

LIMIT = 4 * 1024 * 1024
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


def request(body: Mapping[str, Any], path: str = "/graphql") -> bytes:
    """A POST of GraphQL, as it goes over the wire."""
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


class _TimedReader(asyncio.StreamReader):
    """Knows when it was last fed: whoever awaits it goes on later, when others that wait had their turn."""

    fed_at = 0.0

    def feed_data(self, data: bytes) -> None:
        self.fed_at = time.monotonic()
        super().feed_data(data)


async def _connect(port: int) -> tuple[_TimedReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = _TimedReader(LIMIT, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class HTTPConnection:
    """One connection that is kept open; one request at a time."""

    def __init__(self, reader: _TimedReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await _connect(port))

    @property
    def received_at(self) -> float:
        """When the last bytes came, by the monotonic clock."""
        return self._reader.fed_at

    async def post(self, body: Mapping[str, Any], path: str = "/graphql") -> dict[str, Any]:
        """What GraphQL answers. Raises ValueError where that is no 200 with a JSON object without errors."""
        self.send(request(body, path))
        return await self.answer()

    def send(self, request: bytes) -> None:
        """Send a request at once; ``answer`` is its answer."""
        self._writer.write(request)

    async def answer(self) -> dict[str, Any]:
        """As ``post``."""
        headers = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = json.loads(await self._reader.readexactly(length))
        if not headers.startswith(b"http/1.1 200") or not isinstance(answer, dict) or "errors" in answer:
            raise ValueError(f"{headers!r} {answer!r}")
        return answer


class WebSocket:
    """One graphql-transport-ws connection."""

    def __init__(self, reader: _TimedReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._operations = 0

    @property
    def received_at(self) -> float:
        """When the last bytes came, by the monotonic clock."""
        return self._reader.fed_at

    @classmethod
    async def open(cls, port: int, path: str = "/graphql") -> Self:
        """Connected and acknowledged. Raises ValueError."""
        reader, writer = await _connect(port)
        writer.write(HANDSHAKE.format(path=path).encode())
        headers = await reader.readuntil(b"\r\n\r\n")
        if not headers.startswith(b"HTTP/1.1 101"):
            raise ValueError(f"no WebSocket: {headers!r}")
        opened = cls(reader, writer)
        opened._send({"type": "connection_init"})
        acknowledged = json.loads(await opened._text())
        if acknowledged["type"] != "connection_ack":
            raise ValueError(f"no acknowledgement: {acknowledged}")
        return opened

    async def subscribe(self, query: str, variables: Mapping[str, Any]) -> None:
        self._operations += 1
        payload = {"query": query, "variables": variables}
        self._send({"id": str(self._operations), "type": "subscribe", "payload": payload})

    async def receive(self) -> bytes:
        """The next ``next``. Pings are answered. Raises ValueError where something else comes, or one with errors."""
        while True:
            text = await self._text()
            if b'"next"' in text[:80]:
                if b'"errors":' in text:
                    raise ValueError(text)
                return text
            if b'"ping"' not in text[:80]:
                raise ValueError(text)
            self._send({"type": "pong"})

    def _send(self, message: Mapping[str, Any]) -> None:
        text = json.dumps(message).encode()
        length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
        self._writer.write(b"\x81" + length + bytes(4) + text)  # masked with zeros

    async def _text(self) -> bytes:
        while True:
            first, second = await self._reader.readexactly(2)
            length = second & 127
            if length > 125:
                length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
            payload = await self._reader.readexactly(length)
            if first == 0x81:
                return payload
            if first == 0x89:
                self._writer.write(b"\x8a" + bytes([0x80 | length]) + bytes(4) + payload)
            else:
                raise ValueError(f"a frame that begins with {first:#x}: {payload!r:.200}")
