"""A message on the wire: one version byte, the rank, the length of the key, the key, the payload."""

from __future__ import annotations

import struct

from bff.broadcast.port import Message

__all__ = ["open_envelope", "seal"]

VERSION = 2
_HEAD = struct.Struct(">BQI")


def seal(message: Message) -> bytes:
    key = message.key.encode()
    return _HEAD.pack(VERSION, message.rank, len(key)) + key + message.payload


def open_envelope(raw: bytes) -> Message:
    """The message. Raises ValueError where ``raw`` is none of ours: a channel is open to whoever reaches the server."""
    if len(raw) < _HEAD.size:
        raise ValueError(f"{len(raw)} bytes are no message")
    version, rank, length = _HEAD.unpack_from(raw)
    start = _HEAD.size + length
    if version != VERSION or start > len(raw):
        raise ValueError(f"no message of version {VERSION}")
    return Message(raw[_HEAD.size : start].decode(), raw[start:], rank)
