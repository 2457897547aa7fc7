"""Turns view documents that changed into channel messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from bff.broadcast.port import Broadcast, Message
from bff.datastore.port import Changes, Datastore, Listening, ResumePoint, Target
from bff.document import Document
from bff.live.announcement import COMPARE, UNKNOWN, Announcement
from bff.live.channels import Channels
from bff.live.pulses import PULSE_SECONDS, pulse
from bff.observability.tracing import NO_TRACING, Tracing
from bff.projection.news import News
from bff.projection.stored_view import metadata_path
from bff.supervisor import Backoff, Status, Supervisor
from bff.together import together
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.model.catalog import Catalog
    from bff.projection.storages import Storages

__all__ = ["Relay"]

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
PUBLISHING_AT_ONCE = 32
BEHIND_SECONDS = 3.0
"""A relay that has announced one batch for longer than this does not follow."""

LOOK_SECONDS = 0.05


class Relay:
    """Follows the collections of the views from now on and announces each document that changed on its channel.

    What it may not have announced (before it started, while the listener began anew, when publishing failed) it makes up for
    by telling the hubs to compare, as often as it takes until that is published. A document over ``max_message_bytes`` is
    announced without its content. ``timeout`` bounds one publishing, in seconds.

    While it follows (it is a ``Liveness``), it says so every ``pulse_seconds`` on a channel of its own, to hubs whose process has
    no relay.

    While ``storages`` waits for a view it does not say so: nobody may keep up what there is to follow.

    ``news`` is for a broadcast that nobody but the hub of this process listens to: what that was told there is announced.
    """

    def __init__(
        self,
        datastore: Datastore,
        broadcast: Broadcast,
        catalog: Catalog,
        *,
        channels: Channels | None = None,
        news: News | None = None,
        storages: Storages | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        publishing_at_once: int = PUBLISHING_AT_ONCE,
        timeout: float = 10.0,
        pulse_seconds: float = PULSE_SECONDS,
        backoff: Backoff | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._tracing = tracing
        self._datastore = datastore
        self._broadcast = broadcast
        self._channels = channels or Channels()
        self._news = news
        self._storages = storages
        self._views = {view.__view__.collection: view.__view__ for view in catalog.views.values()}
        self._all_channels = frozenset(channel for view in self._views.values() for channel in self._channels.all(view.storage))
        self._max_message_bytes = max_message_bytes
        self._publishing_at_once = publishing_at_once
        self._timeout = timeout
        self._pulse_seconds = pulse_seconds
        self._backoff = backoff or Backoff(first=0.05, limit=5.0)
        self._supervisor = Supervisor("relay", backoff=self._backoff)
        self._seen: Timepoint = 0
        self._as_of: Timepoint = 0
        self._moved = asyncio.Event()
        self._owed: dict[str, int] = {}
        self.gaps = 0
        """How often something may not have been announced."""
        self._owing = asyncio.Event()
        self._listening: Listening | None = None
        self._busy_since: float | None = None

    async def __aenter__(self) -> Relay:
        self._supervisor = Supervisor("relay", backoff=self._backoff)
        if self._views:
            self._supervisor.start("listen", self._listen)
            self._supervisor.start("announce gaps", self._announce_gaps)
            self._supervisor.start("pulse", self._pulse)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._supervisor.close()

    @property
    def as_of(self) -> Timepoint:
        """The timepoint up to which every change of a view document has been announced, or hubs told to compare."""
        return self._as_of

    @property
    def following(self) -> bool:
        """Whether every change is announced as it happens: its listener follows, and nothing is owed."""
        if self._listening is None or self._owed or not self._listening.following:
            return False
        if self._storages is not None and self._storages.waiting:
            return False
        return self._busy_since is None or monotonic() - self._busy_since < BEHIND_SECONDS

    async def wait_for(self, timepoint: Timepoint, timeout: float = 30.0) -> None:
        """Wait until ``as_of`` is ``timepoint`` or later. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            if self._as_of < timepoint and self._listening is not None:
                self._listening.nudge()
            while self._views and self._as_of < timepoint:
                await self._moved.wait()

    def status(self) -> tuple[Status, ...]:
        """How its tasks are: for ``/readyz`` and ``bff doctor``."""
        return self._supervisor.status()

    async def _listen(self) -> None:
        try:
            await self._follow()
        finally:
            self._listening = self._busy_since = None

    async def _follow(self) -> None:
        now = await self._datastore.ping()
        async with self._datastore.listen([Target(collection) for collection in self._views], ResumePoint(now)) as listening:
            self._listening = listening
            # Up to now, hubs read for themselves; from now on, they are told.
            self._owe(self._all_channels)
            self._advance(now)
            resending = False
            async for changes in listening:
                self._busy_since = monotonic()
                resending = resending or changes.reset
                if not resending:
                    await self._announce(changes)
                elif changes.resume is not None:
                    # A resend is everything there is: that the hubs compare what they hold costs less than to announce it.
                    resending = False
                    self._owe(self._all_channels)
                if changes.resume is not None:
                    self._advance(changes.resume.timepoint)
                self._busy_since = None
                self._supervisor.healthy("listen")
        raise RuntimeError("the listener ended")

    async def _announce(self, changes: Changes) -> None:
        announcements = [
            (view.storage, announcement)
            for document in changes.documents
            if document.data is not None and (view := self._views.get(document.collection)) is not None
            for announcement in (_of_document(view.name, document),)
            if self._news is None or not self._news.was_told(view.name, announcement.key, announcement.version)
        ]
        announcements += await self._of_deletions([document for document in changes.documents if document.data is None])
        if not announcements:
            return
        pending = iter(announcements)

        async def publish_pending() -> None:
            for storage, announcement in pending:
                channel = self._channels.of(storage, announcement.key)
                if self._tracing.enabled:
                    announcement = replace(announcement, trace=self._tracing.carried_by(announcement.committed))
                await self._publish(channel, announcement.to_message(self._max_message_bytes))
                await asyncio.sleep(0)  # publishing in memory does not wait: hubs are to read while a large batch is announced

        at_once = min(self._publishing_at_once, len(announcements))
        if announcements:
            with self._tracing.span("bff.announce", follows=(one.update_time for one in changes.documents)):
                await together(*(publish_pending() for _ in range(at_once)), limit=self._publishing_at_once)

    async def _of_deletions(self, deleted: Iterable[Document]) -> list[tuple[str, Announcement]]:
        """A deletion's version is in the view's metadata; the listener's time is the listener's."""
        keys = [
            (view.storage, document.id, document.update_time)
            for document in deleted
            if (view := self._views.get(document.collection)) is not None
        ]
        if not keys:
            return []
        async with self._datastore.snapshot() as snapshot:
            tombstones = await snapshot.get([metadata_path(storage, key) for storage, key, _ in keys])
        announcements: list[tuple[str, Announcement]] = []
        for (storage, key, seen), tombstone in zip(keys, tombstones, strict=True):
            data = tombstone.data or {}
            version = data.get("version")
            if not isinstance(version, int):
                # Removed by hand, with or without its metadata: who looks at it must read.
                announcements.append((storage, Announcement(key, UNKNOWN, hint=True)))
            elif data.get("deleted"):
                announcements.append((storage, Announcement(key, version, committed=seen)))
            # Otherwise it is there again: that change is on its way, and announces itself.
        return announcements

    async def _publish(self, channel: str, message: Message) -> bool:
        try:
            async with asyncio.timeout(self._timeout):
                await self._broadcast.publish(channel, message)
        except Exception as error:
            if not self._owed:
                logger.warning("relay: not published, hubs will be told to compare: %s: %s", type(error).__name__, error)
            self._owe((channel,))
            return False
        return True

    def _owe(self, channels: Iterable[str]) -> None:
        self.gaps += 1
        self._owed.update(dict.fromkeys(channels, self.gaps))
        self._owing.set()

    async def _announce_gaps(self) -> None:
        failures = 0
        while True:
            await self._owing.wait()
            self._owing.clear()
            # All at once: a server that is frozen, or a channel that is refused, keeps no other one waiting.
            if all(await asyncio.gather(*(self._announce_gap(channel, debt) for channel, debt in self._owed.items()))):
                failures = 0
                self._advance(self._seen)
            else:
                failures += 1
                await asyncio.sleep(self._backoff.delay(failures))

    async def _announce_gap(self, channel: str, debt: int) -> bool:
        if not await self._publish(channel, COMPARE):
            return False
        # What was missed while this was on its way may be newer than what the hubs read because of it.
        if self._owed[channel] == debt:
            del self._owed[channel]
        return True

    async def _pulse(self) -> None:
        failing = False
        while True:
            if not self.following:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            try:
                async with asyncio.timeout(self._timeout):
                    await self._broadcast.publish(self._channels.pulse, pulse(self._as_of))
                failing = False
            except Exception as error:
                if not failing:
                    logger.warning("relay: no pulse, hubs elsewhere read for themselves: %s: %s", type(error).__name__, error)
                failing = True
            await asyncio.sleep(self._pulse_seconds)

    def _advance(self, seen: Timepoint) -> None:
        self._seen = max(self._seen, seen)
        if not self._owed and self._seen > self._as_of:
            self._as_of = self._seen
            self._moved.set()
            self._moved = asyncio.Event()


def _of_document(name: str, document: Document) -> Announcement:
    data = document.data or {}
    version = data.get("version")
    if not isinstance(version, int):
        logger.error("relay: %s has no version: no projector of %s wrote it", document.path, name)
        return Announcement(document.id, UNKNOWN, hint=True)
    return Announcement(document.id, version, data, committed=document.update_time)
