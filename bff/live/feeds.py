"""The channels that this process listens to, and the entries of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from bff.broadcast.port import Broadcast
from bff.errors import BroadcastError
from bff.live.channels import Channels
from bff.live.entry import Entry
from bff.live.feed import Feed
from bff.live.liveness import Liveness
from bff.live.reading import Reading
from bff.observability.tracing import NO_TRACING, Tracing
from bff.supervisor import Supervisor

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Feeds"]


class Feeds:
    """A channel is listened to while it has users (one for each entry, and who needs it beside), and ``linger_seconds`` more."""

    def __init__(
        self,
        broadcast: Broadcast,
        channels: Channels,
        reading: Reading,
        linger_seconds: float,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._tracing = tracing
        self.channels = channels
        self.entries: dict[type[ViewModel], dict[str, Entry]] = {}
        self._broadcast = broadcast
        self._reading = reading
        self._linger_seconds = linger_seconds
        self._feeds: dict[str, Feed] = {}
        self._supervisor: Supervisor | None = None
        self._liveness: Liveness | None = None

    def open(self, supervisor: Supervisor, liveness: Liveness) -> None:
        """Run what listens under this supervisor, until it is closed."""
        self._supervisor, self._liveness = supervisor, liveness

    def close(self) -> None:
        """End every subscription. What listens is the supervisor's to end."""
        self._supervisor = None
        feeds = tuple(self._feeds.values())
        self._feeds.clear()
        self.entries.clear()
        for feed in feeds:
            feed.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that are listened to, or about to be."""
        return tuple(self._feeds)

    @property
    def opened(self) -> bool:
        return self._supervisor is not None

    def check_open(self) -> None:
        """Raises BroadcastError where it is not open."""
        if self._supervisor is None:
            raise BroadcastError("live updates are closed: the server is not started yet, or shutting down")

    def get(self, storage: str, key: str) -> Feed | None:
        """What listens for a view, where anything does."""
        return self._feeds.get(self.channels.of(storage, key))

    def compare(self) -> None:
        """Something may have been missed on any channel."""
        for feed in tuple(self._feeds.values()):
            feed.compare()

    # --- Entries

    def known(self, view: type[ViewModel], key: str) -> Entry | None:
        """The entry of a view, where there is one."""
        of_view = self.entries.get(view)
        return None if of_view is None else of_view.get(key)

    def everyone(self) -> Iterator[Entry]:
        """All entries; none may come or go meanwhile."""
        return chain.from_iterable(of_view.values() for of_view in self.entries.values())

    def entry(self, view: type[ViewModel], key: str) -> Entry:
        """The entry of a view, made where there is none: it uses its channel until it is forgotten. Raises BroadcastError."""
        entry = self.known(view, key)
        if entry is None:
            feed = self.use_for(view, key)
            entry = feed.entries[key] = self.entries.setdefault(view, {})[key] = Entry(view, key, feed)
        return entry

    def forget(self, entry: Entry) -> None:
        """Forget an entry that nobody looks at and that is not kept."""
        if not entry.slots and entry.kept is None and self.known(entry.view, entry.key) is entry:
            del self.entries[entry.view][entry.key]
            feed = entry.source
            assert isinstance(feed, Feed)
            del feed.entries[entry.key]
            self._reading.forget(entry)
            self.leave(feed)

    def drop(self, entry: Entry) -> None:
        """Keep it no more: what is known of it may be old, and nobody looks at it."""
        if entry.kept is None:
            self.forget(entry)
        else:
            entry.kept.forget(entry)

    # --- Channels

    def use_for(self, view: type[ViewModel], key: str) -> Feed:
        """Listen for this view, until it is left. Raises BroadcastError."""
        return self._use(view, self.channels.of(view.__view__.storage, key))

    def use_all(self, view: type[ViewModel]) -> Sequence[Feed]:
        """Listen for every view of a type, until they are left. Raises BroadcastError."""
        return [self._use(view, channel) for channel in self.channels.all(view.__view__.storage)]

    def leave_all(self, feeds: Sequence[Feed]) -> None:
        for feed in feeds:
            self.leave(feed)

    def leave(self, feed: Feed) -> None:
        """One user less. Awaits nothing."""
        feed.users -= 1
        if feed.users == 0 and self._feeds.get(feed.channel) is feed:
            feed.linger = asyncio.get_running_loop().call_later(self._linger_seconds, self._end, feed)

    def _use(self, view: type[ViewModel], channel: str) -> Feed:
        self.check_open()
        assert self._supervisor is not None
        assert self._liveness is not None
        feed = self._feeds.get(channel)
        if feed is None:
            healthy = partial(self._supervisor.healthy, channel)
            feed = Feed(channel, view, self._broadcast, self._reading, self._liveness, healthy, self.drop, self._tracing)
            self._feeds[channel] = feed
            self._supervisor.start(channel, feed.run)
        feed.users += 1
        if feed.linger is not None:
            feed.linger.cancel()
            feed.linger = None
        return feed

    def _end(self, feed: Feed) -> None:
        del self._feeds[feed.channel]
        if self._supervisor is not None:
            self._supervisor.stop(feed.channel)
