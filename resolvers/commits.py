"""What one operation commits, and what its response tells of that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from bff.datastore.unit_of_work import Change
from bff.projection.effects import MAX_VIEWS, Effects, ViewsAffected
from bff.resolvers.idempotency import Idempotency
from bff.types import Timepoint

__all__ = ["Commits"]


class Commits:
    """The commits of one operation, while it is entered; ``once`` is where it came with an idempotency key.

    What they affect is looked up beside the answer being made, and awaited when the response is told of it.
    """

    def __init__(self, effects: Effects | None, once: Idempotency | None = None) -> None:
        self.once = once
        self._effects = effects
        self._committed_at: Timepoint | None = None
        self._found: list[ViewsAffected] = []
        self._finding: list[asyncio.Task[ViewsAffected]] = []
        self._open = False

    async def __aenter__(self) -> Commits:
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        for task in self._finding:
            task.cancel()
        if self._finding:
            await asyncio.wait(self._finding)

    def made(self, timepoint: Timepoint, changes: Sequence[Change]) -> None:
        """A commit was made that changed these documents. One that outlives the operation is nothing to tell of."""
        if self._open:
            self._at(timepoint)
            if self._effects is not None:
                self._finding.append(asyncio.create_task(self._effects.of(changes)))

    def known(self, timepoint: Timepoint, affected: ViewsAffected) -> None:
        """A commit was made, now or when the operation came for the first time, and what it affects is known."""
        self._at(timepoint)
        self._found.append(affected)

    async def told(self) -> dict[str, Any]:
        """``committedAt`` of the last commit and ``affects`` of all; nothing where nothing was committed."""
        if self._committed_at is None:
            return {}
        found = [*self._found, *[await task for task in self._finding]]
        affects = sorted({view for one in found for view in one.views})
        told: dict[str, Any] = {
            "committedAt": str(self._committed_at),
            "affects": [{"view": view, "id": key} for view, key in affects[:MAX_VIEWS]],
        }
        if len(affects) > MAX_VIEWS or any(one.more for one in found):
            told["affectsMore"] = True
        return told

    def _at(self, timepoint: Timepoint) -> None:
        self._committed_at = max(self._committed_at or 0, timepoint)
