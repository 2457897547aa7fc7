"""Fans the changes of stored views out to the subscriptions of this process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from bff.broadcast.port import Broadcast
from bff.errors import BFFError
from bff.live.announcement import Announcement
from bff.live.cache import Cache
from bff.live.channels import Channels
from bff.live.entry import Slot
from bff.live.feeds import Feeds
from bff.live.follow import Follow
from bff.live.lists import KnownList, Lists
from bff.live.liveness import Liveness
from bff.live.pulses import TRUSTED_SECONDS, Pulses
from bff.live.reading import Reading, Views
from bff.live.watch import Watch
from bff.live.windows import LiveList, Windows
from bff.observability.tracing import NO_TRACING, Tracing
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.supervisor import Backoff, Status, Supervisor
from bff.types import Timepoint

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

    It also answers who asks once (``known``, ``read``, ``known_list``, ``read_list``): at most ``cached_views`` views of
    ``cached_bytes`` together, and ``cached_lists`` windows of ``cached_list_views`` together, are kept for that, as long as a
    relay follows what changes. ``relay`` is the one of this process; without it, what relays elsewhere say of themselves is
    listened for, and believed for ``trusted_seconds``.
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
        cached_views: int = 10_000,
        cached_bytes: int = 64 * 1024 * 1024,
        cached_lists: int = 32,
        cached_list_views: int = 5_000,
        trusted_seconds: float = TRUSTED_SECONDS,
        relay: Liveness | None = None,
        backoff: Backoff | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._broadcast = broadcast
        self._channels = channels or Channels()
        self._compare_seconds = compare_seconds
        self._backoff = backoff or Backoff(first=0.05, limit=5.0)
        self._relay = relay
        self._trusted_seconds = trusted_seconds
        self._reading = Reading(views, batch=batch, at_once=reads_at_once, timeout=read_seconds, backoff=self._backoff)
        self._feeds = Feeds(broadcast, self._channels, self._reading, linger_seconds, tracing)
        self._cache = Cache(views, self._feeds, most=cached_views, most_bytes=cached_bytes, batch=batch)
        self._windows = Windows(
            views,
            self._feeds.use_all,
            self._feeds.leave_all,
            at_once=reads_at_once,
            timeout=read_seconds,
            backoff=self._backoff,
            linger_seconds=linger_seconds,
        )
        self._lists = Lists(views, self._windows, most=cached_lists, most_views=cached_list_views)
        self._supervisor = Supervisor("hub", backoff=self._backoff)

    async def __aenter__(self) -> Hub:
        self._supervisor = Supervisor("hub", backoff=self._backoff)
        self._reading.start(self._supervisor)
        self._windows.start(self._supervisor)
        self._supervisor.start("compare", self._compare_regularly)
        liveness = self._relay
        if liveness is None:
            healthy = partial(self._supervisor.healthy, "pulses")
            compare, seconds = self._feeds.compare, self._trusted_seconds
            liveness = pulses = Pulses(self._broadcast, self._channels.pulse, healthy, compare, seconds)
            self._supervisor.start("pulses", pulses.run)
        self._feeds.open(self._supervisor, liveness)
        self._cache.open(liveness)
        self._lists.open(liveness)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lists.close()
        self._windows.close()
        self._feeds.close()
        self._cache.close()
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
        entry = self._feeds.entry(view, key)
        return Follow(entry, self._reading, on_news, lambda: self._feeds.forget(entry))

    async def watch(self, view: type[ViewModel], key: str, wake: Callable[[], object]) -> Watch:
        """As ``subscribe``, for thousands: without a task or a generator, see ``Watch``. Leave it once it is no longer needed.

        Where the hub knows the state for certain, nothing is read. Raises what the first read raises, and BroadcastError.
        """
        feed = self._feeds.use_for(view, key)
        try:
            await feed.subscribed()
            self._feeds.check_open()
            watch = Watch(self._feeds.entry(view, key), wake, self._feeds.forget)
            try:
                if self._cache.known(view, key) is None:
                    await self._reading.ask(self._feeds.entry(view, key))
            except BaseException:
                watch.leave()
                raise
            return watch
        finally:
            self._feeds.leave(feed)

    def known(self, view: type[ViewModel], key: str) -> StoredView | None:
        """The newest state of a view, if it is certain at this moment that nothing newer has been announced; awaits nothing.

        None where it is not: ``read`` it. That there is no view is never known: a state that is has a document. Why is in
        ``docs/decisions/view-cache.md``.
        """
        return self._cache.known(view, key)

    def known_all(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView] | None:
        """As ``known``, of many at once and in their order: None where one of them is not known."""
        return self._cache.known_all(view, keys)

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        """The views, in the order of the keys: those that are known, the rest in one read, and kept from then on.

        Who asks for what is being read already shares that read. Nothing is older than what this process has answered before, nor
        than what a subscription has been given. What is wrong with a single key is in its place. Raises DatastoreUnavailable.
        """
        return await self._cache.read(view, keys)

    def known_list(self, view: type[ViewModel], query: Query, first: int) -> KnownList | None:
        """The first results of a query, if it is certain at this moment that nothing newer has been announced; awaits nothing.

        ``query`` is as for ``window``. The same object as long as nothing changes. None where it is not certain: ``read_list``.
        """
        return self._lists.known(view, query, first)

    async def read_list(self, view: type[ViewModel], query: Query, first: int) -> KnownList:
        """The same, from the datastore where it is not known. For a list that is asked for again soon a window is kept then.

        Raises InvalidQuery, DatastoreUnavailable.
        """
        return await self._lists.read(view, query, first)

    def written(self, view: type[ViewModel], state: StoredView, committed: Timepoint) -> None:
        """As ``announced`` (``bff.projection.news.Listener``)."""
        self.announced(view.__view__.storage, Announcement(state.key, state.version, state.document, committed=committed))

    def seen(self, view: type[ViewModel], state: StoredView) -> None:
        """This process has just read this: what it answers from now on is no older."""
        entry = self._feeds.known(view, state.key)
        if entry is not None:
            entry.offer(state)
        self._windows.seen(view, state)

    def announced(self, storage: str, announced: Announcement) -> None:
        """This process has just committed this: told here, before the relay tells it."""
        feed = self._feeds.get(storage, announced.key)
        if feed is not None:
            feed.announced(announced)

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
        """Compare everything that is held with what is stored, now. Where a read fails it is repeated in the background.

        What nobody looks at, and nobody has asked for since the last time, is dropped.
        """
        self._lists.compare()
        comparisons = [self._reading.compare(entry) for entry in self._feeds.everyone() if entry.slots]
        await asyncio.gather(self._windows.compare(), self._cache.compare(), *comparisons, return_exceptions=True)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        by_key = sum(len(entry.slots) for entry in self._feeds.everyone())
        return by_key + self._windows.subscriptions

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels this process is subscribed to, or about to be."""
        return self._feeds.names

    @property
    def cached(self) -> int:
        """How many views are kept for who asks next."""
        return len(self._cache.kept)

    @property
    def waiting(self) -> int:
        """How many views that somebody looks at are being read, or wait to be."""
        return self._reading.waiting

    @property
    def cache_counts(self) -> Mapping[str, tuple[int, int]]:
        """By what is cached, how often it was known, and how often it had to be read."""
        return {"view": (self._cache.hits, self._cache.misses), "list": (self._lists.hits, self._lists.misses)}

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
        feed = self._feeds.use_for(view, key)
        try:
            await feed.subscribed()
            entry = self._feeds.entry(view, key)
            slot = Slot(entry)
            entry.slots[slot] = slot.wake
            try:
                # Listening before reading: what changes during the read is announced.
                await self._reading.ask(entry)
                yield slot
            finally:
                slot.close()
                entry.slots.pop(slot, None)
                self._feeds.forget(entry)
        finally:
            self._feeds.leave(feed)

    async def _compare_regularly(self) -> None:
        while True:
            # Not all processes at once.
            await asyncio.sleep(self._compare_seconds * random.uniform(0.75, 1.25))
            await self.compare()
