"""Sends what was committed to be sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from uuid import uuid4

from bff.datastore.port import Datastore, Delete, ExpectDocument, Set, Write
from bff.document import Document, join_path
from bff.errors import BFFError, Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.model.catalog import Catalog
from bff.model.outbox_entry import OUTBOX, OutboxEntry
from bff.projection.dirty_keys import Batch, Item
from bff.projection.expiry import EXPIRES_AT
from bff.projection.follower import Follower
from bff.projection.handling import LONGEST_MESSAGE
from bff.projection.paging import pages
from bff.projection.status import FAILURES_SHOWN, WorkStatus
from bff.query import And, Compare, Op, Query
from bff.supervisor import Backoff
from bff.types import Timepoint, Value

__all__ = ["Outbox", "OutboxOptions"]

logger = logging.getLogger(__name__)

PENDING = Compare("pending", Op.EQ, True)


@dataclass(frozen=True, slots=True)
class OutboxOptions:
    """``attempts`` is after how many attempts an entry is set aside; ``retry`` is how long to wait between them.

    ``grace`` is for how many seconds longer than its effect may take an entry stays with the process that sends it. ``kept`` is
    for how long it is remembered that something was sent.
    """

    attempts: int = 10
    grace: float = 5.0
    kept: timedelta = timedelta(days=30)
    concurrency: int = 4
    retry: Backoff | None = None
    backoff: Backoff | None = None


class _DueAgain(Exception):
    """What comes first has failed: what comes after it waits."""


class Outbox:
    """Calls the effects of an app for what was sent to them, until it is closed (a Subject).

    At least once for each entry, always with the same key; a process that dies between the call and the note of it makes a
    second one. Entries of one order are called one after another, each when the one before it is done or set aside; all others
    are side by side. An entry is in the hands of one process at a time, which claims it first: one that dies with it, or does not
    answer, loses it when its effect's time and the grace are over.
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, options: OutboxOptions | None = None) -> None:
        self._datastore = datastore
        self._options = options or OutboxOptions()
        self._effects = {effect.name: effect for effect in catalog.effects}
        self._owner = uuid4().hex
        self._called: set[str] = set()
        """Keys whose effect was called here, and whose entry does not say so yet."""
        self._claims: dict[Item, tuple[tuple[str, Timepoint], float]] = {}
        """Claims of others: of which version of which entry, and when it was seen first."""
        self._timers: dict[Item, asyncio.TimerHandle] = {}
        self.follower = Follower(
            datastore,
            "outbox",
            [OUTBOX],
            self,
            concurrency=self._options.concurrency,
            batch=1,
            retry=self._options.retry,
            backoff=self._options.backoff,
        )

    async def __aenter__(self) -> Outbox:
        self.follower.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.follower.close()
        for timer in self._timers.values():
            timer.cancel()

    def status(self) -> WorkStatus:
        failures = self.follower.failures
        return WorkStatus(
            self.follower.name,
            self.follower.progress.as_of,
            len(self.follower.dirty) + len(self._timers),
            len(failures) + failures.dropped,
            failures.first(FAILURES_SHOWN),
            self.follower.supervisor.status(),
        )

    async def wait_for(self, timepoint: Timepoint, timeout: float = 30.0) -> None:
        """Wait until everything committed up to the timepoint was tried at least once. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self.follower.wait_for(timepoint)

    def knows(self, effect: str) -> bool:
        """Whether an effect of that name is the app's."""
        return effect in self._effects

    async def again(self, key: str) -> str | None:
        """Send an entry now, also where it is set aside: what was raised, None where it is sent. Raises DatastoreUnavailable."""
        entry = await self._entry(key)
        try:
            return None if entry is None else await self._send(entry)
        except Conflict:
            return "another process has it just now"

    async def begin(self) -> None:
        """What is there already, whichever process had it: the checkpoint may be past it."""
        async for documents in pages(self._datastore, Query(OUTBOX, PENDING)):
            async for item in self.concerned(documents):
                await self.follower.add(item)

    def seen(self, documents: Sequence[Document]) -> None:
        """Nothing is learnt from what others do."""
        return

    async def concerned(self, documents: Sequence[Document]) -> AsyncIterator[Item]:
        for entry in filter(None, map(OutboxEntry.from_document, documents)):
            # An effect that is not known here is a newer version's, or an older one's: theirs to send.
            if not entry.dead and entry.claimed_by != self._owner and entry.effect in self._effects:
                yield entry.effect, _item_key(entry)

    async def missing(self) -> AsyncIterator[Item]:
        """An entry that is gone was sent."""
        return
        yield

    async def note(self) -> None:
        """There is nothing that could wait."""
        return

    async def work(self, batch: Batch) -> None:
        effect, keys = batch
        for key in keys:
            with suppress(_DueAgain):
                await self._work_off((effect, key))

    async def _work_off(self, item: Item) -> None:
        """Send what there is of an item, in order, until nothing is left or what comes first has to wait."""
        while True:
            entries = await self._waiting(item)
            if not entries:
                self._claims.pop(item, None)
                self.follower.failures.succeeded(*item)
                return
            for entry in entries:
                wait = self._wait_for_other(item, entry)
                if wait > 0:
                    self._later(item, wait)
                    return
                if not await self._sent(item, entry):
                    break

    async def _sent(self, item: Item, entry: OutboxEntry) -> bool:
        """Whether what comes after it may be sent; otherwise it is due again, or others have it, which is to be looked at."""
        try:
            error = await self._send(entry)
        except Conflict:
            return False
        if error is None:
            return True
        left = await self._entry(entry.key)
        if left is None or left.dead:
            return True
        self.follower.failures.failed(*item, error, left.attempts)
        raise _DueAgain

    async def _waiting(self, item: Item) -> list[OutboxEntry]:
        """What is to be sent, in order."""
        effect, key = item
        kind, _, name = key.partition(":")
        if kind == "key":
            entry = await self._entry(name)
            return [] if entry is None or entry.dead else [entry]
        waiting = And((Compare("effect", Op.EQ, effect), Compare("order", Op.EQ, name), PENDING))
        async with self._datastore.snapshot() as snapshot:
            found = await snapshot.query(Query(OUTBOX, waiting))
        entries = filter(None, map(OutboxEntry.from_document, found))
        return sorted(entries, key=lambda entry: (entry.committed, entry.number, entry.key))

    async def _entry(self, key: str) -> OutboxEntry | None:
        async with self._datastore.snapshot() as snapshot:
            [document] = await snapshot.get([join_path(OUTBOX, key)])
        return OutboxEntry.from_document(document)

    async def _send(self, entry: OutboxEntry) -> str | None:
        """Claim it, call its effect, and note how that went. What was raised. Raises Conflict where somebody else has it."""
        was_dead = entry.dead
        entry = await self._write(entry, entry.claimed(self._owner, self._options.attempts))
        if entry.dead and not was_dead:
            self._set_aside(entry)
            return entry.error
        failed: str | None = None
        if entry.key not in self._called:
            effect = self._effects[entry.effect]
            try:
                async with asyncio.timeout(effect.seconds):
                    await effect.deliver(entry.payload, entry.key)
            except Exception as error:
                message = str(error) or (f"it took more than {effect.seconds:g} s" if isinstance(error, TimeoutError) else "")
                failed = f"{type(error).__name__}: {message}"[:LONGEST_MESSAGE]
                logger.error("%s: sending %s raised: %s", entry.effect, entry.key, failed, exc_info=error)
        try:
            await self._note(entry, failed)
        except Conflict:
            logger.warning("%s: %s took so long that another process has it now", entry.effect, entry.key)
        except BFFError:
            if failed is None:
                self._called.add(entry.key)
            raise
        self._called.discard(entry.key)
        return failed

    async def _note(self, entry: OutboxEntry, failed: str | None) -> None:
        if failed is None:
            expect = [ExpectDocument(entry.path, entry.written)]
            mark: dict[str, Value] = {"effect": entry.effect, EXPIRES_AT: datetime.now(UTC) + self._options.kept}
            sent: list[Write] = [Delete(entry.path), Set(entry.sent_path, mark)]
            try:
                await self._datastore.commit(sent, expect)
            except (DatastoreUnavailable, OutcomeUnknown) as error:
                logger.warning("%s: %s is sent, and that could not be noted: %s", entry.effect, entry.key, error)
                raise
            return
        noted = entry.failed(failed, entry.written, self._options.attempts)
        await self._write(entry, noted)
        if noted.dead and not entry.dead:
            self._set_aside(noted)

    @staticmethod
    def _set_aside(entry: OutboxEntry) -> None:
        logger.error("%s: %s is set aside after %d attempts: see bff dead list", entry.effect, entry.key, entry.attempts)

    async def _write(self, entry: OutboxEntry, changed: OutboxEntry) -> OutboxEntry:
        """Raises Conflict where it is not as it was read."""
        if changed == entry:
            return entry  # claimed here, by a commit whose answer was lost
        commit = await self._datastore.commit([Set(entry.path, changed.to_data())], [ExpectDocument(entry.path, entry.written)])
        return replace(changed, written=commit.timepoint)

    def _wait_for_other(self, item: Item, entry: OutboxEntry) -> float:
        """For how many seconds it is in other hands, as far as can be told by a clock that may differ from theirs."""
        if entry.claimed_by in {None, self._owner}:
            return 0.0
        now = asyncio.get_running_loop().time()
        claim = (entry.key, entry.written)
        known, since = self._claims.get(item, (claim, now))
        if known != claim:
            since = now
        self._claims[item] = (claim, since)
        return since + self._effects[entry.effect].seconds + self._options.grace - now

    def _later(self, item: Item, seconds: float) -> None:
        def due() -> None:
            self._timers.pop(item, None)
            self.follower.dirty.add(*item)

        timer = self._timers.pop(item, None)
        if timer is not None:
            timer.cancel()
        self._timers[item] = asyncio.get_running_loop().call_later(seconds, due)


def _item_key(entry: OutboxEntry) -> str:
    return f"key:{entry.key}" if entry.order is None else f"order:{entry.order}"
