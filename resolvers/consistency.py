"""What a process knows of how new its views are, and what it promises of repeated mutations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bff.projection.as_of import AsOf
    from bff.projection.effects import Effects

__all__ = ["Consistency"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """The same for all operations of a process.

    ``as_of`` tells how far the stored views have come, ``effects`` which of them a commit concerns; without them nothing is told.
    ``stale_seconds`` is how long an operation waits for ``minAsOf``, ``idempotency_hours`` how long a key is remembered.
    """

    as_of: AsOf | None = None
    effects: Effects | None = None
    stale_seconds: float = 5.0
    idempotency_hours: float = 24.0
