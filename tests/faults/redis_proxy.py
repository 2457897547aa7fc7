"""A TCP proxy in front of Redis that drops, doubles and reorders what is published."""

from __future__ import annotations

import asyncio
import random
from types import TracebackType
from typing import Self

from bff.testing.emulators import free_port

__all__ = ["RedisProxy"]

HELD_SECONDS = 0.05


class RedisProxy:
    """Understands as much of RESP2 as it takes to tell a published message from a reply: replies pass unharmed.

    Of the messages each of ``dropped``, ``doubled`` and ``reordered`` is about ``share``. Until ``honest()`` is called.
    """

    def __init__(self, server: str, *, share: float, seed: int) -> None:
        self.port = free_port()
        self.dropped = self.doubled = self.reordered = 0
        self._host, _, port = server.partition(":")
        self._to = int(port)
        self._share = share
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def honest(self) -> None:
        """From now on, everything passes as it comes."""
        self._share = 0.0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_redis, to_redis = await asyncio.open_connection(self._host, self._to)
        except OSError:
            writer.close()
            return
        ways = [asyncio.create_task(_pass(reader, to_redis)), asyncio.create_task(self._answer(from_redis, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
            to_redis.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: list[bytes] = []
        next_value: asyncio.Task[bytes] | None = None
        try:
            while True:
                next_value = next_value or asyncio.create_task(_value(reader))
                await asyncio.wait([next_value], timeout=HELD_SECONDS if held else None)
                if not next_value.done():
                    self._write(writer, held)
                    continue
                value, next_value = next_value.result(), None
                if not value.startswith(b"*3\r\n$7\r\nmessage\r\n"):
                    self._write(writer, [*held, value])
                    held.clear()
                    continue
                chance = self._random.random() / self._share if self._share else 4.0
                if chance < 1:
                    self.dropped += 1
                elif chance < 2:
                    self.doubled += 1
                    writer.write(value + value)
                elif chance < 3:
                    self.reordered += 1
                    held.append(value)
                    continue
                else:
                    writer.write(value)
                # What was held comes after what came after it.
                self._write(writer, held)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            if next_value is not None:
                next_value.cancel()
                await asyncio.gather(next_value, return_exceptions=True)

    def _write(self, writer: asyncio.StreamWriter, values: list[bytes]) -> None:
        writer.write(b"".join(values))
        values.clear()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _value(reader: asyncio.StreamReader) -> bytes:
    """One RESP2 value as it is on the wire. Raises IncompleteReadError at the end."""
    line = await reader.readuntil(b"\r\n")
    if line[:1] == b"$" and (length := int(line[1:])) >= 0:
        return line + await reader.readexactly(length + 2)
    if line[:1] == b"*":
        return line + b"".join([await _value(reader) for _ in range(int(line[1:]))])
    return line
