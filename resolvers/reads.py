"""What one operation, or one event of a subscription, has read of the stored views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from graphql.pyutils import Path

from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.types import Timepoint

__all__ = ["Reads", "ViewId"]

ViewId: TypeAlias = tuple[str, str]
"""A view's name, and its key."""


@dataclass(slots=True)
class Reads:
    """Each view that was read, in the state it had; and those that could not be read.

    ``by_item`` has what was asked for beneath each item of the outermost list of the response, by the item's position: in
    ``{ users { edges { node { team { name } } } } }`` the team of the third edge stands at 2. What is beneath no list, or was
    asked for by code that did not say where, stands at None.

    ``lists`` are queries over the views of a name with what they found, in its order; ``counts`` are how many there were.
    """

    stored: dict[ViewId, StoredView] = field(default_factory=dict)
    failed: set[ViewId] = field(default_factory=set)
    by_item: defaultdict[int | None, set[ViewId]] = field(default_factory=lambda: defaultdict(set))
    lists: list[tuple[str, Query, Sequence[StoredView]]] = field(default_factory=list)
    counts: list[tuple[str, Query, int]] = field(default_factory=list)

    def ask(self, view: str, key: str, path: Path | None) -> None:
        """A view is asked for, at a place in the response."""
        self.by_item[_item(path)].add((view, key))

    def add(self, stored: StoredView) -> None:
        """A view was read, or found to be absent."""
        self.stored[stored.view, stored.key] = stored

    def add_list(self, view: str, query: Query, found: Sequence[StoredView]) -> None:
        """A query was answered."""
        self.lists.append((view, query, found))

    def add_count(self, view: str, query: Query, count: int) -> None:
        """The results of a query were counted."""
        self.counts.append((view, query, count))

    def fail(self, view: str, key: str) -> None:
        """A view could not be read."""
        self.failed.add((view, key))

    @property
    def views(self) -> dict[ViewId, Timepoint]:
        """The versions of what was read; 0 for what was absent, which says the same however often it is read."""
        return {id: 0 if stored.document is None else stored.version for id, stored in self.stored.items()}

    def shown(self) -> dict[ViewId, StoredView | None]:
        """Everything that was read, and None for what could not be. What is still being read is shown nowhere."""
        return {**self.stored, **dict.fromkeys(self.failed)}

    def shown_by(self, item: int | None) -> dict[ViewId, StoredView | None]:
        """As ``shown``, of what was asked for beneath an item of the outermost list."""
        shown = self.shown()
        return {id: shown[id] for id in self.by_item.get(item, ()) if id in shown}


def _item(path: Path | None) -> int | None:
    item = None
    while path is not None:
        if isinstance(path.key, int):
            item = path.key
        path = path.prev
    return item
