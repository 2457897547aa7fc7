"""How long a read or a commit may take where it runs."""

from __future__ import annotations

from time import perf_counter

__all__ = ["HERE_BYTES", "HERE_DOCUMENTS", "HERE_SECONDS", "HERE_WRITES", "MOST_HERE", "STEPS", "UNHURRIED", "Pace", "TooLong"]

HERE_SECONDS = 0.002
"""For how long a read or a commit may hold the event loop. Over that it is begun anew in a thread."""

HERE_DOCUMENTS = 128
"""So many documents are read on the event loop at a time, others come between."""

MOST_HERE = 1024
"""More documents than this are read in a thread from the start."""

HERE_WRITES = 8
"""Commits of more writes than this are made in a thread from the start."""

HERE_BYTES = 16 * 1024
"""So are those of more bytes, and those that find larger documents where they write: the index is of what they hold."""

STEPS = 500
"""SQLite looks at the clock so often, in instructions of its virtual machine: about every ten microseconds."""


class TooLong(Exception):
    """It is no short one: it is to be made in a thread."""


class Pace:
    """A limit in time for what runs on the event loop; ``UNHURRIED``, the pace of what is in a thread, has none.

    SQLite looks at the clock (``is_over`` is its progress handler), and so does whoever decodes documents, before each of them.
    """

    __slots__ = ("_until",)

    def __init__(self, until: float | None) -> None:
        self._until = until

    def tick(self) -> None:
        """Raises TooLong where the time is over."""
        if self._until is not None and perf_counter() > self._until:
            raise TooLong

    def long(self) -> None:
        """What follows is known to take long. Raises TooLong where that matters."""
        if self._until is not None:
            raise TooLong

    def is_over(self) -> bool:
        return self._until is not None and perf_counter() > self._until


UNHURRIED = Pace(None)
