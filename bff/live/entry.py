"""One view of one key that somebody looks at, and those who do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bff.projection.stored_view import StoredView

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Entry", "Slot"]


class Entry:
    """The newest state known of one view of one key. It only ever moves to a newer version."""

    def __init__(self, view: type[ViewModel], key: str) -> None:
        self.view = view
        self.key = key
        self.state: StoredView | None = None
        self.slots: set[Slot] = set()

    def offer(self, state: StoredView) -> bool:
        """Take a state if it is newer than the one held, and wake those who look. Whether it was."""
        if self.state is not None and state.version <= self.state.version:
            return False
        self.state = state
        for slot in self.slots:
            slot.wake()
        return True


class Slot:
    """What one subscription iterates: the entry's newest state, and then each newer one there is when it comes for it.

    It holds the version that it delivered last, and nothing else, however slow its reader is.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._delivered: StoredView | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def wake(self) -> None:
        """Look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self.wake()

    def __aiter__(self) -> Slot:
        return self

    async def __anext__(self) -> StoredView:
        while True:
            if self._closed:
                raise StopAsyncIteration
            state = self._entry.state
            if state is not None and self._is_news(state):
                self._delivered = state
                return state
            # One reader, one future: half of what an Event costs, with thousands of them woken by one change.
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _is_news(self, state: StoredView) -> bool:
        delivered = self._delivered
        if delivered is None:
            return True
        # That what was gone is gone at a later timepoint as well is nothing to tell.
        return state.version > delivered.version and (state.document is not None or delivered.document is not None)
