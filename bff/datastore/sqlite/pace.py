"""How long a read may take where it runs."""

from __future__ import annotations

from time import perf_counter

__all__ = ["HERE_DOCUMENTS", "HERE_SECONDS", "MOST_HERE", "STEPS", "UNHURRIED", "Pace", "TooLong"]

HERE_SECONDS = 0.002
"""For how long a read may hold the event loop. Over that it is begun anew in a thread."""

HERE_DOCUMENTS = 128
"""So many documents are read on the event loop at a time, others come between."""

MOST_HERE = 1024
"""More documents than this are read in a thread from the start."""

STEPS = 500
"""SQLite looks at the clock so often, in instructions of its virtual machine: about every ten microseconds."""


class TooLong(Exception):
    """The read is no short one: it is to be made in a thread."""


class Pace:
    """A limit in time for a read that runs on the event loop; ``UNHURRIED``, the pace of those in a thread, has none.

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
