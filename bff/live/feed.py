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
from bff.live.reading import Reading
from bff.live.settle import settle
from bff.projection.stored_view import StoredView

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


class Feed:
    """Keeps the entries of one channel as new as its messages say, and tells the windows. ``users`` counts who needs it."""

    def __init__(
        self,
        channel: str,
        view: type[ViewModel],
        broadcast: Broadcast,
        reading: Reading,
        on_subscribed: Callable[[], None],
    ) -> None:
        self.channel = channel
        self.view = view
        self.entries: dict[str, Entry] = {}
        self.windows: Audience | None = None
        self.users = 0
        self.linger: asyncio.TimerHandle | None = None
        self._broadcast = broadcast
        self._reading = reading
        self._on_subscribed = on_subscribed
        self._subscribed = False
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def subscribed(self) -> None:
        """Wait until every message published from now on is received. Raises what the attempt under way raises."""
        if not self._subscribed:
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
                self._subscribed = True
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
            self._subscribed = False
            self._tell(error)

    def close(self) -> None:
        """End every subscription, and whoever waits for one. Its task is the supervisor's to end."""
        if self.linger is not None:
            self.linger.cancel()
        for entry in self.entries.values():
            self._reading.forget(entry)
            for slot in entry.slots:
                slot.close()
        self.entries.clear()
        self._tell(BroadcastError("live updates are closed"))

    def compare(self) -> None:
        """Compare every entry, and every window, with what is stored."""
        if self.windows is not None:
            self.windows.gap()
        for entry in self.entries.values():
            self._reading.owe(entry)

    def _tell(self, error: BaseException | None) -> None:
        waiting, self._waiting = self._waiting, {}
        settle(waiting, error)

    def _receive(self, message: object) -> None:
        if message is RESYNC or not isinstance(message, Message) or message.key == COMPARE.key:
            self.compare()
            return
        entry = self.entries.get(message.key)
        if entry is None and self.windows is None:
            return
        try:
            announced = Announcement.from_message(message)
        except ValueError as error:
            logger.warning("live: %s: %s is compared: %s", self.channel, message.key, error)
            if entry is not None:
                self._reading.owe(entry)
            if self.windows is not None:
                self.windows.unclear(message.key)
            return
        if self.windows is not None:
            self.windows.announced(announced)
        if entry is None:
            return
        if not announced.hint:
            entry.offer(StoredView(self.view.__view__.name, announced.key, announced.version, announced.document))
        elif announced.version == UNKNOWN or entry.state is None or announced.version > entry.state.version:
            self._reading.owe(entry)
