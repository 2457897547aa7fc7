"""One target of a listener, and which documents it holds as far as the server has told."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from bff.datastore.port import Target
from bff.document import Document
from bff.types import Timepoint

__all__ = ["AddTarget", "Followed"]


@dataclass(frozen=True, slots=True)
class AddTarget:
    """How to add a target when a stream is opened: from a token, from a read time, or whole."""

    id: int
    target: Target
    token: bytes = b""
    read_time: Timepoint | None = None


@dataclass(slots=True)
class Followed:
    """A target, and what is known of it: the update time of each of its documents, by path."""

    target: Target
    known: dict[str, Timepoint] = field(default_factory=dict)
    complete: bool = False
    """Whether ``known`` is everything there is, as of the last consistency point."""
    current: bool = False
    resent: dict[str, Timepoint] | None = None
    """What came since a resend of this target began."""
    missed: bool = False
    """Whether a FILTER disagreed: to be sent again."""

    def forget(self) -> None:
        """Nothing is known any more."""
        self.known = {}
        self.complete = False

    def begin(self, whole: bool) -> None:
        """It is told from here on: what has changed, or, where ``whole``, everything again."""
        self.current = False
        self.resent = {} if whole else None

    def hear(self, path: str, update_time: Timepoint) -> bool:
        """A document of it came: whether that is news.

        What was delivered before is none: the emulator sends whole collections again for one write.
        """
        if self.resent is not None:
            self.resent[path] = update_time
        return not self.complete or self.known.get(path) != update_time

    @property
    def missing(self) -> Set[str]:
        """The paths that were known, and did not come again."""
        if self.resent is None or self.known.keys() == self.resent.keys():
            return frozenset()
        return self.known.keys() - self.resent.keys()

    def remember(self, document: Document, told_of_this: bool) -> None:
        """A document is delivered. ``told_of_this``: the server has named this target with it."""
        if not document.exists:
            self.known.pop(document.path, None)
        elif self.resent is None and self.complete and told_of_this:
            self.known[document.path] = document.update_time

    def catch_up(self) -> None:
        """A resend, if there was one, is over: what came is all there is."""
        if self.resent is not None:
            self.known, self.resent = self.resent, None
            self.complete, self.missed = True, False

    def settle(self, document: Document) -> None:
        """What a doubtful document is, as it was read."""
        if not document.exists:
            self.known.pop(document.path, None)
        elif self.complete and self._selects(document):
            self.known[document.path] = document.update_time

    def _selects(self, document: Document) -> bool:
        collection = document.collection
        if self.target.group:
            return collection.rpartition("/")[2] == self.target.collection
        return collection == self.target.collection
