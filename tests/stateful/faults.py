"""What stands between a process and its servers: a link that breaks, a listener that repeats itself, a broadcast that forgets."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from random import Random
from typing import Literal

from bff.broadcast.port import RESYNC, Broadcast, Message, Resync, Subscription
from bff.datastore.port import (
    Changes,
    Commit,
    Datastore,
    EarlyCommit,
    Expectation,
    Listening,
    ResumePoint,
    Snapshot,
    Target,
    Write,
)
from bff.datastore.unit_of_work import CommitEarly
from bff.document import Document
from bff.errors import BroadcastError, DatastoreUnavailable, OutcomeUnknown
from bff.query import Query
from bff.types import Timepoint

__all__ = ["Air", "Link"]

PAUSES = (0, 0, 0, 1, 3, 10)
"""How many turns of the event loop a call takes longer."""


class Link:
    """One process's way to the datastore.

    Once ``dead``, every call fails, as for a process that is gone; it dies by itself at the n-th call after ``die_after(n)``. The
    n-th call after ``snag(n)`` waits, while others go on, until it is let go. Its listeners deliver nothing while it is held, and
    what the port allows while ``wild``: batches twice, or cut in several; old states again; everything from the start in place of
    what is new.
    """

    def __init__(self, datastore: Datastore, chance: Random) -> None:
        self.inner = datastore
        self.dead = False
        self.wild = True
        self._chance = chance
        self._fuse: int | None = None
        self._unknown = 0
        self._down = 0
        self._snag: int | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._loose = asyncio.Event()

    @property
    def url(self) -> str:
        return self.inner.url

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    def die_after(self, calls: int) -> None:
        self._fuse = calls

    def fail(self, calls: int, *, after: bool) -> None:
        """The next calls fail; with ``after``, the next commits are made, and say that nobody knows."""
        if after:
            self._unknown = calls
        else:
            self._down = calls

    def hold(self) -> None:
        self._open.clear()

    def snag(self, calls: int) -> None:
        self._snag = calls

    def let_go(self) -> None:
        """What waits goes on."""
        self._snag = None
        self._open.set()
        self._loose.set()
        self._loose = asyncio.Event()

    def calm(self) -> None:
        """No more faults."""
        self.wild = False
        self._fuse, self._unknown, self._down = None, 0, 0
        self.let_go()

    def kill(self) -> None:
        self.dead = True
        self.let_go()

    async def call(self) -> None:
        if self.wild:
            for _ in range(self._chance.choice(PAUSES)):
                await asyncio.sleep(0)
        if self._snag is not None:
            self._snag -= 1
            if self._snag <= 0:
                self._snag = None
                await self._loose.wait()
        if self._fuse is not None:
            self._fuse -= 1
            if self._fuse <= 0:
                self.kill()
        if self.dead:
            raise DatastoreUnavailable("this process is gone")
        if self._down:
            self._down -= 1
            raise DatastoreUnavailable("not now")

    async def ping(self) -> Timepoint:
        await self.call()
        return await self.inner.ping()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self.inner.snapshot() as snapshot:
            yield _Snapshot(self, snapshot)

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        await self.call()
        commit = await self.inner.commit(writes, expect)
        await self.call()  # it was made, and the process died before it knew
        if self._unknown:
            self._unknown -= 1
            raise OutcomeUnknown("the answer was lost")
        return commit

    async def commit_early(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> EarlyCommit:
        early: CommitEarly | None = getattr(self.inner, "commit_early", None)
        if early is None:
            return EarlyCommit(await self.commit(writes, expect))
        await self.call()
        commit = await early(writes, expect)
        return EarlyCommit(commit.commit, partial(self._flushed, commit))

    async def _flushed(self, commit: EarlyCommit) -> None:
        await commit.flushed()
        await self.call()  # it was made, and the process died before it knew
        if self._unknown:
            self._unknown -= 1
            raise OutcomeUnknown("the answer was lost")

    @asynccontextmanager
    async def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AsyncIterator[Listening]:
        deliveries = _Deliveries(self, self._chance)
        async with aclosing(deliveries.run(targets, since)) as batches:
            deliveries.batches = batches
            yield deliveries

    async def gate(self) -> None:
        await self._open.wait()
        if self.dead:
            raise DatastoreUnavailable("this process is gone")

    @property
    def held(self) -> bool:
        return not self._open.is_set()

    def rolls(self, odds: float) -> bool:
        return self.wild and self._chance.random() < odds


class _Snapshot:
    def __init__(self, link: Link, inner: Snapshot) -> None:
        self._link = link
        self._inner = inner

    @property
    def timepoint(self) -> Timepoint:
        return self._inner.timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        await self._link.call()
        found = await self._inner.get(paths, fields)
        await self._link.call()
        return found

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        await self._link.call()
        return await self._inner.query(query, fields)

    async def count(self, query: Query) -> int:
        await self._link.call()
        return await self._inner.count(query)


class _Deliveries:
    """What a listener delivers: all that the one inside does, and more."""

    def __init__(self, link: Link, chance: Random) -> None:
        self._link = link
        self._chance = chance
        self._told: defaultdict[str, deque[Document]] = defaultdict(lambda: deque(maxlen=3))
        self._position: ResumePoint | None = None
        self._resending = False
        self._listening: Listening | None = None
        self._nudged = False
        self._delivering = False
        self.batches: AsyncIterator[Changes] | None = None

    def __aiter__(self) -> AsyncIterator[Changes]:
        assert self.batches is not None
        return self.batches

    @property
    def following(self) -> bool:
        return self._listening is not None and not self._delivering and self._listening.following

    def nudge(self) -> None:
        self._nudged = True
        if self._listening is not None:
            self._listening.nudge()

    async def run(self, targets: Sequence[Target], since: ResumePoint | None) -> AsyncGenerator[Changes, None]:
        self._position = since
        while True:
            self._listening, self._delivering = None, False
            if self._link.rolls(0.1):
                since = None
            async with self._link.inner.listen(targets, since) as listening:
                self._listening = listening
                if self._nudged:
                    listening.nudge()
                async for changes in listening:
                    self._delivering = True
                    if self._link.held:
                        await self._link.gate()
                        if self._link.rolls(0.7):
                            # This batch was lost with the connection; what comes next may be everything.
                            since = None if self._link.rolls(0.7) else self._position
                            break
                    self._resending = self._resending or changes.reset
                    for some in self._mangled(changes):
                        await self._link.gate()
                        yield some
                    if changes.resume is not None:
                        self._resending = False
                        self._position = changes.resume
                    for document in changes.documents:
                        self._told[document.path].append(document)
                    if self._link.rolls(0.1):
                        # The connection is lost: the listener heals itself, with at worst a resend.
                        since = self._position
                        break
                    self._delivering = False
                else:
                    return

    def _mangled(self, changes: Changes) -> list[Changes]:
        if not self._link.wild:
            return [changes]
        documents = list(changes.documents)
        self._chance.shuffle(documents)
        batches = [Changes(tuple(documents), changes.resume, changes.reset)]
        # Where the batch ends is where everything has been delivered: up to then, the listener is where it was before.
        before = None if self._resending else self._position
        if len(documents) > 1 and (self._resending or before is not None) and self._link.rolls(0.5):
            cut = self._chance.randrange(1, len(documents))
            first = Changes(tuple(documents[:cut]), before, changes.reset)
            batches = [first, Changes(tuple(documents[cut:]), changes.resume)]
        old = self._old()
        if old and before is not None and self._link.rolls(0.4):
            batches.insert(self._chance.randrange(len(batches)), Changes(old, before))
        if self._link.rolls(0.2) and (changes.reset or not self._resending):
            batches += batches
        if old and changes.resume is not None and self._link.rolls(0.2):
            batches.append(Changes(old, changes.resume))
        return batches

    def _old(self) -> tuple[Document, ...]:
        """States that were delivered before, of a few documents."""
        paths = self._chance.sample(sorted(self._told), min(2, len(self._told)))
        return tuple(self._chance.choice(self._told[path]) for path in paths)


class Air:
    """One process's way to the broadcast: messages are late, come twice, or again after newer ones; publishing fails.

    A message that is lost becomes the RESYNC that the port demands; with ``silent``, it does not, and ``lost`` is set.
    """

    def __init__(self, broadcast: Broadcast, chance: Random, *, silent: bool) -> None:
        self.inner = broadcast
        self.dead = False
        self.wild = True
        self.lost = False
        self._silent = silent
        self._chance = chance
        self._sent: deque[tuple[str, Message]] = deque(maxlen=8)
        self._late: list[tuple[str, Message]] = []

    @property
    def url(self) -> str:
        return self.inner.url

    async def __aenter__(self) -> Air:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def ping(self) -> None:
        await self.inner.ping()

    async def calm(self) -> None:
        """No more faults; what is late arrives."""
        self.wild = False
        await self.flush()

    async def flush(self) -> None:
        late, self._late = self._late, []
        for channel, message in late:
            await self.inner.publish(channel, message)

    async def publish(self, channel: str, message: Message) -> None:
        if self.dead or self._rolls(0.05):
            raise BroadcastError("not sent")
        if self._silent and self._rolls(0.1):
            self.lost = True
            return
        if self._rolls(0.15):
            self._late.append((channel, message))
            return
        await self.inner.publish(channel, message)
        if self._rolls(0.1):
            await self.inner.publish(channel, message)
        self._sent.append((channel, message))
        if self._rolls(0.15):
            await self.inner.publish(*self._chance.choice(self._sent))
        if self._rolls(0.3):
            await self.flush()

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:
        if self.dead:
            raise BroadcastError("this process is gone")
        async with self.inner.subscribe(channel) as subscription, aclosing(self._heard(subscription)) as heard:
            yield heard

    async def _heard(self, subscription: Subscription) -> AsyncGenerator[Message | Literal[Resync.RESYNC], None]:
        async for message in subscription:
            if message is not RESYNC and self._rolls(0.1):
                yield RESYNC
            else:
                yield message
                if self._rolls(0.05):
                    yield message

    def _rolls(self, odds: float) -> bool:
        return self.wild and not self.dead and self._chance.random() < odds
