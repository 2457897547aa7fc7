"""What has changed since the builds that are under way here began."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from bff.document import Document, document_id
from bff.projection.dependencies import Dependencies, QueryRead
from bff.projection.tokens import Shape, document_tokens, query_tokens
from bff.types import Timepoint

__all__ = ["Mark", "RecentChanges"]


@dataclass(eq=False, slots=True)
class Change:
    """A document as it was delivered last, where in the stream of changes that was, and what it is found by."""

    position: int
    document: Document
    tokens: frozenset[str]


@dataclass(eq=False, slots=True)
class Mark:
    """Where a build began in the stream of changes."""

    position: int


class RecentChanges:
    """The changes that a listener of this process delivered while builds are under way; nothing when none is.

    A change that is delivered before a build begins is in what the build reads. One that is delivered after the build registered
    its dependencies finds them. What is left is what is delivered in between: that is kept here, up to ``limit`` documents, each
    as it was delivered last. Only that state decides: the states that a document had in between are nobody's result any more.

    A build is held against the changes that its paths and its query tokens find, not against all of them.
    """

    def __init__(self, limit: int = 2000) -> None:
        self._limit = limit
        self._changes: OrderedDict[str, Change] = OrderedDict()
        """By path, the one delivered last at the end."""
        self._by_token: dict[str, dict[str, Change]] = {}
        """The same, by the tokens of ``_shapes``; and by the last part of their collection's path."""
        self._shapes: dict[str, dict[Shape, int]] = {}
        """By collection, the shapes of queries that were asked about, with the position since which changes have their tokens."""
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
            self._by_token.clear()
            return
        while self._changes and next(iter(self._changes.values())).position <= oldest.position:
            self._drop(next(iter(self._changes)))

    def add(self, document: Document) -> None:
        """The listener delivered a change. To be called before the change is looked up."""
        self._position += 1
        if not self._marks:
            return
        path, collection = document.path, document_id(document.collection)
        if path in self._changes:
            self._drop(path)
        elif len(self._changes) >= self._limit:
            self._forgotten = self._drop(next(iter(self._changes)))
        tokens = frozenset({collection, *document_tokens(document, self._shapes.get(collection, ()))})
        self._changes[path] = change = Change(self._position, document, tokens)
        for token in tokens:
            self._by_token.setdefault(token, {})[path] = change

    def _drop(self, path: str) -> int:
        change = self._changes.pop(path)
        for token in change.tokens:
            found = self._by_token[token]
            del found[path]
            if not found:
                del self._by_token[token]
        return change.position

    def gap(self) -> None:
        """There may have been changes that are delivered to nobody: what builds have read until now cannot be checked here."""
        self._position += 1
        self._forgotten = self._position

    def touch(self, mark: Mark, timepoint: Timepoint, dependencies: Dependencies) -> bool | None:
        """Whether anything delivered since the mark and newer than the timepoint changes what was read; None: not known."""
        if not self.following or self._forgotten > mark.position:
            return None
        if any(_is_news(self._changes[path], mark, timepoint) for path in self._changes.keys() & dependencies.documents.keys()):
            return True
        return any(self._touches(mark, timepoint, read) for read in dependencies.queries)

    def _touches(self, mark: Mark, timepoint: Timepoint, read: QueryRead) -> bool:
        reads = None
        for change in self._found_by(mark, read):
            if _is_news(change, mark, timepoint):
                reads = reads or read.reader()
                if reads(change.document):
                    return True
        return False

    def _found_by(self, mark: Mark, read: QueryRead) -> Iterator[Change]:
        """The changes since the mark that may be results of a query, and others."""
        collection = document_id(read.query.collection)
        if collection not in self._by_token:
            return
        shapes = self._shapes.setdefault(collection, {})
        tokens = query_tokens(read.query)
        since = [shapes.setdefault(shape, self._position) for shape in tokens.values()]
        # A shape that is new has tokens of what is delivered from now on: until then the whole collection is looked through.
        for token in tokens if max(since) <= mark.position else (collection,):
            yield from self._by_token.get(token, {}).values()


def _is_news(change: Change, mark: Mark, timepoint: Timepoint) -> bool:
    return change.position > mark.position and change.document.update_time > timepoint
