"""Where it is told at once which states of views this process has written, and which it has read."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

from bff.projection.stored_view import StoredView
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["REMEMBERED", "Listener", "News"]

REMEMBERED: Final = 4096
"""So many written states are remembered as told, those of the last."""


class Listener(Protocol):
    """Who wants to know: ``bff.live.hub.Hub``, so that nobody is answered by it with something older."""

    def written(self, view: type[ViewModel], state: StoredView, committed: Timepoint, /) -> None:
        """A commit of this process at ``committed`` stored this state, or removed the view."""
        ...

    def seen(self, view: type[ViewModel], state: StoredView, /) -> None:
        """This is stored, and somebody is about to be answered with it."""
        ...


class News:
    """Told before whoever asked for the write or the read has its result."""

    __slots__ = ("_told", "listener")

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self._told: OrderedDict[tuple[str, str], Timepoint] = OrderedDict()

    def written(self, view: type[ViewModel], state: StoredView, committed: Timepoint) -> None:
        if self.listener is not None:
            self.listener.written(view, state, committed)
            self._told[state.view, state.key] = state.version
            if len(self._told) > REMEMBERED:
                self._told.popitem(last=False)

    def was_told(self, view: str, key: str, version: Timepoint) -> bool:
        """Whether the listener was told of this very state, and has not been asked about here since."""
        id = (view, key)
        if self._told.get(id) != version:
            return False
        del self._told[id]
        return True

    def seen(self, view: type[ViewModel], state: StoredView) -> None:
        if self.listener is not None:
            self.listener.seen(view, state)
