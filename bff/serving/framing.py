"""Text frames of a WebSocket server, as they are on the wire where no extension was negotiated."""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = ["Framed", "head"]

_SHORT: Final = Struct("!BB").pack
_MEDIUM: Final = Struct("!BBH").pack
_LONG: Final = Struct("!BBQ").pack


def head(length: int) -> bytes:
    """What stands before the payload of a text frame of a server: final, not masked (RFC 6455, 5.2)."""
    if length < 126:
        return _SHORT(0x81, length)
    if length < 65536:
        return _MEDIUM(0x81, 126, length)
    return _LONG(0x81, 127, length)


class Framed:
    """The last frame that was made: whoever says the same under the same id next is given it, and none is made for them.

    Clients count their operations, most of them from 1: those of one view nearly all have one id.
    """

    __slots__ = ("_after", "_before", "_frame", "_payload")

    def __init__(self) -> None:
        self._before = self._payload = self._after = self._frame = b""

    def frame(self, before: bytes, payload: bytes, after: bytes) -> bytes:
        """The frame of the message that these three are together. ``payload`` is compared as an object: it is shared, too."""
        if payload is not self._payload or before != self._before or after is not self._after:
            self._before, self._payload, self._after = before, payload, after
            self._frame = b"".join((head(len(before) + len(payload) + len(after)), before, payload, after))
        return self._frame

    def forget(self) -> None:
        """Hold nothing."""
        self._before = self._payload = self._after = self._frame = b""
