"""Fans the changes of stored views out to the subscriptions of this process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from bff.broadcast.port import Broadcast
from bff.errors import BroadcastError
from bff.live.channels import Channels
from bff.live.entry import Entry, Slot
from bff.live.feed import Feed
from bff.live.follow import Follow
from bff.live.reading import Reading, Views
from bff.live.windows import LiveList, Windows
from bff.query import Query
from bff.supervisor import Backoff, Status, Supervisor

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Hub"]


class Hub:
    """Subscriptions to views by key: the present state, then strictly newer ones, the newest first of all.

    ::

        async with hub.subscribe(MeetingSession, "m1") as states:
            async for state in states:          # a StoredView; its document is None while there is no such view
                ...

    Channels are hints; what is stored is the truth. What is held is compared with what is stored after every gap of a channel
    and every ``compare_seconds``. A channel that nobody needs is left after ``linger_seconds``. ``batch`` is how many views
    one read asks for, ``reads_at_once`` how many reads run at a time, ``read_seconds`` how long one may take.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        views: Views,
        *,
        channels: Channels | None = None,
        compare_seconds: float = 30.0,
        linger_seconds: float = 5.0,
        batch: int = 100,
        reads_at_once: int = 4,
        read_seconds: float = 30.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._broadcast = broadcast
        self._channels = channels or Channels()
        self._compare_seconds = compare_seconds
        self._linger_seconds = linger_seconds
        self._backoff = backoff or Backoff(first=0.05, limit=5.0)
        self._reading = Reading(views, batch=batch, at_once=reads_at_once, timeout=read_seconds, backoff=self._backoff)
        self._windows = Windows(
            views,
            self._use_all,
            self._leave_all,
            at_once=reads_at_once,
            timeout=read_seconds,
            backoff=self._backoff,
            linger_seconds=linger_seconds,
        )
        self._feeds: dict[str, Feed] = {}
        self._supervisor = Supervisor("hub", backoff=self._backoff)
        self._open = False

    async def __aenter__(self) -> Hub:
        self._supervisor = Supervisor("hub", backoff=self._backoff)
        self._reading.start(self._supervisor)
        self._windows.start(self._supervisor)
        self._supervisor.start("compare", self._compare_regularly)
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        self._windows.close()
        feeds = tuple(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            feed.close()
        await self._supervisor.close()

    def subscribe(self, view: type[ViewModel], key: str) -> AbstractAsyncContextManager[Slot]:
        """Once entered, the iterator yields the state that is stored by then or a newer one, and then strictly newer ones.

        States in between are skipped where the reader is slow, the last one never is. It ends when the hub is closed. Entering
        raises what the first read raises, and BroadcastError.
        """
        return self._subscribe(view, key)

    def follow(self, view: type[ViewModel], key: str, on_news: Callable[[], None]) -> Follow:
        """Look at one more view from now on, for a subscription that shows it beside its own; awaits nothing.

        What is known of it may be nothing yet: see ``Follow``. Raises BroadcastError where live updates are closed.
        """
        feed = self._use(view, self._channels.of(view.__view__.name, key))
        entry = self._entry(feed, view, key)

        def leave() -> None:
            self._forget(feed, entry)
            self._leave(feed)

        return Follow(entry, self._reading, on_news, leave)

    def window(
        self, view: type[ViewModel], query: Query, first: int, since: str | None = None
    ) -> AbstractAsyncContextManager[LiveList]:
        """Once entered, the iterator yields the first ``first`` results of a query over the stored views, then what changes.

        ``query`` is of the view's collection, in its order, without a limit or cursors. With ``since``, the ``version()`` of a
        list of the same query and size, there are only the differences from then: nothing at first where there are none. All who
        ask the same share one window, which is matched here: no listener of the datastore is theirs.

        States in between are skipped where the reader is slow, the last one never is. It ends when the hub is closed. Entering
        raises what the query raises (InvalidQuery, DatastoreUnavailable), and BroadcastError.
        """
        return self._windows.open(view, query, first, since)

    async def compare(self) -> None:
        """Compare everything that is held with what is stored, now. Where a read fails it is repeated in the background."""
        comparisons = [self._reading.compare(entry) for feed in self._feeds.values() for entry in feed.entries.values()]
        await asyncio.gather(self._windows.compare(), *comparisons, return_exceptions=True)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        by_key = sum(len(entry.slots) for feed in self._feeds.values() for entry in feed.entries.values())
        return by_key + self._windows.subscriptions

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels this process is subscribed to, or about to be."""
        return tuple(self._feeds)

    @property
    def failing(self) -> int:
        """How many of the views and lists that somebody looks at cannot be read at present."""
        return self._reading.failing + self._windows.failing

    @property
    def windows(self) -> int:
        """How many distinct lists are kept live."""
        return self._windows.count

    def status(self) -> tuple[Status, ...]:
        """How its tasks are: for ``/readyz`` and ``bff doctor``."""
        return self._supervisor.status()

    @asynccontextmanager
    async def _subscribe(self, view: type[ViewModel], key: str) -> AsyncIterator[Slot]:
        # Whatever ends a subscription awaits nothing, so that no cancellation can come between.
        feed = self._use(view, self._channels.of(view.__view__.name, key))
        try:
            await feed.subscribed()
            self._check_open()
            entry = self._entry(feed, view, key)
            slot = Slot(entry)
            entry.slots.add(slot)
            try:
                # Listening before reading: what changes during the read is announced.
                await self._reading.ask(entry)
                yield slot
            finally:
                slot.close()
                entry.slots.discard(slot)
                self._forget(feed, entry)
        finally:
            self._leave(feed)

    def _entry(self, feed: Feed, view: type[ViewModel], key: str) -> Entry:
        entry = feed.entries.get(key)
        if entry is None:
            entry = feed.entries[key] = Entry(view, key)
        return entry

    def _forget(self, feed: Feed, entry: Entry) -> None:
        """Forget an entry that nobody looks at any more."""
        if not entry.slots and feed.entries.get(entry.key) is entry:
            del feed.entries[entry.key]
            self._reading.forget(entry)

    def _use_all(self, view: type[ViewModel]) -> Sequence[Feed]:
        return [self._use(view, channel) for channel in self._channels.all(view.__view__.name)]

    def _leave_all(self, feeds: Sequence[Feed]) -> None:
        for feed in feeds:
            self._leave(feed)

    def _use(self, view: type[ViewModel], channel: str) -> Feed:
        self._check_open()
        feed = self._feeds.get(channel)
        if feed is None:
            healthy = partial(self._supervisor.healthy, channel)
            feed = self._feeds[channel] = Feed(channel, view, self._broadcast, self._reading, healthy)
            self._supervisor.start(channel, feed.run)
        feed.users += 1
        if feed.linger is not None:
            feed.linger.cancel()
            feed.linger = None
        return feed

    def _leave(self, feed: Feed) -> None:
        feed.users -= 1
        if feed.users == 0 and self._feeds.get(feed.channel) is feed:
            feed.linger = asyncio.get_running_loop().call_later(self._linger_seconds, self._end, feed)

    def _end(self, feed: Feed) -> None:
        del self._feeds[feed.channel]
        self._supervisor.stop(feed.channel)

    async def _compare_regularly(self) -> None:
        while True:
            # Not all processes at once.
            await asyncio.sleep(self._compare_seconds * random.uniform(0.75, 1.25))
            await self.compare()

    def _check_open(self) -> None:
        if not self._open:
            raise BroadcastError("live updates are closed: the server is not started yet, or shutting down")
