"""One of many views that a subscription looks at."""

from __future__ import annotations

from collections.abc import Callable

from bff.live.entry import Entry
from bff.live.reading import Reading
from bff.projection.stored_view import StoredView

__all__ = ["Follow"]


class Follow:
    """The newest state known of a view, and a call each time there is a newer one. No task, no future.

    ``on_news`` is called in the middle of what took the state in: it may set a flag or wake somebody, and must not follow or
    leave anything. ``leave`` ends it.
    """

    __slots__ = ("_entry", "_on_leave", "_reading")

    def __init__(self, entry: Entry, reading: Reading, on_news: Callable[[], None], on_leave: Callable[[], None]) -> None:
        self._entry = entry
        self._reading = reading
        self._on_leave: Callable[[], None] | None = on_leave
        entry.slots[self] = on_news

    @property
    def state(self) -> StoredView | None:
        """None as long as nobody has read it: read it, and ``offer`` what was found, or ``owe``."""
        return self._entry.state

    def offer(self, state: StoredView) -> None:
        """Take a state that was read since this follow began, if it is newer than the one known."""
        self._entry.offer(state)

    def owe(self) -> None:
        """Have it read in the background, again and again until that succeeds."""
        self._reading.owe(self._entry)

    def leave(self) -> None:
        """Look no more. Called twice, it does nothing the second time."""
        on_leave, self._on_leave = self._on_leave, None
        if on_leave is not None:
            self._entry.slots.pop(self, None)
            on_leave()

    def close(self) -> None:
        """Live updates end. Whoever follows has a subscription, which ends with them."""
