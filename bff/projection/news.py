"""Where it is told at once which states of views this process has written, and which it has read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bff.projection.stored_view import StoredView
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Listener", "News"]


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

    __slots__ = ("listener",)

    def __init__(self) -> None:
        self.listener: Listener | None = None

    def written(self, view: type[ViewModel], state: StoredView, committed: Timepoint) -> None:
        if self.listener is not None:
            self.listener.written(view, state, committed)

    def seen(self, view: type[ViewModel], state: StoredView) -> None:
        if self.listener is not None:
            self.listener.seen(view, state)
