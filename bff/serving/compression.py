"""Compressed responses: docs/decisions/compression.md."""

# mypy: untyped-calls-exclude=brotli
from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

import brotli

from bff.serving.negotiation import negotiate_encoding

__all__ = ["MINIMUM_BYTES", "THREAD_BYTES", "Compression", "preferred_encoding"]

MINIMUM_BYTES: Final = 1024
"""What is shorter fits into the first packet either way."""

THREAD_BYTES: Final = 64 * 1024
"""What is longer takes half a millisecond or more: no other request waits for that."""

_ENCODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    # Of equals, the first: smaller than gzip's best at the price of its second best.
    "br": lambda body: bytes(brotli.compress(body, quality=4)),
    # Without a time: the same answer is the same bytes.
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}


def preferred_encoding(accept_encoding: str | None) -> str | None:
    """Which of our encodings an ``Accept-Encoding`` prefers; None where that is the identity."""
    return negotiate_encoding(accept_encoding, tuple(_ENCODERS))


class Compression:
    """Compresses, and remembers what the latest answers were compressed to: ``limits.compressed_bytes``, both forms counted.

    What is asked again and again while nothing changes is compressed once. What is longer than an eighth of that is not kept.
    """

    def __init__(self, kept_bytes: int) -> None:
        self._limit = kept_bytes
        self._kept: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        self._bytes = 0

    def at_hand(self, body: bytes, encoding: str) -> bytes | None:
        """The compressed body, if it is known or made in no time; otherwise None, and ``compress`` is to be awaited."""
        known = self._kept.get((encoding, body))
        if known is not None:
            self._kept.move_to_end((encoding, body))
            return known
        return None if len(body) > THREAD_BYTES else self._keep(body, encoding, _ENCODERS[encoding](body))

    async def compress(self, body: bytes, encoding: str) -> bytes:
        """The compressed body."""
        known = self.at_hand(body, encoding)
        if known is not None:
            return known
        return self._keep(body, encoding, await asyncio.to_thread(_ENCODERS[encoding], body))

    def _keep(self, body: bytes, encoding: str, compressed: bytes) -> bytes:
        size = len(body) + len(compressed)
        if size <= self._limit // 8 and (encoding, body) not in self._kept:
            self._kept[encoding, body] = compressed
            self._bytes += size
            while self._bytes > self._limit:
                (_, oldest), text = self._kept.popitem(last=False)
                self._bytes -= len(oldest) + len(text)
        return compressed
