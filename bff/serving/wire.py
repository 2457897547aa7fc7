"""What a session needs of a WebSocket, and how it ends it."""

from __future__ import annotations

from typing import Final, Protocol

from bff.serving.messages import CloseCode

__all__ = ["Disconnected", "Ending", "Socket"]

_REASON_BYTES: Final = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, the code takes two


class Disconnected(Exception):
    """The peer has gone."""


class Ending(Exception):
    """The session is over: close the socket with this code."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(f"{code.value}: {reason}")
        self.code = code
        self.reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")


class Socket(Protocol):
    """What a session needs of a WebSocket. ``receive`` and ``send`` raise Disconnected when the peer has gone."""

    async def receive(self) -> str | bytes: ...

    async def send(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None:
        """Drop the connection without a word, and whatever is still buffered for it."""
        ...
