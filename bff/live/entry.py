"""One view of one key that is looked at or kept, and those who look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from bff.live.waiter import Waiter
from bff.projection.stored_view import StoredView

if TYPE_CHECKING:
    from bff.live.flight import Flight
    from bff.live.follow import Follow
    from bff.live.kept import Kept
    from bff.live.watch import Watch
    from bff.model.view_model import ViewModel

__all__ = ["NEVER", "Entry", "Slot", "Source"]

NEVER: Final = -1


class Source(Protocol):
    """What tells an entry of changes: ``bff.live.feed.Feed``."""

    @property
    def hears(self) -> bool:
        """Whether what is announced now is heard."""
        ...

    @property
    def gaps(self) -> int:
        """How often something may have been missed; it only ever grows."""
        ...

    @property
    def lost(self) -> int:
        """How many of them are its own: the others are those of the ``Liveness`` that it is told of changes by."""
        ...


class Entry:
    """The newest state known of one view of one key. It only ever moves to a newer version.

    It is ``sure`` while what is announced leads on from what a read has found: the read began while the channel was heard, and
    nothing may have been missed since. Somebody else's word that there is a newer state, which does not say what it is, is a
    ``doubt``.
    """

    __slots__ = (
        "closed",
        "doubts",
        "flight",
        "heard",
        "kept",
        "key",
        "slots",
        "source",
        "state",
        "text",
        "used",
        "view",
        "weight",
    )

    def __init__(self, view: type[ViewModel], key: str, source: Source) -> None:
        self.view = view
        self.key = key
        self.source = source
        self.state: StoredView | None = None
        # Those who look, each with the call that wakes it: a change makes a thousand of these calls.
        # In the order in which they came: sockets are written a quarter faster in the order in which memory has them.
        self.slots: dict[Slot | Follow | Watch, Callable[[], object]] = {}
        self.closed = False
        """Whether live updates have ended: it moves no more."""
        self.flight: Flight | None = None
        self.kept: Kept | None = None
        self.used = False
        self.weight = 0
        self.text: Any = None
        self.doubts = 0
        self.heard = NEVER

    @property
    def gaps(self) -> int:
        """How often something may have been missed of it."""
        return self.source.gaps + self.doubts

    @property
    def sure(self) -> bool:
        """Whether its state is the newest there is, as far as anybody has told."""
        return self.heard == self.source.gaps + self.doubts

    def begin(self) -> int:
        """It is about to be read: what to ``land`` the result with."""
        return self.gaps if self.source.hears else NEVER

    def land(self, state: StoredView, began: int) -> StoredView:
        """Take what a read has found. The newest state known."""
        self.offer(state)
        self.heard = max(self.heard, began)
        return self.state or state

    def doubt(self) -> None:
        """There may be a newer state, of which nothing is known: it is to be read."""
        self.doubts += 1

    def offer(self, state: StoredView) -> bool:
        """Take a state if it is newer than the one held, and wake those who look. Whether it was."""
        if self.state is not None and state.version <= self.state.version:
            return False
        self.state = state
        if self.kept is not None:
            self.kept.weigh(self)
        for wake in self.slots.values():
            wake()
        return True


class Slot(Waiter):
    """What one subscription iterates: the entry's newest state, and then each newer one there is when it comes for it.

    It holds the version that it delivered last, and nothing else, however slow its reader is.
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry
        self._delivered: StoredView | None = None
        self._again = False

    @property
    def state(self) -> StoredView | None:
        """The newest state known, whether it was delivered or not."""
        return self._entry.state

    def again(self) -> None:
        """Deliver the state once more, though it may be no newer: something that is shown with it has changed."""
        self._again = True
        self.wake()

    def __aiter__(self) -> Slot:
        return self

    async def __anext__(self) -> StoredView:
        while not self._closed:
            state = self._entry.state
            if state is not None and (self._again or self._is_news(state)):
                self._delivered = state
                self._again = False
                return state
            await self._wait()
        raise StopAsyncIteration

    def _is_news(self, state: StoredView) -> bool:
        delivered = self._delivered
        if delivered is None:
            return True
        # That what was gone is gone at a later timepoint as well is nothing to tell.
        return state.version > delivered.version and (state.document is not None or delivered.document is not None)
