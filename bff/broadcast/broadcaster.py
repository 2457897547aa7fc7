"""The broadcast port over a backend of the ``broadcaster`` package.

Of ``broadcaster`` this uses the backend interface and the event type. Its ``Broadcast`` class is left out, for what it does to
concurrent subscribers, slow ones and lost connections: ``docs/decisions/broadcaster.md``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, cast

from broadcaster import BroadcastBackend, Event

from bff.broadcast.envelope import open_envelope, seal
from bff.broadcast.mailbox import MAX_BYTES, MAX_MESSAGES, Mailbox
from bff.broadcast.port import RESYNC, Message, Resync, Subscription
from bff.errors import BroadcastError
from bff.supervisor import Status, Supervisor

__all__ = ["Backend", "BroadcasterBroadcast", "published"]

logger = logging.getLogger(__name__)


def published(channel: str, message: bytes | Literal[Resync.RESYNC]) -> Event:
    """An event for ``next_published``. ``broadcaster`` declares messages as text, and passes on whatever it is given."""
    return Event(channel, cast("str", message))


class Backend(BroadcastBackend):
    """What is asked of a backend, beyond the interface that it fills.

    - ``connect`` raises BroadcastError and leaves nothing open where the server cannot be reached.
    - ``subscribe`` returns when the server has acknowledged it, or when it is certain that RESYNC will follow.
    - ``unsubscribe`` of what is not subscribed is no error.
    - ``publish`` raises BroadcastError; the message is bytes.
    - ``next_published`` outlives a lost connection; after each gap it returns ``published(channel, RESYNC)`` for every channel.
    """

    def __init__(self) -> None: ...

    async def ping(self) -> None:
        """Go there and back. Raises BroadcastError."""
        raise NotImplementedError

    def status(self) -> tuple[Status, ...]:
        """How the backend's own tasks are."""
        return ()


class _Channel:
    """The subscribers of this process to one channel; they share one subscription of the backend."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        self.subscribed = False
        self.mailboxes: set[Mailbox] = set()


class BroadcasterBroadcast:
    """A Broadcast over one backend. ``max_messages`` and ``max_bytes`` bound what a subscription holds unread."""

    def __init__(self, backend: Backend, url: str, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._backend = backend
        self._url = url
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._channels: dict[str, _Channel] = {}
        self._left: set[str] = set()
        self._leaving = asyncio.Event()
        self._supervisor = Supervisor("broadcast")
        self._open = False

    @property
    def url(self) -> str:
        return self._url

    async def __aenter__(self) -> BroadcasterBroadcast:
        if self._open:
            raise RuntimeError("the broadcast is open already")
        await self._backend.connect()
        self._supervisor = Supervisor("broadcast")
        self._supervisor.start("listen", self._listen)
        self._supervisor.start("unsubscribe", self._unsubscribe_left)
        self._open = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._open = False
        for channel in self._channels.values():
            for mailbox in channel.mailboxes:
                mailbox.close()
        self._channels.clear()
        self._left.clear()
        try:
            await self._supervisor.close()
        finally:
            await self._backend.disconnect()

    async def ping(self) -> None:
        self._check_open()
        await self._backend.ping()

    def status(self) -> tuple[Status, ...]:
        """How the tasks behind it are."""
        return (*self._supervisor.status(), *self._backend.status())

    async def publish(self, channel: str, message: Message) -> None:
        self._check_open()
        await self._backend.publish(channel, seal(message))

    def subscribe(self, channel: str) -> AbstractAsyncContextManager[Subscription]:
        return self._subscribe(channel)

    @asynccontextmanager
    async def _subscribe(self, name: str) -> AsyncIterator[Subscription]:
        self._check_open()
        channel = self._channels.setdefault(name, _Channel())
        mailbox = Mailbox(max_messages=self._max_messages, max_bytes=self._max_bytes)
        # Leaving awaits nothing, so that no cancellation can come between: the server is told by a task of our own.
        channel.users += 1
        try:
            async with channel.lock:
                if not channel.subscribed:
                    await self._backend.subscribe(name)
                    channel.subscribed = True
                self._check_open()
                channel.mailboxes.add(mailbox)
            yield mailbox
        finally:
            mailbox.close()
            channel.mailboxes.discard(mailbox)
            channel.users -= 1
            if channel.users == 0 and self._channels.get(name) is channel:
                self._left.add(name)
                self._leaving.set()

    async def _unsubscribe_left(self) -> None:
        while True:
            self._leaving.clear()
            for name in tuple(self._left):
                channel = self._channels[name]
                async with channel.lock:
                    if channel.users == 0:
                        channel.subscribed = False
                        await self._backend.unsubscribe(name)
                # Whoever came meanwhile was waiting for the lock: it finds the channel here, and subscribes anew.
                if channel.users == 0:
                    del self._channels[name]
                self._left.discard(name)
            await self._leaving.wait()

    async def _listen(self) -> None:
        try:
            while True:
                self._deliver(await self._backend.next_published())
        except Exception:
            # What was lost is not known: everybody compares.
            for channel in self._channels.values():
                for mailbox in channel.mailboxes:
                    mailbox.resync()
            raise

    def _deliver(self, event: Event) -> None:
        channel = self._channels.get(event.channel)
        if channel is None:
            return
        raw: object = event.message
        message: Message | None = None
        if isinstance(raw, bytes):
            try:
                message = open_envelope(raw)
            except ValueError as error:
                logger.warning("channel %s: a message of somebody else's is taken as a gap: %s", event.channel, error)
        elif raw is not RESYNC:
            logger.warning("channel %s: a message of type %s is taken as a gap", event.channel, type(raw).__name__)
        for mailbox in channel.mailboxes:
            if message is None:
                mailbox.resync()
            else:
                mailbox.put(message)

    def _check_open(self) -> None:
        if not self._open:
            raise BroadcastError(f"the broadcast {self._url} is not open")
