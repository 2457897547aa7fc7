"""The live lists of this process: one window for each distinct list that somebody looks at, shared by all who do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bff.errors import BroadcastError
from bff.live.feed import Feed
from bff.live.reading import Views
from bff.live.refreshing import Refreshing
from bff.live.view_windows import OpenWindow, ViewWindows
from bff.live.window import Shown
from bff.live.window_slot import WindowSlot
from bff.live.window_token import NO_MARKS, decode_window
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.supervisor import Backoff, Supervisor

if TYPE_CHECKING:
    from bff.live.changes import Change
    from bff.model.view_model import ViewModel

__all__ = ["LiveList", "Windows"]

UseFeeds: TypeAlias = "Callable[[type[ViewModel]], Sequence[Feed]]"
LeaveFeeds: TypeAlias = Callable[[Sequence[Feed]], None]


@dataclass(slots=True)
class _Group:
    """The windows of a view, the feeds that tell them, and those of them that nobody looks at for the moment."""

    windows: ViewWindows
    feeds: Sequence[Feed]
    lingering: dict[bytes, asyncio.TimerHandle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptWindow:
    """A window that is kept open."""

    view: type[ViewModel]
    group: _Group
    opened: OpenWindow

    @property
    def size(self) -> int:
        """How many views it holds at most."""
        return self.opened.window.most

    def shown(self) -> Shown | None:
        """What it shows, the same object until it changes; None where it is not certain that this is the newest."""
        return self.opened.window.shown() if self.group.windows.sure(self.opened) else None


class LiveList:
    """What a subscription to a list iterates: the window, then its changes.

    ``resumed`` says that its reader came with a version of this list: then there is no CURRENT, and ``marks`` is what that
    version said of the views.
    """

    def __init__(self, slot: WindowSlot, opened: OpenWindow, marks: Mapping[str, str] | None) -> None:
        self._slot = slot
        self._opened = opened
        self.resumed = marks is not None
        self.marks: Mapping[str, str] = marks or NO_MARKS

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        return await anext(self._slot)

    def again(self, key: str) -> None:
        """Give this view once more, as MODIFIED, if it is there by the time its turn comes and has not been given meanwhile."""
        self._slot.again(key)

    async def unchanged(self) -> list[StoredView]:
        """Of what its reader came with, the views that are as the reader holds them."""
        return await self._slot.unchanged()

    def version(self, marks: Mapping[str, str] = NO_MARKS) -> str | None:
        """What to come back with, for whoever has applied every change so far, with a mark for some of the keys.

        None where the window is too large to be told, or has not been given yet.
        """
        held = self._slot.held
        return None if held is None else self._opened.version(held, marks)


class Windows:
    """Opens windows, has them listen to every channel of their view, and closes them some time after their last reader.

    ``use_feeds`` gives the feeds of all channels of a view, which are kept until they are given to ``leave_feeds``.
    """

    def __init__(
        self,
        views: Views,
        use_feeds: UseFeeds,
        leave_feeds: LeaveFeeds,
        *,
        at_once: int,
        timeout: float,
        backoff: Backoff,
        linger_seconds: float,
    ) -> None:
        self._views = views
        self._use_feeds = use_feeds
        self._leave_feeds = leave_feeds
        self._linger_seconds = linger_seconds
        self._refreshing = Refreshing(at_once=at_once, timeout=timeout, backoff=backoff)
        self._groups: dict[type[ViewModel], _Group] = {}

    def keep(self, view: type[ViewModel], query: Query, first: int) -> KeptWindow:
        """A window that somebody keeps open without looking at it; asked in the background. Leave it with ``let_go``.

        Raises BroadcastError.
        """
        group, opened = self._use(view, query, first)
        self._refreshing.owe(opened.refresh)
        return KeptWindow(view, group, opened)

    def let_go(self, kept: KeptWindow) -> None:
        """Keep it open no more. It does not linger: whoever keeps windows bounds them, and each one costs every change."""
        self._leave(kept.view, kept.group, kept.opened, lingers=False)

    def seen(self, view: type[ViewModel], state: StoredView) -> None:
        """Somebody has read this state of a view."""
        group = self._groups.get(view)
        if group is not None:
            group.windows.seen(state)

    def start(self, supervisor: Supervisor) -> None:
        """Run the workers under this supervisor, until it is closed."""
        self._refreshing.start(supervisor)

    @asynccontextmanager
    async def open(self, view: type[ViewModel], query: Query, first: int, since: str | None = None) -> AsyncIterator[LiveList]:
        """As ``Hub.window`` says."""
        # Whatever ends a subscription awaits nothing, so that no cancellation can come between.
        group, opened = self._use(view, query, first)
        try:
            for feed in group.feeds:
                await feed.subscribed()
            if group.windows.windows.get(opened.identity) is not opened:
                raise BroadcastError("live updates are closed")
            # Listening before reading: what changes during the query is announced.
            await self._refreshing.ask(opened.refresh)
            held, marks = (None if since is None else decode_window(opened.identity, since, first)) or (None, None)
            slot = WindowSlot(opened.window, held)
            opened.window.slots.add(slot)
            try:
                yield LiveList(slot, opened, marks)
            finally:
                slot.close()
                opened.window.slots.discard(slot)
        finally:
            self._leave(view, group, opened)

    async def compare(self) -> None:
        """Ask every query anew. Where one fails it is repeated in the background."""
        comparisons = [self._refreshing.compare(opened.refresh) for opened in self._opened()]
        await asyncio.gather(*comparisons, return_exceptions=True)

    def close(self) -> None:
        """End every subscription. The workers are the supervisor's to end."""
        groups = tuple(self._groups.values())
        self._groups.clear()
        for group in groups:
            for timer in group.lingering.values():
                timer.cancel()
            group.windows.close()

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        return sum(len(opened.window.slots) for opened in self._opened())

    @property
    def count(self) -> int:
        """How many distinct windows there are."""
        return len(tuple(self._opened()))

    @property
    def failing(self) -> int:
        """How many of the queries, and of the reads that an announcement asked for, cannot be made at present."""
        return self._refreshing.failing

    def _opened(self) -> Iterable[OpenWindow]:
        return (opened for group in self._groups.values() for opened in group.windows.windows.values())

    def _use(self, view: type[ViewModel], query: Query, first: int) -> tuple[_Group, OpenWindow]:
        group = self._groups.get(view)
        if group is None:
            feeds = self._use_feeds(view)
            group = self._groups[view] = _Group(ViewWindows(view, self._views, self._refreshing, feeds), feeds)
            for feed in feeds:
                feed.windows = group.windows
        try:
            opened = group.windows.open(query, first)
        except BaseException:
            self._end_if_empty(view, group)
            raise
        opened.users += 1
        timer = group.lingering.pop(opened.identity, None)
        if timer is not None:
            timer.cancel()
        return group, opened

    def _leave(self, view: type[ViewModel], group: _Group, opened: OpenWindow, *, lingers: bool = True) -> None:
        opened.users -= 1
        if opened.users or self._groups.get(view) is not group:
            return
        # A query that is refused is not asked again.
        if not lingers or opened.window.shown() is None:
            self._drop(view, group, opened)
            return
        later = asyncio.get_running_loop().call_later(self._linger_seconds, self._drop, view, group, opened)
        group.lingering[opened.identity] = later

    def _drop(self, view: type[ViewModel], group: _Group, opened: OpenWindow) -> None:
        group.lingering.pop(opened.identity, None)
        group.windows.drop(opened)
        self._end_if_empty(view, group)

    def _end_if_empty(self, view: type[ViewModel], group: _Group) -> None:
        if not group.windows.windows:
            del self._groups[view]
            group.windows.close()
            for feed in group.feeds:
                feed.windows = None
            self._leave_feeds(group.feeds)
