"""What makes the events of a subscription, as its context asks it."""

from __future__ import annotations

from typing import Protocol

from bff.resolvers.followed import Followed
from bff.types import Timepoint

__all__ = ["Source"]


class Source(Protocol):
    """A subscription to a view, or to a list of them."""

    @property
    def followed(self) -> Followed:
        """The linked views that it shows beside its own."""
        ...

    def version(self) -> str | None:
        """Once an event is executed: what it has shown, as a client may send it back in ``since``; None where nobody can tell."""
        ...

    def seen(self) -> bool:
        """Whether the client holds what the last event has shown, or something newer."""
        ...

    def as_of(self) -> Timepoint:
        """Up to when what the last event has shown is true by itself; 0 where that follows from nothing in it."""
        ...
