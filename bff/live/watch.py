"""A subscription to one view that is a few words of memory: no task, no generator, no future."""

from __future__ import annotations

from collections.abc import Callable

from bff.live.entry import Entry
from bff.projection.stored_view import StoredView

__all__ = ["Watch"]


class Watch:
    """The newest state of a view, and a call each time there is a newer one, and once live updates have ended.

    The call comes in the middle of what took the state in: it may note it, and must not open or leave anything.
    """

    __slots__ = ("_on_leave", "entry")

    def __init__(self, entry: Entry, wake: Callable[[], object], on_leave: Callable[[Entry], None]) -> None:
        self.entry = entry
        self._on_leave: Callable[[Entry], None] | None = on_leave
        entry.slots[self] = wake

    @property
    def sight(self) -> None:
        """Everybody may see it: see ``RestrictedWatch``."""

    @property
    def ended(self) -> bool:
        """Whether live updates have ended."""
        return self.entry.closed

    @property
    def state(self) -> StoredView:
        """The newest state known; its document is None while there is no such view."""
        state = self.entry.state
        assert state is not None, "it was read before anybody was given this"
        return state

    def leave(self) -> None:
        """Look no more; awaits nothing. Called twice, it does nothing the second time."""
        on_leave, self._on_leave = self._on_leave, None
        if on_leave is not None:
            self.entry.slots.pop(self, None)
            on_leave(self.entry)

    def close(self) -> None:
        """Live updates end."""
        wake = self.entry.slots.get(self)
        if wake is not None:
            wake()
