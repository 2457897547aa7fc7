"""Compressed responses: docs/decisions/compression.md."""

# mypy: untyped-calls-exclude=brotli
from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from typing import Final

import brotli

from bff.serving.negotiation import negotiate_encoding

__all__ = ["MINIMUM_BYTES", "compress"]

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


async def compress(body: bytes, accept_encoding: str | None) -> tuple[bytes, str | None]:
    """The body in the encoding that the client prefers, and its name; as it is, and None, where that does not pay."""
    if len(body) < MINIMUM_BYTES:
        return body, None
    encoding = negotiate_encoding(accept_encoding, tuple(_ENCODERS))
    if encoding is None:
        return body, None
    encode = _ENCODERS[encoding]
    compressed = await asyncio.to_thread(encode, body) if len(body) > THREAD_BYTES else encode(body)
    return compressed, encoding
