"""What one subscription to a live list iterates."""

from __future__ import annotations

from collections import deque

from bff.live.changes import Change, ChangeKind, Held
from bff.live.waiter import Waiter
from bff.live.window import Shown, Window
from bff.projection.stored_view import StoredView
from bff.types import Timepoint

__all__ = ["WindowSlot"]


class WindowSlot(Waiter):
    """The window as it is, and then what changes in it: the difference between what was given last and what there is.

    States in between are skipped where the reader is slow, the last one never is. ``held`` is what its reader has by now, None
    where that is nothing yet; one who comes with something gets the differences alone. Memory is bounded by the window.
    """

    def __init__(self, window: Window, held: Held | None = None) -> None:
        super().__init__()
        self._window = window
        self._held = held
        self._aim: Held = ()
        self._waiting: deque[Change] = deque()
        self._applied: list[tuple[str, Timepoint]] = []
        self._again: dict[str, None] = {}

    @property
    def held(self) -> Held | None:
        """What a reader holds who has applied every change so far."""
        return tuple(self._applied) if self._waiting else self._held

    def again(self, key: str) -> None:
        """Give this view once more, as MODIFIED, if it is there by the time its turn comes and has not been given meanwhile."""
        self._again[key] = None
        self.wake()

    async def unchanged(self) -> list[StoredView]:
        """Of what its reader came with, the views that are as the reader holds them, in the order of the window."""
        while (shown := self._window.shown()) is None:
            await self._wait()
        held = set(self._held or ())
        return [view for view in shown.views if (view.key, view.version) in held]

    def __aiter__(self) -> WindowSlot:
        return self

    async def __anext__(self) -> Change:
        while not self._closed:
            change = self._present()
            if change is not None:
                if change.key is not None:
                    self._again.pop(change.key, None)
                return change
            await self._wait()
        raise StopAsyncIteration

    def _present(self) -> Change | None:
        """What there is to give."""
        if not self._waiting:
            shown = self._window.shown()
            if shown is None:
                return None
            if self._held is None:
                return self._begin(shown)
            if shown.held is not self._held:
                self._waiting.extend(self._window.changes(self._held, shown))
                self._applied, self._aim = list(self._held), shown.held
            if not self._waiting:
                self._held = shown.held
                return self._once_more(shown)
        return self._next()

    def _once_more(self, shown: Shown) -> Change | None:
        while self._again:
            key = next(iter(self._again))
            del self._again[key]
            keys = [view.key for view in shown.views]
            if key in keys:
                place = keys.index(key)
                previous = keys[place - 1] if place else None
                following = keys[place + 1] if place + 1 < len(keys) else None
                return Change(ChangeKind.MODIFIED, key, shown.views[place], previous, following)
        return None

    def _begin(self, shown: Shown) -> Change:
        self._held = shown.held
        return Change(ChangeKind.CURRENT, page=shown.views, more=shown.more)

    def _next(self) -> Change:
        change = self._waiting.popleft()
        if not self._waiting:
            # The very object that others hold as well: what they are to be told is worked out once.
            self._held, self._applied = self._aim, []
            return change
        keys = [key for key, _ in self._applied]
        if change.kind is not ChangeKind.ADDED:
            del self._applied[keys.index(_key(change))]
            keys.remove(_key(change))
        if change.kind is not ChangeKind.REMOVED:
            place = 0 if change.previous is None else keys.index(change.previous) + 1
            self._applied.insert(place, (_key(change), _view(change).version))
        return change


def _key(change: Change) -> str:
    assert change.key is not None, "only CURRENT is of no view, and it comes alone"
    return change.key


def _view(change: Change) -> StoredView:
    assert change.view is not None, "what is there has a view"
    return change.view
