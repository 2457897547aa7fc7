"""What was found out about a few texts that come again and again: the values of a header, say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Memo"]

T = TypeVar("T")

ENTRIES = 256
"""More than the clients of one service write; of more, the oldest are found out again."""

LENGTH = 512
"""What is longer is not kept: nobody's browser writes it."""


class Memo(dict[bytes | None, T], Generic[T]):
    """``memo[value]`` is what ``find`` says of a header's value, None where there is no such header. At most 256 are kept.

    A dictionary, so that what is known is looked up without a call.
    """

    def __init__(self, find: Callable[[str | None], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, value: bytes | None) -> T:
        # As Starlette reads headers.
        found = self._find(None if value is None else value.decode("latin-1"))
        if value is None or len(value) <= LENGTH:
            if len(self) >= ENTRIES:
                del self[next(iter(self))]
            self[value] = found
        return found
