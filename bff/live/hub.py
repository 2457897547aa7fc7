"""Fans the changes of stored views out to the subscriptions of this process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from bff.broadcast.port import Broadcast
from bff.errors import BroadcastError
from bff.live.channels import Channels
from bff.live.entry import Entry, Slot
from bff.live.feed import Feed
from bff.live.reading import Reading, Views
from bff.projection.stored_view import StoredView
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
        self._feeds: dict[str, Feed] = {}
        self._supervisor = Supervisor("hub", backoff=self._backoff)
        self._open = False

    async def __aenter__(self) -> Hub:
        self._supervisor = Supervisor("hub", backoff=self._backoff)
        self._reading.start(self._supervisor)
        self._supervisor.start("compare", self._compare_regularly)
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        feeds = tuple(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            feed.close()
        await self._supervisor.close()

    def subscribe(self, view: type[ViewModel], key: str) -> AbstractAsyncContextManager[AsyncIterator[StoredView]]:
        """Once entered, the iterator yields the state that is stored by then or a newer one, and then strictly newer ones.

        States in between are skipped where the reader is slow, the last one never is. It ends when the hub is closed. Entering
        raises what the first read raises, and BroadcastError.
        """
        return self._subscribe(view, key)

    async def compare(self) -> None:
        """Compare everything that is held with what is stored, now. Where a read fails it is repeated in the background."""
        comparisons = [self._reading.compare(entry) for feed in self._feeds.values() for entry in feed.entries.values()]
        await asyncio.gather(*comparisons, return_exceptions=True)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        return sum(len(entry.slots) for feed in self._feeds.values() for entry in feed.entries.values())

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels this process is subscribed to, or about to be."""
        return tuple(self._feeds)

    @property
    def failing(self) -> int:
        """How many of the views that somebody looks at cannot be read at present."""
        return self._reading.failing

    def status(self) -> tuple[Status, ...]:
        """How its tasks are: for ``/readyz`` and ``bff doctor``."""
        return self._supervisor.status()

    @asynccontextmanager
    async def _subscribe(self, view: type[ViewModel], key: str) -> AsyncIterator[AsyncIterator[StoredView]]:
        # Whatever ends a subscription awaits nothing, so that no cancellation can come between.
        feed = self._use(view, key)
        try:
            await feed.subscribed()
            self._check_open()
            entry = feed.entries.get(key)
            if entry is None:
                entry = feed.entries[key] = Entry(view, key)
            slot = Slot(entry)
            entry.slots.add(slot)
            try:
                # Listening before reading: what changes during the read is announced.
                await self._reading.ask(entry)
                yield slot
            finally:
                slot.close()
                entry.slots.discard(slot)
                if not entry.slots and feed.entries.get(key) is entry:
                    del feed.entries[key]
                    self._reading.forget(entry)
        finally:
            self._leave(feed)

    def _use(self, view: type[ViewModel], key: str) -> Feed:
        self._check_open()
        channel = self._channels.of(view.__view__.name, key)
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
