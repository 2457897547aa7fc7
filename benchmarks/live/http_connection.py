"""The least of HTTP that a client needs, so that its own time is small beside what it measures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self

__all__ = ["HTTPConnection"]

LIMIT = 4 * 1024 * 1024


class HTTPConnection:
    """One connection that is kept open; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=LIMIT))

    async def post(self, body: Mapping[str, Any], path: str = "/graphql") -> dict[str, Any]:
        """What GraphQL answers. Raises ValueError where that is no 200 with a JSON object without errors."""
        text = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        self._writer.write(head.encode() + text)
        headers = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = json.loads(await self._reader.readexactly(length))
        if not headers.startswith(b"http/1.1 200") or not isinstance(answer, dict) or "errors" in answer:
            raise ValueError(f"{headers!r} {answer!r}")
        return answer
