"""What a session needs of a WebSocket, and how it ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from starlette.requests import HTTPConnection

from bff.serving.messages import CloseCode

__all__ = ["Disconnected", "Ending", "Ends", "Frames", "Socket", "close"]

_REASON_BYTES: Final = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, the code takes two


class Disconnected(Exception):
    """The peer has gone."""


class Ending(Exception):
    """The session is over: close the socket with this code. ``limit`` is the name in ``Limits`` of the one that ends it."""

    def __init__(self, code: CloseCode, reason: str, *, limit: str | None = None) -> None:
        super().__init__(f"{code.value}: {reason}")
        self.code = code
        self.limit = limit
        self.reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")


class Ends(Protocol):
    """Who is told by the writer of a socket that it is over."""

    def end(self, ending: Ending | None) -> None:
        """End it: with a close frame, or with None where the peer has gone. The first call counts."""
        ...

    def give_up(self) -> None:
        """End it: the peer does not read."""
        ...


class Frames(Protocol):
    """A WebSocket that takes messages without being awaited. It keeps what the peer has not read, and says when that is much."""

    @property
    def can_write(self) -> bool:
        """Whether the peer reads fast enough. Where it does not, nothing more is to be written until ``on_writable`` calls."""
        ...

    def write_messages(self, messages: Sequence[bytes]) -> int:
        """Send text messages, each of them UTF-8; how many bytes were written. 0: the socket closes, or is lost."""
        ...

    @property
    def direct(self) -> bool:
        """Whether ``write`` may be called: it can be written, and what is written is not encoded for this one alone."""
        ...

    def write(self, frame: bytes) -> int:
        """As ``write_messages``, of a frame that others are sent as well (``bff.serving.framing``)."""
        ...

    def on_writable(self, call: Callable[[], None] | None) -> None:
        """What to call each time it can be written again; None for nothing."""
        ...


class Socket(Protocol):
    """What a session needs of a WebSocket. ``receive`` and ``send`` raise Disconnected when the peer has gone."""

    @property
    def frames(self) -> Frames | None:
        """The way to write that awaits nothing; None where the server has none."""
        ...

    def connection(self) -> HTTPConnection:
        """What ``info.context`` is made for."""
        ...

    @property
    def address(self) -> str | None:
        """The peer's, as far as the server knows it."""
        ...

    async def receive(self) -> str | bytes: ...

    async def send(self, text: bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None:
        """Drop the connection without a word, and whatever is still buffered for it."""
        ...


async def close(socket: Socket, ending: Ending, seconds: float) -> None:
    """Close a socket with the code and the reason of an ending; abort it where that takes longer than ``seconds``."""
    try:
        # A peer that has gone meanwhile is what was wanted.
        with suppress(Disconnected):
            async with asyncio.timeout(seconds):
                await socket.close(ending.code, ending.reason)
    except TimeoutError:
        socket.abort()
