"""What has changed since the builds that are under way here began."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bff.document import Document
from bff.projection.dependencies import Dependencies
from bff.types import Timepoint

__all__ = ["Mark", "RecentChanges"]


@dataclass(eq=False, slots=True)
class Mark:
    """Where a build began in the stream of changes."""

    position: int


class RecentChanges:
    """The changes that a listener of this process delivered while builds are under way; nothing when none is.

    A change that is delivered before a build begins is in what the build reads. One that is delivered after the build registered
    its dependencies finds them. What is left is what is delivered in between: that is kept here, up to ``limit`` documents.
    """

    def __init__(self, limit: int = 2000) -> None:
        self._limit = limit
        self._changes: deque[tuple[int, Document]] = deque()
        self._marks: dict[Mark, None] = {}
        self._position = 0
        self._forgotten = 0
        self.following = False
        """Whether a listener is at work here: without one nobody will look up what changes after a registration."""

    def begin(self) -> Mark:
        """A build begins; its snapshot is to be opened after this, and ``end`` to be called when it is registered and checked."""
        mark = Mark(self._position)
        self._marks[mark] = None
        return mark

    def end(self, mark: Mark) -> None:
        self._marks.pop(mark, None)
        # Marks are in the order of their beginning: the first is the oldest.
        oldest = next(iter(self._marks), None)
        if oldest is None:
            self._changes.clear()
        else:
            while self._changes and self._changes[0][0] <= oldest.position:
                self._changes.popleft()

    def add(self, document: Document) -> None:
        """The listener delivered a change. To be called before the change is looked up."""
        self._position += 1
        if not self._marks:
            return
        if len(self._changes) >= self._limit:
            self._forgotten = self._changes.popleft()[0]
        self._changes.append((self._position, document))

    def gap(self) -> None:
        """There may have been changes that are delivered to nobody: what builds have read until now cannot be checked here."""
        self._position += 1
        self._forgotten = self._position

    def touch(self, mark: Mark, timepoint: Timepoint, dependencies: Dependencies) -> bool | None:
        """Whether anything delivered since the mark and newer than the timepoint changes what was read; None: not known."""
        if not self.following or self._forgotten > mark.position:
            return None
        return any(
            position > mark.position and document.update_time > timepoint and dependencies.touched_by(document)
            for position, document in self._changes
        )
