"""What turns the window that somebody holds into the present one: single changes, to be applied one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

from bff.projection.stored_view import StoredView
from bff.types import Timepoint

__all__ = ["Change", "ChangeKind", "Held", "changes"]

Held: TypeAlias = tuple[tuple[str, Timepoint], ...]
"""A window as a reader holds it: the key and the version of each view, in order."""


class ChangeKind(StrEnum):
    """What a change does to a list."""

    CURRENT = "CURRENT"
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    REMOVED = "REMOVED"
    MOVED = "MOVED"


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a live list.

    ``CURRENT`` has the whole window as its ``page``, and says whether there is ``more`` after it. Every other change is of the
    view ``key``: ``REMOVED`` takes it away, ``ADDED`` and ``MOVED`` put ``view`` right after the view ``previous`` (at the start
    where that is None), ``MODIFIED`` replaces it where it stands. ``next`` is the key after it then.
    """

    kind: ChangeKind
    key: str | None = None
    view: StoredView | None = None
    previous: str | None = None
    next: str | None = None
    page: tuple[StoredView, ...] | None = None
    more: bool = False


def changes(held: Held, views: Sequence[StoredView]) -> list[Change]:
    """What makes ``views`` of what is held: first what goes, then from the first place to the last.

    As few views are moved as can be: those stay that are a longest increasing subsequence of the old places; of several such
    the one with the most views that have not changed, since those take no event at all.
    """
    wanted = {view.key for view in views}
    made = [Change(ChangeKind.REMOVED, key) for key, _ in held if key not in wanted]
    known = {key: version for key, version in held if key in wanted}
    line = _Line(known)
    staying = _staying(known, views)
    previous: str | None = None
    for view in views:
        kind = ChangeKind.MODIFIED
        if view.key not in staying:
            kind = ChangeKind.MOVED if view.key in known else ChangeKind.ADDED
            line.put(view.key, previous)
        if kind is not ChangeKind.MODIFIED or known[view.key] != view.version:
            made.append(Change(kind, view.key, view, line.before[view.key], line.after[view.key]))
        previous = view.key
    return made


class _Line:
    """Keys in a row: who stands before and after whom."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.before: dict[str | None, str | None] = {}
        self.after: dict[str | None, str | None] = {None: None}
        previous: str | None = None
        for key in keys:
            self._join(previous, key)
            previous = key
        self._join(previous, None)

    def put(self, key: str, previous: str | None) -> None:
        """Right after ``previous``, or at the start; from wherever it has stood."""
        if key in self.before:
            self._join(self.before[key], self.after[key])
        following = self.after[previous]
        self._join(previous, key)
        self._join(key, following)

    def _join(self, one: str | None, other: str | None) -> None:
        self.after[one] = other
        self.before[other] = one


def _staying(known: dict[str, Timepoint], views: Sequence[StoredView]) -> set[str]:
    """The keys that need not move: a heaviest increasing subsequence, by a Fenwick tree of the best one up to each old place."""
    places = {key: place for place, key in enumerate(known, 1)}
    kept = [view for view in views if view.key in places]
    order = [places[view.key] for view in kept]
    if all(one < other for one, other in pairwise(order)):
        return set(places)
    # (how many, how many of them unchanged, which of `kept` is the last)
    nothing = (0, 0, -1)
    best: list[tuple[int, int, int]] = [nothing] * (len(places) + 1)
    before: list[int] = []
    for index, view in enumerate(kept):
        found = nothing
        place = order[index] - 1
        while place > 0:
            found = max(found, best[place])
            place &= place - 1
        before.append(found[2])
        candidate = (found[0] + 1, found[1] + (known[view.key] == view.version), index)
        place = order[index]
        while place < len(best):
            best[place] = max(best[place], candidate)
            place += place & -place
    found = nothing
    place = len(places)
    while place > 0:
        found = max(found, best[place])
        place &= place - 1
    staying: set[str] = set()
    index = found[2]
    while index >= 0:
        staying.add(kept[index].key)
        index = before[index]
    return staying
