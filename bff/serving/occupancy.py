"""What all connections of a process take of it, whichever way they came."""

from __future__ import annotations

from bff.serving.backlog import Backlog
from bff.serving.limits import Limits
from bff.serving.shares import Shares

__all__ = ["Occupancy"]


class Occupancy:
    """One of each running app, for WebSockets and streams together."""

    __slots__ = ("backlog", "shares")

    def __init__(self, limits: Limits) -> None:
        self.shares = Shares(limits)
        self.backlog = Backlog(limits)
