"""The version of a live list: what its reader holds, as text that the reader brings back."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson

from bff.live.changes import Held

__all__ = ["IDENTITY_BYTES", "NO_MARKS", "decode_window", "encode_window"]

FORMAT = b"\x01"
IDENTITY_BYTES = 12
MAX_CHARACTERS = 32 * 1024
MAX_BYTES = 1024 * 1024

NO_MARKS: Final[Mapping[str, str]] = MappingProxyType({})


def encode_window(identity: bytes, held: Held, marks: Mapping[str, str] = NO_MARKS) -> str | None:
    """The text; None where it would be longer than 32 KiB, and so than what a header can carry.

    ``identity`` tells the list, its filter, order and size (``IDENTITY_BYTES`` bytes). The keys and versions themselves are in
    the text, and with each key the mark that ``marks`` has for it: it needs nothing that the server remembers, and holds for as
    long as the views do.
    """
    base = min((version for _, version in held), default=0)
    content: list[Any] = [base, [key for key, _ in held], [version - base for _, version in held]]
    if marks:
        content.append([marks.get(key, "") for key, _ in held])
    packed = zlib.compress(orjson.dumps(content), 6)
    text = base64.urlsafe_b64encode(FORMAT + identity + packed).decode().rstrip("=")
    return text if len(text) <= MAX_CHARACTERS else None


def decode_window(identity: bytes, text: str, most: int) -> tuple[Held, Mapping[str, str]] | None:
    """What the reader holds, at most ``most`` views, with their marks; None where the text is of another list, or is damaged."""
    try:
        if len(text) > MAX_CHARACTERS:
            return None
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        head = FORMAT + identity
        if raw[: len(head)] != head:
            return None
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(raw[len(head) :], MAX_BYTES)
        # The checksum is at the end: without it, the content may be anything.
        if not unpacking.eof or unpacking.unused_data:
            return None
        return _checked(orjson.loads(content), most)
    except (ValueError, binascii.Error, zlib.error):
        return None


def _checked(content: Any, most: int) -> tuple[Held, Mapping[str, str]] | None:
    if not isinstance(content, list) or not 3 <= len(content) <= 4:
        return None
    base, keys, offsets, *rest = content
    marks = rest[0] if rest else []
    if type(base) is not int or not all(isinstance(one, list) for one in (keys, offsets, marks)):
        return None
    if not len(keys) == len(offsets) <= most or (rest and len(marks) != len(keys)):
        return None
    if not all(type(one) is str for one in (*keys, *marks)) or len(set(keys)) < len(keys):
        return None
    if not all(type(offset) is int and offset >= 0 for offset in offsets):
        return None
    held = tuple((key, base + offset) for key, offset in zip(keys, offsets, strict=True))
    return held, {key: mark for key, mark in zip(keys, marks, strict=False) if mark}
