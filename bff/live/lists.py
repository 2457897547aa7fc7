"""Lists that are asked for again and again, answered from windows that are kept for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from bff.errors import BroadcastError
from bff.live.liveness import Liveness
from bff.live.reading import Views
from bff.live.view_windows import measured_identity
from bff.live.window import Shown
from bff.live.windows import KeptWindow, Windows
from bff.projection.stored_view import StoredView
from bff.query import Query

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["KnownList", "Lists"]

AGAIN_SECONDS = 10.0
"""A list that is asked for twice within this time is worth a window."""

REMEMBERED = 8
"""For each list that may be kept, so many that were asked for once are remembered."""

MOST_AUDIENCES = 8

LONGEST_QUERY = 4 * 1024
"""A query of more bytes is read every time: what is remembered holds it, and a client may make it as long as a request."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownList:
    """The first results of a query, and whether there are more after them. ``texts`` is what this very list was written as.

    One of the views has no document where what is stored is of older code and cannot be built anew.
    """

    views: Sequence[StoredView]
    more: bool
    texts: dict[Any, bytes] = field(default_factory=dict, repr=False)
    shown: dict[Any, KnownList | None] = field(default_factory=dict, repr=False)

    def show(self, audience: Any, listed: KnownList | None) -> None:
        """Remember in ``shown`` what an audience is shown of it, None where that is all; the oldest of 8 makes room."""
        if len(self.shown) >= MOST_AUDIENCES:
            del self.shown[next(iter(self.shown))]
        self.shown[audience] = listed


class _Asked:
    """A list that was asked for: when that was last, and its window if it has one."""

    __slots__ = ("at", "kept", "known", "shown", "used")

    def __init__(self) -> None:
        self.at = monotonic()
        self.kept: KeptWindow | None = None
        self.shown: Shown | None = None
        self.known: KnownList | None = None
        self.used = True


class Lists:
    """At most ``most`` windows, which hold at most ``most_views`` views together; the least recently used ones are let go first.

    Each change of a view is matched against every window of its type: that is what each costs, besides its views. One that is not
    asked for between two comparisons is let go.
    """

    def __init__(self, views: Views, windows: Windows, *, most: int, most_views: int) -> None:
        self._views = views
        self._windows = windows
        self._most = most
        self._most_views = most_views
        self._liveness: Liveness | None = None
        self._identities: OrderedDict[tuple[int, int], tuple[Query, bytes]] = OrderedDict()
        self._asked: OrderedDict[bytes, _Asked] = OrderedDict()
        self._kept: OrderedDict[bytes, _Asked] = OrderedDict()
        self._places = 0
        self.hits = 0
        """How often a list was known; ``misses`` is how many were read."""
        self.misses = 0

    def open(self, liveness: Liveness) -> None:
        """Keep windows, while this is following."""
        self._liveness = liveness

    def close(self) -> None:
        """Keep nothing any more."""
        self._liveness = None
        self._asked.clear()
        for key in tuple(self._kept):
            self._let_go(key)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def _live(self) -> bool:
        return self._liveness is not None and self._liveness.following

    def known(self, view: type[ViewModel], query: Query, first: int) -> KnownList | None:
        """As ``Hub.known_list`` says."""
        if not self._kept or not self._live:
            return None
        key = self._identity(view, query, first)
        if key is None:
            return None
        asked = self._kept.get(key)
        if asked is None or asked.kept is None:
            return None
        self._kept.move_to_end(key)
        asked.used = True
        shown = asked.kept.shown()
        if shown is None or not shown.whole:
            return None
        if shown is not asked.shown:
            asked.shown, asked.known = shown, KnownList(shown.views, shown.more)
        self.hits += 1
        return asked.known

    async def read(self, view: type[ViewModel], query: Query, first: int) -> KnownList:
        """As ``Hub.read_list`` says."""
        known = self.known(view, query, first)
        if known is not None:
            return known
        self.misses += 1
        if self._live:
            self._note(view, query, first)
        found = await self._views.find_at(replace(query, limit=first + 1), view)
        return KnownList(found.views[:first], len(found.documents) > first)

    def compare(self) -> None:
        """Let go of what nobody has asked for since the last time. The windows of the others are compared as all are."""
        for key, asked in tuple(self._kept.items()):
            if not asked.used:
                self._let_go(key)
            asked.used = False

    def _note(self, view: type[ViewModel], query: Query, first: int) -> None:
        """It is asked for, and not known: the second time, a window is opened for it."""
        key = self._identity(view, query, first)
        if key is None or key in self._kept:
            return
        before = self._asked.pop(key, None)
        if before is None or monotonic() - before.at > AGAIN_SECONDS:
            self._asked[key] = _Asked()
            if len(self._asked) > REMEMBERED * self._most:
                self._asked.popitem(last=False)
            return
        try:
            before.kept = self._windows.keep(view, query, first)
        except BroadcastError:
            return  # live updates are closing
        before.used = True
        self._kept[key] = before
        self._places += before.kept.size
        while len(self._kept) > self._most or self._places > self._most_views:
            self._let_go(next(iter(self._kept)))

    def _identity(self, view: type[ViewModel], query: Query, first: int) -> bytes | None:
        """The same for everybody who asks the same; None where it is too long. The very same object is known again at once."""
        at = (id(query), first)
        known = self._identities.get(at)
        if known is not None:
            return known[1]
        identity, length = measured_identity(view.__view__.name, query, first)
        if length > LONGEST_QUERY:
            return None
        self._identities[at] = query, identity  # held, so that its id is its own
        if len(self._identities) > REMEMBERED * self._most:
            self._identities.popitem(last=False)
        return identity

    def _let_go(self, key: bytes) -> None:
        asked = self._kept.pop(key)
        if asked.kept is not None:
            self._places -= asked.kept.size
            self._windows.let_go(asked.kept)
            asked.kept = None
