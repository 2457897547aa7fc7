"""The views that a subscription shows beside its own: those that the links of its selection lead to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from bff.errors import BroadcastError, TooLarge
from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.reads import ViewId

if TYPE_CHECKING:
    from bff.live.follow import Follow
    from bff.live.hub import Hub
    from bff.live.restricted_hub import RestrictedFollow, RestrictedHub

__all__ = ["MAX_LINKS", "Followed"]

Shown: TypeAlias = Mapping[ViewId, StoredView | None]
"""The states of views that were shown; None where one could not be read."""

MAX_LINKS: Final = 1_000
"""How many linked views one subscription follows."""


@dataclass(slots=True)
class _Link:
    """One linked view, and what each group of the subscription has shown of it."""

    follow: Follow | RestrictedFollow
    shown: dict[Hashable, StoredView | None] = field(default_factory=dict)


class Followed:
    """Follows exactly the linked views that were shown, and tells when one of them has a newer state than was shown.

    While an event is executed, the loaders ``open`` each view before they read it, so that no change comes between, and read
    only what was not followed before: an event that shows the links of the one before reads nothing. After the event, ``settle``
    says which views it has shown, by group: a group is what is shown anew when one of its links changes (the one view of a
    subscription by id; each node of a list, by any key). Then ``stale`` has the groups with a link that is newer than what they
    have shown, now and whenever it changes; ``on_news`` is called each time it does, in the middle of things: it may wake the
    reader, no more. ``settle`` a group that was shown again, ``drop`` one that is shown no more, ``close`` at the end.

    Nothing is awaited, no link has a task. Not the same state is shown twice for one change: what is compared is the state that
    an event has been given with the one that the hub has now, and an event is always given the hub's.
    """

    def __init__(self, hub: Hub | RestrictedHub, on_news: Callable[[], None], limit: int = MAX_LINKS) -> None:
        self.stale: set[Hashable] = set()
        self._hub = hub
        self._on_news = on_news
        self._limit = limit
        self._links: dict[ViewId, _Link] = {}
        self._groups: dict[Hashable, frozenset[ViewId]] = {}
        self._unsettled: set[ViewId] = set()
        self._over = False
        self._closed = False

    def __len__(self) -> int:
        """How many views are followed."""
        return len(self._links)

    def open(self, view: type[ViewModel], keys: Sequence[str]) -> dict[str, StoredView]:
        """Follow these views from now on. The states of those that were followed already; the others are to be read.

        What the hub knows of a view, for others, may be behind what is stored: nobody starts with that.
        """
        known: dict[str, StoredView] = {}
        for key in keys:
            link = self._links.get((view.__view__.name, key))
            if link is None:
                self._open(view, key)
            elif link.follow.state is not None:
                known[key] = link.follow.state
        return known

    def found(self, state: StoredView) -> StoredView:
        """A view that was read since it was opened: the state to show, which is this one or one that came meanwhile."""
        link = self._links.get((state.view, state.key))
        if link is None:
            return state
        link.follow.offer(state)
        return link.follow.state or state

    def missed(self, view: str, key: str) -> None:
        """A view that could not be read: it is tried again in the background, and is news once it can be."""
        link = self._links.get((view, key))
        if link is not None and link.follow.state is None:
            link.follow.owe()

    def settle(self, shown: Mapping[Hashable, Shown]) -> None:
        """An event was executed: these groups show these views (``Reads.shown``), and no others.

        Whatever no group shows any more is left. Raises TooLarge where more is shown than one subscription may follow.
        """
        for group, views in shown.items():
            self._show(group, views)
        self._sweep()
        if self._over or len(self._links) > self._limit:
            raise TooLarge(f"the subscription shows more than {self._limit} linked views: select fewer, or page through them")

    def drop(self, group: Hashable) -> None:
        """A group is shown no more."""
        self._show(group, {})
        self._sweep()

    def close(self) -> None:
        """Leave everything. Called twice, it does nothing the second time."""
        self._closed = True
        links, self._links = self._links, {}
        for link in links.values():
            link.follow.leave()
        self._groups.clear()
        self._unsettled.clear()
        self.stale.clear()

    def _open(self, view: type[ViewModel], key: str) -> None:
        # Those of the event before are left once this one is settled: for a moment there are both.
        self._over = self._over or len(self._links) >= 2 * self._limit
        if self._over or self._closed:
            return
        id = (view.__view__.name, key)
        try:
            self._links[id] = _Link(self._hub.follow(view, key, partial(self._news, id)))
        except BroadcastError:
            return  # live updates end, and the subscription with them
        self._unsettled.add(id)

    def _show(self, group: Hashable, shown: Shown) -> None:
        self.stale.discard(group)
        before = self._groups.pop(group, frozenset())
        ids = frozenset(id for id in shown if id in self._links)
        for id in before - ids:
            self._links[id].shown.pop(group, None)
            self._unsettled.add(id)
        if ids:
            self._groups[group] = ids
        for id in ids:
            link = self._links[id]
            link.shown[group] = shown[id]
            if _is_newer(link.follow.state, shown[id]):
                self.stale.add(group)

    def _sweep(self) -> None:
        for id in self._unsettled:
            if not self._links[id].shown:
                self._links.pop(id).follow.leave()
        self._unsettled.clear()

    def _news(self, id: ViewId) -> None:
        link = self._links.get(id)
        if link is None:
            return
        stale = [group for group, shown in link.shown.items() if _is_newer(link.follow.state, shown)]
        if stale:
            self.stale.update(stale)
            self._on_news()


def _is_newer(state: StoredView | None, shown: StoredView | None) -> bool:
    """Whether there is something to show that was not. That what was gone is gone still is nothing."""
    if state is None or shown is None:
        return state is not None
    return state.version > shown.version and (state.document is not None or shown.document is not None)
