"""This process's one subscription to a channel, for all that look at its keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bff.broadcast.port import RESYNC, Broadcast, Message
from bff.errors import BroadcastError
from bff.live.announcement import COMPARE, UNKNOWN, Announcement
from bff.live.entry import Entry
from bff.live.liveness import Liveness
from bff.live.reading import Reading
from bff.live.settle import settle
from bff.observability.tracing import NO_TRACING, Attributes, Tracing
from bff.projection.reader import is_whole

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Audience", "Feed"]

logger = logging.getLogger(__name__)

IN_ONE_GO = 32


class Audience(Protocol):
    """Who is told everything that is announced: ``bff.live.view_windows.ViewWindows``."""

    def announced(self, announced: Announcement, /) -> None:
        """A view has changed."""
        ...

    def unclear(self, key: str, /) -> None:
        """A view may have changed, and how cannot be read out of the message."""
        ...

    def gap(self) -> None:
        """Any view may have changed."""
        ...

    def lose(self) -> None:
        """Nothing is heard from now on, until there is a ``gap``."""
        ...


class Feed:
    """Keeps the entries of one channel as new as its messages say, and tells the windows. ``users`` counts who needs it.

    After a gap, entries that somebody looks at are compared with what is stored, and all others are given to ``drop``.
    """

    def __init__(
        self,
        channel: str,
        view: type[ViewModel],
        broadcast: Broadcast,
        reading: Reading,
        liveness: Liveness,
        on_subscribed: Callable[[], None],
        drop: Callable[[Entry], None],
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._tracing = tracing
        self.channel = channel
        self.view = view
        self.entries: dict[str, Entry] = {}
        self.windows: Audience | None = None
        self.users = 0
        self.linger: asyncio.TimerHandle | None = None
        self._broadcast = broadcast
        self._reading = reading
        self._liveness = liveness
        self._on_subscribed = on_subscribed
        self._drop = drop
        self.hears = False
        self.lost = 0
        """How often something may have been missed here."""
        self._waiting: dict[asyncio.Future[None], None] = {}

    @property
    def gaps(self) -> int:
        """How often something may have been missed here, or by the relay."""
        return self.lost + self._liveness.gaps

    async def subscribed(self) -> None:
        """Wait until every message published from now on is received. Raises what the attempt under way raises."""
        if not self.hears:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[future] = None
            try:
                await future
            finally:
                self._waiting.pop(future, None)

    async def run(self) -> None:
        """Subscribe, and follow the channel for as long as the subscription lasts."""
        error: BaseException = BroadcastError(f"the subscription to {self.channel} ended")
        try:
            async with self._broadcast.subscribe(self.channel) as subscription:
                self.hears = True
                self._tell(None)
                self._on_subscribed()
                self.compare()  # whoever was here before may have missed something
                received = 0
                async for message in subscription:
                    self._receive(message)
                    received += 1
                    if received % IN_ONE_GO == 0:
                        await asyncio.sleep(0)  # a full mailbox is read without waiting: others want to run as well
            raise error
        except asyncio.CancelledError:
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.hears = False
            if self.windows is not None:
                self.windows.lose()
            self._gap()
            self._tell(error)

    def close(self) -> None:
        """End every subscription, and whoever waits for one. Its task is the supervisor's to end."""
        if self.linger is not None:
            self.linger.cancel()
        for entry in self.entries.values():
            self._reading.forget(entry)
            entry.closed = True
            for slot in entry.slots:
                slot.close()
        self.entries.clear()
        self._tell(BroadcastError("live updates are closed"))

    def compare(self) -> None:
        """Something may have been missed: compare what somebody looks at, and every window, with what is stored."""
        if self.windows is not None:
            self.windows.gap()
        self._gap()
        for entry in self.entries.values():
            self._reading.owe(entry)

    def _gap(self) -> None:
        self.lost += 1
        for entry in tuple(self.entries.values()):
            if not entry.slots:
                self._drop(entry)

    def _tell(self, error: BaseException | None) -> None:
        waiting, self._waiting = self._waiting, {}
        settle(waiting, error)

    def _receive(self, message: object) -> None:
        if message is RESYNC or not isinstance(message, Message) or message.key == COMPARE.key:
            self.compare()
            return
        if message.key not in self.entries and self.windows is None:
            return
        try:
            announced = Announcement.from_message(message)
        except ValueError as error:
            logger.warning("live: %s: %s is compared: %s", self.channel, message.key, error)
            self._doubt(message.key)
            if self.windows is not None:
                self.windows.unclear(message.key)
            return
        self.announced(announced)

    def announced(self, announced: Announcement) -> None:
        """A view has changed."""
        if not self._tracing.enabled:
            self._announced(announced)
            return
        watched = self.entries.get(announced.key)
        told: Attributes = {"bff.view": self.view.__view__.name, "bff.watched": 0 if watched is None else len(watched.slots)}
        if announced.trace is not None:
            self._tracing.arrived(announced.committed, announced.trace)
        with self._tracing.span("bff.push", told, follows=(announced.committed,)):
            self._announced(announced)

    def _announced(self, announced: Announcement) -> None:
        entry = self.entries.get(announced.key)
        if entry is not None:
            document = announced.document
            # Of older code, it may not have all that the view has now: reading it builds it anew.
            if not announced.hint and (document is None or is_whole(self.view, document)):
                entry.offer(announced.stored(self.view.__view__.name))
            elif announced.version == UNKNOWN or entry.state is None or announced.version > entry.state.version:
                self._doubt(announced.key)
        if self.windows is not None:
            self.windows.announced(announced)

    def _doubt(self, key: str) -> None:
        entry = self.entries.get(key)
        if entry is None:
            return
        entry.doubt()
        if entry.slots:
            self._reading.owe(entry)
        else:
            self._drop(entry)
