"""The first views of a list, kept right by what is announced; where that is not enough, a query says anew how it is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from bff.live.announcement import Announcement
from bff.live.changes import Change, Held, changes
from bff.matching import condition, order_position, sort_key
from bff.projection.reader import Found
from bff.projection.stored_view import StoredView, view_path
from bff.query import Query
from bff.types import Timepoint, Value

if TYPE_CHECKING:
    from bff.live.window_slot import WindowSlot

__all__ = ["Row", "Shown", "Window"]

LEAST_BEYOND, MOST_BEYOND = 10, 100
LOGGED = 1000

Position: TypeAlias = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A view in its place. ``committed`` is from when on a query finds it there.

    A row whose ``view`` has no document takes a place and is not shown: it is of older code and cannot be built anew.
    """

    view: StoredView
    position: Position
    committed: Timepoint


_position = attrgetter("position")


@dataclass(frozen=True, slots=True)
class Shown:
    """What readers are to see: the views in their order, and whether there are ``more`` of them after the last.

    ``whole`` says that these are all the results: none has been left out because it cannot be shown.
    """

    views: tuple[StoredView, ...]
    held: Held
    more: bool
    whole: bool = True


class Window:
    """The first ``first`` results of a query, and some more, so that the ones that go have others to follow them.

    Three things change it. ``take`` takes what was announced of one view, which decides by itself whether and where that view
    stands. ``land`` takes the results of the query, which say everything up to their timepoint, and are older than what was
    announced of later commits. What was read of one key is taken as an announcement that is ``sure``.

    It knows its rows up to a position: ``low`` is when too few are left of them, ``shown()`` is None when a reader would see
    that. Memory is bounded by ``first``, and by the 1,000 keys whose announcements are kept while a query is under way.
    """

    def __init__(self, view: str, query: Query, first: int) -> None:
        beyond = min(max(first // 2, LEAST_BEYOND), MOST_BEYOND)
        self.first = first
        self.query = replace(query, limit=first + beyond)
        self.slots: set[WindowSlot] = set()
        self._beyond = beyond
        self._name = view
        self._orders = query.full_order()
        self._matches = condition(query.where)
        self._rows: list[Row] = []
        self._by_key: dict[str, Row] = {}
        self._known_to: Position | None = None
        self._landed: Timepoint | None = None
        self._log: dict[str, Announcement] | None = None
        self._log_full = False
        self._shown: Shown | None = None
        self._stale = True
        self._last_changes: tuple[Held, Shown, list[Change]] | None = None

    @property
    def most(self) -> int:
        """How many rows it holds at most."""
        return self.first + 2 * self._beyond

    @property
    def low(self) -> bool:
        """Whether it is time for the query: so many have gone that soon a reader could see it."""
        return self._known_to is not None and len(self._rows) <= self.first + self._beyond // 2

    def shown(self) -> Shown | None:
        """What readers are to see, the same object until it changes; None while that is not known."""
        if self._landed is None or (self._known_to is not None and len(self._rows) <= self.first):
            return None
        if self._stale or self._shown is None:
            self._stale = False
            rows = self._rows[: self.first]
            views = tuple(row.view for row in rows if row.view.document is not None)
            held = tuple((view.key, view.version) for view in views)
            more = len(self._rows) > self.first
            whole = len(views) == len(rows)
            if self._shown is None or (self._shown.held, self._shown.more, self._shown.whole) != (held, more, whole):
                self._shown = Shown(views, held, more, whole)
        return self._shown

    def changes(self, held: Held, shown: Shown) -> list[Change]:
        """What makes what is shown of what a reader holds. Readers who hold the same share it."""
        last = self._last_changes
        if last is None or last[0] is not held or last[1] is not shown:
            last = self._last_changes = held, shown, changes(held, shown.views)
        return last[2]

    def take(self, announced: Announcement, *, sure: bool = False) -> bool:
        """Take a view's state as it was announced, or read (``sure``). False where it cannot be told whether it is old.

        Then the key is to be read: what was read is never in doubt.
        """
        if self._log is not None:
            self._remember(self._log, announced)
        if self._landed is None:
            return True
        key = announced.key
        held = self._by_key.get(key)
        if held is not None and not announced.is_newer_than(held.view.version, held.committed):
            return True
        row = self._row_of(announced)
        if held is not None:
            self._remove(held)
        elif row is not None and announced.committed < self._landed:
            # The query must have seen it, and did not find it: it was overtaken by what the query saw, unless commits and
            # queries are out of step.
            return sure
        if row is not None:
            self._insert(row)
        return True

    def contradicts(self, state: StoredView) -> bool:
        """Whether it shows a view otherwise than in this state, which is stored and may not have been announced yet."""
        held = self._by_key.get(state.key)
        if held is not None:
            return held.view.version < state.version
        return self._landed is not None and self._row_of(Announcement(state.key, state.version, state.document)) is not None

    @property
    def asking(self) -> bool:
        """Whether the query is under way, or is still to be asked."""
        return self._log is not None or self._landed is None

    # --- The query

    def begin(self) -> None:
        """The query begins: what is announced from now on may be newer than its results."""
        self._log = {}
        self._log_full = False

    def abandon(self) -> None:
        """It has failed."""
        self._log = None

    def land(self, found: Found) -> list[str]:
        """Take its results. Returns the keys that are to be read, since the two cannot be told apart by age."""
        log, self._log = self._log or {}, None
        self._landed = found.timepoint
        rows = sorted(self._rows_of(found), key=_position)
        self._known_to = None
        if len(found.documents) == self.query.limit:
            # The whole of what lies before its last result is known.
            self._known_to = self._position(found.documents[-1].id, found.documents[-1].data or {})
            rows = rows[: bisect_right(rows, self._known_to, key=_position)] if self._known_to is not None else rows
        self._rows = rows
        self._by_key = {row.view.key: row for row in rows}
        doubtful = [announced.key for announced in log.values() if not self.take(announced)]
        self._touched()
        return doubtful

    @property
    def overrun(self) -> bool:
        """Whether more was announced during the last query than is remembered: it is to be asked again."""
        return self._log_full

    def versions(self) -> Iterator[tuple[str, Timepoint]]:
        """The version of each row."""
        return ((row.view.key, row.view.version) for row in self._rows)

    # --- Rows

    def _remember(self, log: dict[str, Announcement], announced: Announcement) -> None:
        before = log.get(announced.key)
        if before is None and len(log) >= LOGGED:
            self._log_full = True
        elif before is None or announced.is_newer_than(before.version, before.committed):
            log[announced.key] = announced

    def _rows_of(self, found: Found) -> Iterable[Row]:
        for document, view in zip(found.documents, found.views, strict=True):
            raw = document.data or {}
            if view.document is None:
                version = raw.get("version")
                view = StoredView(self._name, document.id, version if isinstance(version, int) else 0, None)
            elif view.document is not document.data and not self._matches(document.path, view.document):
                continue  # it was built anew meanwhile, and is no result any more
            position = self._position(document.id, view.document or raw)
            held = self._by_key.get(document.id)
            if held is not None and held.view.version == view.version and held.view.exists and view.exists:
                view = held.view  # the very object, with what it was written as
            if position is not None:
                yield Row(view, position, document.update_time)

    def _row_of(self, announced: Announcement) -> Row | None:
        """Where it stands; None where it is no result, or stands where nothing is known."""
        data = announced.document
        if data is None or not self._matches(self._path(announced.key), data):
            return None
        position = self._position(announced.key, data)
        if position is None or (self._known_to is not None and position > self._known_to):
            return None
        return Row(announced.stored(self._name), position, announced.committed)

    def _path(self, key: str) -> str:
        return view_path(self.query.collection, key)

    def _position(self, key: str, data: Mapping[str, Value]) -> Position | None:
        position = order_position(self._orders, self._path(key), data)
        return None if position is None else sort_key(self._orders, position)

    def _insert(self, row: Row) -> None:
        if self._known_to is not None and row.position > self._known_to:
            return
        place = bisect_left(self._rows, row.position, key=_position)
        self._rows.insert(place, row)
        self._by_key[row.view.key] = row
        if len(self._rows) > self.first + 2 * self._beyond:
            for beyond in self._rows[self.first + self._beyond :]:
                del self._by_key[beyond.view.key]
            del self._rows[self.first + self._beyond :]
            self._known_to = self._rows[-1].position
        self._changed(place)

    def _remove(self, row: Row) -> None:
        # Positions are unique: the last part of one is the view's path.
        place = bisect_left(self._rows, row.position, key=_position)
        del self._rows[place]
        del self._by_key[row.view.key]
        self._changed(place)

    def _changed(self, place: int) -> None:
        if place <= self.first:
            self._touched()

    def _touched(self) -> None:
        self._stale = True
        for slot in self.slots:
            slot.wake()
