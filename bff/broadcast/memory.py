"""``memory://``: channels within one process."""

from __future__ import annotations

import asyncio

from broadcaster import Event

from bff.broadcast.broadcaster import Backend, published

__all__ = ["MemoryBackend"]

MAX_UNDELIVERED = 1024


class MemoryBackend(Backend):
    """Channels between whoever shares this object. A burst of publishing gives way to delivering."""

    def __init__(self) -> None:
        super().__init__()
        self._subscribed: set[str] = set()
        self._published: asyncio.Queue[Event] = asyncio.Queue()

    async def connect(self) -> None:
        self._subscribed.clear()
        self._published = asyncio.Queue()

    async def disconnect(self) -> None:
        self._subscribed.clear()

    async def ping(self) -> None:
        return

    async def subscribe(self, group: str) -> None:
        self._subscribed.add(group)

    async def unsubscribe(self, group: str) -> None:
        self._subscribed.discard(group)

    async def publish(self, channel: str, message: bytes) -> None:
        if channel in self._subscribed:
            self._published.put_nowait(published(channel, message))
            if self._published.qsize() >= MAX_UNDELIVERED:
                # Delivering empties the queue within one turn of the event loop, so it holds this much and one message for
                # each publisher, at most. A bounded queue would strand its publishers when the broadcast is closed.
                await asyncio.sleep(0)

    async def next_published(self) -> Event:
        return await self._published.get()
