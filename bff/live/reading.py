"""Reads the present state of entries: batched, a few batches at a time, each entry in one of them at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bff.errors import BFFError, BroadcastError, DatastoreUnavailable
from bff.live.entry import Entry
from bff.live.settle import settle
from bff.projection.reader import Found
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.supervisor import Backoff, Supervisor
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Reading", "Views"]

logger = logging.getLogger(__name__)


class Views(Protocol):
    """What reads stored views: ``bff.projection.reader.ViewReader``."""

    async def read_each(self, view: type[ViewModel], keys: Sequence[str], /) -> Sequence[StoredView | BFFError]: ...

    async def find_at(self, query: Query, view: type[ViewModel], /) -> Found: ...

    async def read_at(self, view: type[ViewModel], keys: Sequence[str], /) -> Found: ...

    async def versions(self, view: type[ViewModel], keys: Sequence[str], /) -> Sequence[Timepoint | None]: ...


Waiting: TypeAlias = list[asyncio.Future[None]]


@dataclass(slots=True)
class _Wish:
    """What is wanted of an entry: by whom, whether a comparison is owed, and how soon."""

    waiting: Waiting = field(default_factory=list)
    owed: bool = False
    urgent: bool = False
    in_flight: bool = False
    failures: int = 0
    retry: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Read:
    """An entry in a batch, with the wishes that were there when it began."""

    entry: Entry
    waiting: Waiting
    owed: bool
    began: int


class _Queue:
    """Entries in the order they came, by view; the views take turns."""

    def __init__(self) -> None:
        self._views: OrderedDict[type[ViewModel], dict[Entry, None]] = OrderedDict()

    def add(self, entry: Entry) -> None:
        self._views.setdefault(entry.view, {})[entry] = None

    def discard(self, entry: Entry) -> None:
        entries = self._views.get(entry.view)
        if entries is not None:
            entries.pop(entry, None)
            if not entries:
                del self._views[entry.view]

    def take(self, limit: int) -> list[Entry]:
        """The first entries of the view whose turn it is."""
        if not self._views:
            return []
        view, entries = self._views.popitem(last=False)
        batch = list(entries)[:limit] if len(entries) > limit else list(entries)
        for entry in batch:
            del entries[entry]
        if entries:
            self._views[view] = entries
        return batch


class Reading:
    """The entries that wait to be read, and the workers that read them.

    Whoever asks gets what a read found that began after the asking, so that everything stored by then is in it; those who ask
    while the entry is being read share the next read. A comparison is repeated, with a backoff, until it has succeeded; it
    gives way to those who ask. One key that cannot be read takes no other key of its batch with it.
    """

    def __init__(self, views: Views, *, batch: int, at_once: int, timeout: float, backoff: Backoff) -> None:
        self._views = views
        self._batch = batch
        self._at_once = at_once
        self._timeout = timeout
        self._backoff = backoff
        self._wishes: dict[Entry, _Wish] = {}
        self._asked = _Queue()
        self._owed = _Queue()
        self._queued = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many entries wait to be read, or to be read again."""
        return len(self._wishes)

    @property
    def failing(self) -> int:
        """How many entries could not be compared when it was last tried."""
        return sum(1 for wish in self._wishes.values() if wish.failures)

    def start(self, supervisor: Supervisor) -> None:
        """Run the workers under this supervisor, until it is closed."""
        for number in range(self._at_once):
            supervisor.start(f"read {number}", self._work)

    def ask(self, entry: Entry) -> asyncio.Future[None]:
        """Done once the entry holds what a read found that begins from now on; raises what the read raised."""
        return self._wish(entry, urgent=True)

    def compare(self, entry: Entry) -> asyncio.Future[None]:
        """Owe it a comparison; done, or raising, after the first attempt."""
        future = self._wish(entry, urgent=False)
        self._wishes[entry].owed = True
        return future

    def owe(self, entry: Entry) -> None:
        """As ``compare``, for nobody who waits."""
        wish = self._wishes.setdefault(entry, _Wish())
        wish.owed = True
        self._queue(entry, wish)

    def forget(self, entry: Entry) -> None:
        """Nobody looks at it any more."""
        self._asked.discard(entry)
        self._owed.discard(entry)
        wish = self._wishes.pop(entry, None)
        if wish is not None:
            if wish.retry is not None:
                wish.retry.cancel()
            settle(wish.waiting, BroadcastError(f"{entry.key}: nobody looks at it any more"))

    def _wish(self, entry: Entry, *, urgent: bool) -> asyncio.Future[None]:
        wish = self._wishes.setdefault(entry, _Wish())
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wish.waiting.append(future)
        wish.urgent = wish.urgent or urgent
        self._queue(entry, wish)
        return future

    def _queue(self, entry: Entry, wish: _Wish) -> None:
        if wish.in_flight:
            return  # it is queued when it has landed
        if wish.urgent:
            self._owed.discard(entry)
            self._asked.add(entry)
        else:
            self._owed.add(entry)
        self._queued.set()

    async def _work(self) -> None:
        while True:
            batch = [self._take_off(entry) for entry in self._asked.take(self._batch) or self._owed.take(self._batch)]
            if batch:
                await self._read(batch)
            else:
                self._queued.clear()
                await self._queued.wait()

    def _take_off(self, entry: Entry) -> _Read:
        wish = self._wishes[entry]
        read = _Read(entry, wish.waiting, wish.owed, entry.begin())
        wish.waiting, wish.owed, wish.urgent, wish.in_flight = [], False, False, True
        return read

    async def _read(self, batch: list[_Read]) -> None:
        view = batch[0].entry.view
        try:
            async with asyncio.timeout(self._timeout):
                outcomes = await self._views.read_each(view, [read.entry.key for read in batch])
        except asyncio.CancelledError:
            self._land(batch, BroadcastError("the read was cancelled"))
            raise
        except TimeoutError:
            self._land(batch, DatastoreUnavailable(f"{view.__view__.name} was not read within {self._timeout} s"))
            return
        except Exception as error:
            if len(batch) == 1 or isinstance(error, DatastoreUnavailable):
                self._land(batch, error)
            else:
                # One key may be at fault: each half finds out for itself.
                middle = len(batch) // 2
                try:
                    await self._read(batch[:middle])
                except BaseException:
                    self._land(batch[middle:], BroadcastError("the read was cancelled"))
                    raise
                await self._read(batch[middle:])
            return
        for read, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, StoredView):
                read.entry.land(outcome, read.began)
                self._land([read], None)
            else:
                self._land([read], outcome)

    def _land(self, batch: list[_Read], error: Exception | None) -> None:
        for read in batch:
            settle(read.waiting, error)
            wish = self._wishes.get(read.entry)
            if wish is None:
                continue  # forgotten meanwhile
            wish.in_flight = False
            if error is None:
                wish.failures = 0
            elif read.owed:
                self._failed(read.entry, wish, error)
            if wish.waiting or wish.owed:
                self._queue(read.entry, wish)

    def _failed(self, entry: Entry, wish: _Wish, error: Exception) -> None:
        wish.failures += 1
        if wish.failures == 1:
            logger.error("live: %s %s cannot be read: %s: %s", entry.view.__view__.name, entry.key, type(error).__name__, error)
        if wish.retry is not None:
            wish.retry.cancel()
        wish.retry = asyncio.get_running_loop().call_later(self._backoff.delay(wish.failures), self.owe, entry)
