"""One view of one key that somebody looks at, and those who do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bff.live.waiter import Waiter
from bff.projection.stored_view import StoredView

if TYPE_CHECKING:
    from bff.live.follow import Follow
    from bff.model.view_model import ViewModel

__all__ = ["Entry", "Slot"]


class Entry:
    """The newest state known of one view of one key. It only ever moves to a newer version."""

    def __init__(self, view: type[ViewModel], key: str) -> None:
        self.view = view
        self.key = key
        self.state: StoredView | None = None
        self.slots: set[Slot | Follow] = set()

    def offer(self, state: StoredView) -> bool:
        """Take a state if it is newer than the one held, and wake those who look. Whether it was."""
        if self.state is not None and state.version <= self.state.version:
            return False
        self.state = state
        for slot in self.slots:
            slot.wake()
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
