"""Follows documents and works off what their changes concern, with a memory of how far it has come.

What a projector and a mediator have in common: a listener, a queue, workers, failures that are tried again, and a checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import thread_time
from types import MappingProxyType
from typing import Protocol

from bff.datastore.port import Changes, Datastore, Listening, ResumePoint, Target
from bff.document import Document
from bff.errors import BFFError, Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.projection.checkpoint import WISHES, Checkpoint
from bff.projection.dirty_keys import ANY, Batch, DirtyKeys, Item
from bff.projection.failures import Failures
from bff.projection.progress import Progress
from bff.supervisor import Backoff, Supervisor
from bff.types import Timepoint

__all__ = ["Follower", "Subject"]

logger = logging.getLogger(__name__)

IDLE_SAVE_SECONDS = 300.0
CLOSING_SECONDS = 5.0
NUDGE_SECONDS = 1.0
HOLD = 2.0
SHORTEST_HOLD_SECONDS = 0.004
LONGEST_HOLD_SECONDS = 0.1
HELD_UP_SECONDS = 0.25
"""When nothing was taken for so long while something waits, another worker goes on in place of the one that takes."""

WISH_SECONDS = 0.1
"""How long others' wishes wait at least after one was granted, so that any number of them costs a bounded number of writes."""


class Subject(Protocol):
    """What is done about the documents that are followed. Everything here may raise DatastoreUnavailable, and is done again."""

    async def begin(self) -> None:
        """Called once, before the first change comes."""
        ...

    def seen(self, documents: Sequence[Document]) -> None:
        """These were delivered; called before ``concerned``."""
        ...

    def concerned(self, documents: Sequence[Document]) -> AsyncIterator[Item]:
        """What is to be worked off because these documents changed."""
        ...

    def missing(self) -> AsyncIterator[Item]:
        """What is to be worked off because documents are gone that were there: deletions that nobody was told of."""
        ...

    async def work(self, batch: Batch) -> None:
        """Work off a batch, from what is stored now. What fails for good is recorded as a failure, not raised."""
        ...

    async def note(self) -> None:
        """Called now and then, and at the end: write down what can wait."""
        ...


class Follower:
    """Runs a subject until it is closed. ``dirty``, ``failures`` and ``progress`` say how it is doing."""

    def __init__(
        self,
        datastore: Datastore,
        name: str,
        collections: Iterable[str],
        subject: Subject,
        *,
        beside: Iterable[str] = (),
        groups: Iterable[str] = (),
        storages: Mapping[str, Collection[str]] = MappingProxyType({}),
        concurrency: int = 4,
        overlapping: bool = True,
        batch: int | Callable[[str], int] = 16,
        max_waiting: int = 10_000,
        save_seconds: float = 1.0,
        retry: Backoff | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """``beside`` are collections that the subject sees, and that are nobody's concern. With ``_bff_wishes`` among them, other
        processes may ask for the checkpoint to be saved before its time. ``groups`` are ids of collections that are followed
        under every parent. ``storages`` are what is kept up by it, with the collections that each is made of (``Checkpoint``).

        Where batches need not be ``overlapping``, since what they take is this process's own time, one worker takes them, and the
        others wait until it is held up: batches are larger then, and less is in memory at once.
        """
        self.name = name
        self.dirty = DirtyKeys(max_waiting, self._on_done)
        self.failures = Failures(retry)
        self.progress = Progress(self.dirty)
        self._backoff = backoff or Backoff(first=0.1, limit=10.0)
        self.supervisor = Supervisor(name, backoff=self._backoff)
        self._datastore = datastore
        self._subject = subject
        self._collections = frozenset(collections)
        followed = {*self._collections, *beside}
        self._groups = frozenset(groups)
        self._targets = [Target(collection) for collection in sorted(followed)]
        self._targets += [Target(group, group=True) for group in sorted(self._groups)]
        self._concurrency = concurrency
        self._overlapping = overlapping
        self._taking: str | None = None
        self._batch = batch
        self._save_seconds = save_seconds
        names = {*followed, *(f"*/{group}" for group in self._groups)}
        self._checkpoint = Checkpoint(datastore, name, names, storages)
        self._begun = False
        self.from_beginning = False
        """Whether there was no checkpoint: everything there is was worked off."""
        self._position: ResumePoint | None = None
        self._resending = False
        self._news = 0
        self._wished = asyncio.Event()
        self._listening: Listening | None = None
        self._held: list[asyncio.TimerHandle] = []

    def start(self) -> None:
        self.supervisor.start("follow", self._follow)
        for number in range(1, self._concurrency + 1):
            self.supervisor.start(f"work {number}", partial(self._work, f"work {number}"))
        self.supervisor.start("retry", self._retry)
        self.supervisor.start("save", self._save)

    async def close(self) -> None:
        await self.supervisor.close()
        for held in self._held:
            held.cancel()
        # What is not saved now is done again at the next start: a datastore that is gone must not hold up the end.
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._subject.note()
                await self._save_checkpoint()
        except (BFFError, TimeoutError) as failed:
            logger.warning("%s: could not save where it has come to: %s", self.name, failed)

    @property
    def kept(self) -> frozenset[str]:
        """Of its storages, those that have been kept up, by whomever, until where it began."""
        return self._checkpoint.kept

    @property
    def caught_up(self) -> bool:
        """Whether everything that has changed is worked off, as far as its listener knows. The as-of timepoint may be older."""
        return self._listening is not None and self._listening.following and not len(self.dirty) and not self.dirty.building

    async def wait_for(self, timepoint: Timepoint) -> Timepoint:
        """Wait until every change up to the timepoint is worked off. The as-of timepoint then."""
        while self.progress.as_of < timepoint:
            if self._listening is not None:
                # In a datastore where nothing happens, nobody would say how late it is. Again, since a listener may be a new one.
                self._listening.nudge()
            with suppress(TimeoutError):
                async with asyncio.timeout(NUDGE_SECONDS):
                    await self.progress.wait_for(timepoint)
        return self.progress.as_of

    async def add(self, item: Item, wanted: Timepoint = ANY) -> None:
        """Have it worked off, once there is room in the queue; see ``DirtyKeys.add``."""
        await self.dirty.room()
        self.dirty.add(*item, wanted)

    async def _follow(self) -> None:
        if not self._begun:
            self._position = await self._checkpoint.load()
            self.from_beginning = self._position is None
            self.progress.begin(self._position)
            await self._subject.begin()
            await self._checkpoint.begin()
            self._begun = True
        self._resending = False
        async with self._datastore.listen(self._targets, self._position) as listening:
            self._listening = listening
            try:
                async for changes in listening:
                    await self._process(changes)
                    self.supervisor.healthy("follow")
            finally:
                self._listening = None
        raise DatastoreUnavailable("the listener ended")

    async def _process(self, changes: Changes) -> None:
        if changes.reset:
            self._resending = True
        documents = [one for one in changes.documents if not self._is_old(one)]
        self._subject.seen(documents)
        wishes = [one for one in documents if one.collection == WISHES and one.id == self.name]
        documents = [one for one in documents if self._follows(one.collection)]
        if documents:
            # When a document was deleted is not told exactly everywhere.
            wanted = max(one.update_time if one.exists else ANY for one in documents)
            async for item in self._subject.concerned(documents):
                await self.add(item, wanted)
        if changes.resume is None:
            return
        if self._resending:
            async for item in self._subject.missing():
                await self.add(item)
        if self._resending or documents or wishes:
            # Documents may come before the listener says that it has come to their time.
            self._news = max([changes.resume.timepoint, *(one.update_time for one in (*documents, *wishes))])
        self._resending = False
        self._position = changes.resume
        self.progress.seen(changes.resume)
        if wishes:
            self._wished.set()

    def _follows(self, collection: str) -> bool:
        return collection in self._collections or (bool(self._groups) and collection.rpartition("/")[2] in self._groups)

    def _is_old(self, document: Document) -> bool:
        """Within a resend: it has not changed since what was worked off."""
        return self._resending and document.exists and document.update_time <= self.progress.as_of

    async def _work(self, name: str) -> None:
        while True:
            if not self._overlapping and self._taking not in {None, name}:
                await self.dirty.overdue(HELD_UP_SECONDS)
            self._taking = name
            batch = await self.dirty.take(self._batch)
            busy = thread_time()
            await self._work_off(batch)
            self._done(batch, thread_time() - busy)
            self.supervisor.healthy(name)

    def _done(self, batch: Batch, busy: float) -> None:
        """What changed meanwhile is due again: at once, unless the processor had so much to do that this would never end.

        Then it waits for twice as long as the processor was busy, so that changes that come faster than they can be worked off
        are taken together, and most of the time is left for others. Where nothing else goes on there is nothing to wait for.
        """
        pause = min(HOLD * busy, LONGEST_HOLD_SECONDS)
        again = self.dirty.asked_again(batch) if pause >= SHORTEST_HOLD_SECONDS else (batch[0], ())
        if not again[1]:
            self.dirty.done(batch)
            return
        held = set(again[1])
        self.dirty.done((batch[0], tuple(key for key in batch[1] if key not in held)))
        loop = asyncio.get_running_loop()
        self._held = [one for one in self._held if one.when() > loop.time()]
        self._held.append(loop.call_later(pause, self.dirty.done, again))

    async def _work_off(self, batch: Batch) -> None:
        """Until it is done: what is in a worker's hands keeps the checkpoint where it is."""
        failures = 0
        while True:
            try:
                await self._subject.work(batch)
                return
            except (DatastoreUnavailable, OutcomeUnknown, Conflict) as error:
                failures += 1
                logger.warning("%s: %s: %s; trying again", self.name, batch[0], error)
                await asyncio.sleep(self._backoff.delay(failures))
            except Exception as error:
                group, keys = batch
                if len(keys) > 1:
                    for key in keys:
                        await self._work_off((group, (key,)))
                    return
                # The subject could not even note its failure. It is seen, and tried again, for as long as this process lives.
                for key in keys:
                    logger.exception("%s: %s %r", self.name, group, key)
                    self.failures.failed(group, key, f"{type(error).__name__}: {error}")
                return

    async def _retry(self) -> None:
        while True:
            await self.add(await self.failures.due())

    async def _save(self) -> None:
        loop = asyncio.get_running_loop()
        saved = loop.time()
        while True:
            await self._until_wished()
            await self._subject.note()
            # Saving is itself a write that moves the listener: without news, once in a while is enough.
            point = self._checkpoint.saved
            if point is None or point.timepoint < self._news or loop.time() - saved > IDLE_SAVE_SECONDS:
                saved = loop.time()
                await self._save_checkpoint()
            self.supervisor.healthy("save")

    async def _until_wished(self) -> None:
        """Sleep, but not for longer than it takes to come to what others wait for."""
        await asyncio.sleep(min(WISH_SECONDS, self._save_seconds))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._save_seconds - WISH_SECONDS)):
                await self._wished.wait()
                await self.wait_for(self._news)
                self._wished.clear()

    async def _save_checkpoint(self) -> None:
        point = self.progress.written
        if point is not None and point != self._checkpoint.saved:
            await self._checkpoint.save(point)

    def _on_done(self) -> None:
        self.progress.advance()
