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

    __slots__ = ("_entry", "_on_leave", "ended", "wake")

    def __init__(self, entry: Entry, wake: Callable[[], object], on_leave: Callable[[Entry], None]) -> None:
        self._entry = entry
        # An attribute and not a method: a change wakes a thousand of these, and each costs the call itself.
        self.wake: Callable[[], object] = wake
        self.ended = False
        self._on_leave: Callable[[Entry], None] | None = on_leave
        entry.slots[self] = None

    @property
    def state(self) -> StoredView:
        """The newest state known; its document is None while there is no such view."""
        state = self._entry.state
        assert state is not None, "it was read before anybody was given this"
        return state

    def leave(self) -> None:
        """Look no more; awaits nothing. Called twice, it does nothing the second time."""
        on_leave, self._on_leave = self._on_leave, None
        if on_leave is not None:
            self._entry.slots.pop(self, None)
            on_leave(self._entry)

    def close(self) -> None:
        """Live updates end."""
        self.ended = True
        self.wake()
