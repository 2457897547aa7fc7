"""What stored views were written as, so that each is written once for all who ask the same of it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from bff.resolvers.plan.planning import Unanswerable

__all__ = ["keep", "write"]

MOST: Final = 16
TOGETHER: Final = 64 * 1024
LARGEST: Final = 1024 * 1024
"""As large as a document may be: a text that shows nothing twice is about that at most."""


def write(value: Any) -> bytes:
    """A value as JSON, as a response holds it. Raises Unanswerable for what JSON cannot hold."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise Unanswerable(str(error)) from error


def keep(texts: dict[Any, bytes], key: Any, text: bytes, *, repeats: bool = False) -> None:
    """Remember a text of a state, in place of the oldest ones where they are more than 16, or over 64 KiB together.

    A longer one is kept alone, if it shows nothing twice: a client that repeats a field a thousand times would have a thousand
    times the view be kept.
    """
    if len(text) > (TOGETHER if repeats else LARGEST):
        return
    texts[key] = text
    room = TOGETHER - sum(map(len, texts.values()))
    while (len(texts) > MOST or room < 0) and len(texts) > 1:
        room += len(texts.pop(next(iter(texts))))
