"""The port to publish/subscribe channels.

A channel carries hints that something is newer, never the truth: messages may be lost, repeated or reordered, and whoever
reads them compares versions. What is promised is that a loss is not silent: wherever messages may have been missed, the
subscription yields ``RESYNC``. Adapters pass ``bff.testing.broadcast_conformance`` unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol

__all__ = ["MAX_RANK", "RESYNC", "Broadcast", "Message", "Resync", "Subscription"]


class Resync(Enum):
    RESYNC = "RESYNC"


RESYNC: Final = Resync.RESYNC
"""Messages may have been missed since the one before: compare with what is stored."""

MAX_RANK: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Message:
    """``key`` says what the message is about. Of the unread messages of a key the one of the highest ``rank`` is kept, of two of
    the same rank the later one: what comes late, or again, takes nothing newer away. A rank is from 0 to ``MAX_RANK``.
    """

    key: str
    payload: bytes
    rank: int = 0


class Subscription(Protocol):
    """Messages of one channel.

    Holds at most one unread message of each key, up to a bound; over it, they become one RESYNC.
    """

    def __aiter__(self) -> AsyncIterator[Message | Literal[Resync.RESYNC]]: ...


class Broadcast(Protocol):
    """Channels, by name. Opened and closed as an async context manager; one per event loop."""

    @property
    def url(self) -> str:
        """What it was opened with, without secrets."""
        ...

    async def __aenter__(self) -> Broadcast:
        """Open it. Raises BroadcastError when the server cannot be reached."""
        ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def ping(self) -> None:
        """Go there and back. Raises BroadcastError."""
        ...

    async def publish(self, channel: str, message: Message) -> None:
        """Send to whoever is subscribed now. Raises BroadcastError where it is not certain that it was sent."""
        ...

    def subscribe(self, channel: str) -> AbstractAsyncContextManager[Subscription]:
        """Once entered, every message published afterwards is received, or RESYNC in its place."""
        ...
