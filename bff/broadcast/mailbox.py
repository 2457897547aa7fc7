"""What one subscriber has not read yet: bounded, whoever is slow."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Literal

from bff.broadcast.port import RESYNC, Message, Resync

__all__ = ["Mailbox"]

MAX_MESSAGES = 1024
MAX_BYTES = 4 * 1024 * 1024


class Mailbox:
    """A Subscription that holds one unread message of each key.

    Over its bounds (messages, or bytes of keys and payloads) what it holds becomes one RESYNC, and it starts afresh. An unread
    RESYNC is delivered once, before the messages: whoever compares with what is stored first has nothing to fear from them.
    """

    def __init__(self, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._bytes = 0
        self._resync = False
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, message: Message) -> None:
        """Take a message; it supersedes an unread one of its key, unless that is of a higher rank."""
        if self._closed:
            return
        earlier = self._messages.get(message.key)
        if earlier is not None:
            if earlier.rank > message.rank:
                return
            self._bytes -= _size(earlier)
        self._messages[message.key] = message
        self._bytes += _size(message)
        if len(self._messages) > self._max_messages or self._bytes > self._max_bytes:
            self._messages.clear()
            self._bytes = 0
            self._resync = True
        self._changed.set()

    def resync(self) -> None:
        """Messages may have been missed."""
        self._resync = True
        self._changed.set()

    def close(self) -> None:
        """End the iteration, with what is unread left unread."""
        self._closed = True
        self._messages.clear()
        self._changed.set()

    def __aiter__(self) -> Mailbox:
        return self

    async def __anext__(self) -> Message | Literal[Resync.RESYNC]:
        while True:
            if self._closed:
                raise StopAsyncIteration
            if self._resync:
                self._resync = False
                return RESYNC
            if self._messages:
                _, message = self._messages.popitem(last=False)
                self._bytes -= _size(message)
                return message
            self._changed.clear()
            await self._changed.wait()


def _size(message: Message) -> int:
    return len(message.key) + len(message.payload)
