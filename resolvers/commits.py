"""What one operation commits, and what its response tells of that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from bff.datastore.session import ChangesMade
from bff.projection.views_affected import MAX_VIEWS, ViewsAffected
from bff.resolvers.idempotency import Idempotency
from bff.together import together
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.projection.effects import Effects

__all__ = ["Commits"]

ToldOf: TypeAlias = "Callable[[list[tuple[str, str]]], Awaitable[list[tuple[str, str]]]]"
"""Of views, by name and key, those that whoever asks may be told of."""


class Commits:
    """The commits of one operation, while it is entered; ``once`` is where it came with an idempotency key.

    ``visible`` are those of the views concerned that may be told of. What they affect is looked up when the response is told of
    it: the answer, and who looks at what it shows, come first.
    """

    def __init__(self, effects: Effects | None, visible: ToldOf, once: Idempotency | None = None) -> None:
        self.once = once
        self._effects = effects
        self._visible = visible
        self._committed_at: Timepoint | None = None
        self._found: list[ViewsAffected] = []
        self._made: list[ChangesMade] = []
        self._open = False

    async def __aenter__(self) -> Commits:
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False

    def made(self, timepoint: Timepoint, changes: ChangesMade) -> None:
        """A commit was made that changed these documents. One that outlives the operation is nothing to tell of."""
        if self._open:
            self._at(timepoint)
            if self._effects is not None:
                self._made.append(changes)

    def known(self, timepoint: Timepoint, affected: ViewsAffected) -> None:
        """A commit was made, now or when the operation came for the first time, and what it affects is known."""
        self._at(timepoint)
        self._found.append(affected)

    async def told(self) -> dict[str, Any]:
        """``committedAt`` of the last commit and ``affects`` of all; nothing where nothing was committed."""
        if self._committed_at is None:
            return {}
        effects, made, self._made = self._effects, self._made, []
        if effects is not None:
            self._found += await together(*(effects.of(changes()) for changes in made))
        found = self._found
        affects = await self._visible(sorted({view for one in found for view in one.views}))
        told: dict[str, Any] = {
            "committedAt": str(self._committed_at),
            "affects": [{"view": view, "id": key} for view, key in affects[:MAX_VIEWS]],
        }
        if len(affects) > MAX_VIEWS or any(one.more for one in found):
            told["affectsMore"] = True
        return told

    def _at(self, timepoint: Timepoint) -> None:
        self._committed_at = max(self._committed_at or 0, timepoint)
