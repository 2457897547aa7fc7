"""What has arrived of a WebSocket and is not received yet."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox(Generic[T]):
    """As an ``asyncio.Queue`` without a bound, for one reader, in a tenth of its memory: most WebSockets are silent."""

    __slots__ = ("_messages", "_reader")

    def __init__(self) -> None:
        self._messages: list[T] = []
        self._reader: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: T) -> None:
        self._messages.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> T:
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        # From the front of a list: it holds what one read of the connection has brought, and reading pauses meanwhile.
        return self._messages.pop(0)
