"""Commits: those that are short are made at once, the others handed to the writer's thread, one batch at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bff.datastore.port import Commit, EarlyCommit
from bff.datastore.sqlite.log_flush import LogFlush
from bff.datastore.sqlite.short_commits import ShortCommits
from bff.datastore.sqlite.writer_thread import WriterThread, tell
from bff.datastore.sqlite.writing import CommitRequest, Writer
from bff.errors import BFFError, DatastoreError, DatastoreUnavailable, OutcomeUnknown

__all__ = ["Commits"]

log = logging.getLogger(__name__)

BATCH = 64
MAX_WAITING = 4096


@dataclass(slots=True, eq=False)
class Waiting:
    """A request, and what its caller awaits. ``ended``: the writer has decided; one that was cancelled awaits ``ending``."""

    request: CommitRequest
    outcome: asyncio.Future[Commit]
    ended: bool = False
    ending: asyncio.Future[None] | None = None

    def end(self, result: Commit | BaseException) -> None:
        self.ended = True
        if self.ending is not None:
            self.ending.set_result(None)
        if self.outcome.cancelled():
            return
        if isinstance(result, Commit):
            self.outcome.set_result(result)
        else:
            self.outcome.set_exception(result)


class Commits:
    """Commits that wait for the writer share its next transaction: under load one flush to the disk serves many.

    Those that come in one round of the event loop are together from the start. The number that can wait is bounded; further ones
    wait for a place. A short one that finds the writer idle is made then and there, on the event loop.
    """

    def __init__(
        self, thread: WriterThread, writer: Writer, short: ShortCommits, flush: LogFlush, committed: Callable[[], None]
    ) -> None:
        self._thread = thread
        self._writer = writer
        self._short = short
        self._flush = flush
        self._committed = committed
        self._waiting: deque[Waiting] = deque()
        self._places = asyncio.Semaphore(MAX_WAITING)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a commit waits for the writer, is with it, or is being flushed."""
        return not self._idle.is_set() or self._flush.pending

    async def commit(self, request: CommitRequest) -> Commit:
        """Returns, or raises, when the writer has decided; also to a caller that is cancelled in the meantime.

        It is made when what was made early before is flushed: what follows from that is not seen any sooner.
        """
        if self._flush.pending:
            try:
                await self._flush.done()
            except OutcomeUnknown as error:
                raise DatastoreUnavailable(f"nothing was written, since the commit before may be lost: {error}") from error
        # Another may be made early meanwhile. Its flush is the thread's business, before any further commit there.
        made = None if self._flush.pending else self._made_here(request)
        return made or await self._made_in_thread(request)

    async def commit_early(self, request: CommitRequest) -> EarlyCommit:
        """As ``commit``, and returns before it is flushed where nobody else waits for the disk.

        Where somebody does, one flush is to be for all: the thread's next transaction.
        """
        if not self._writer.flushes(request) or self._flush.pending:
            return EarlyCommit(await self.commit(request))
        made = self._made_here(request, early=True)
        if made is None:
            return EarlyCommit(await self.commit(request))
        return EarlyCommit(made, self._flush.begin().done)

    async def _made_in_thread(self, request: CommitRequest) -> Commit:
        async with self._places:
            if self._closed:
                raise DatastoreUnavailable("sqlite: the datastore was closed before this commit began; nothing was written")
            loop = asyncio.get_running_loop()
            waiting = Waiting(request, loop.create_future())
            self._waiting.append(waiting)
            if self._idle.is_set():
                self._idle.clear()
                loop.call_soon(self._begin)
            try:
                return await waiting.outcome
            except asyncio.CancelledError:
                await self._withdraw(waiting)
                raise

    def _made_here(self, request: CommitRequest, *, early: bool = False) -> Commit | None:
        """None where it is to be made in the thread."""
        if self._closed or not self._idle.is_set():
            return None
        try:
            made = self._short.make(request, early=early)
        except BFFError:
            self._committed()
            raise
        except Exception as error:
            raise _unexpected(error) from error
        if made is not None:
            self._committed()
        if isinstance(made, BFFError):
            raise made
        return made

    async def _withdraw(self, waiting: Waiting) -> None:
        """Take a commit back that has not begun; wait for one that has, so that its caller knows it is over."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            return
        if waiting.ended:
            if not waiting.outcome.cancelled():
                waiting.outcome.exception()  # looked at, so that asyncio does not report it: the caller was cancelled
            return
        waiting.ending = asyncio.get_running_loop().create_future()
        while not waiting.ended:
            try:
                await asyncio.wait([waiting.ending])
            except asyncio.CancelledError:
                continue

    def _begin(self) -> None:
        """Hand the next batch to the thread."""
        if not self._waiting:
            self._idle.set()
            return
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        requests = [waiting.request for waiting in batch]
        self._short.handed_over()
        loop = asyncio.get_running_loop()

        def write() -> None:
            outcomes = self._write(requests)
            tell(loop, lambda: self._end(batch, outcomes))

        self._thread.hand_over(write)

    def _write(self, requests: Sequence[CommitRequest]) -> Sequence[Commit | BaseException]:
        """In the thread."""
        try:
            return self._writer.apply(requests, lambda: not self._closed)
        except BFFError as error:
            return [type(error)(*error.args) for _ in requests]  # one each: an exception is raised once
        except BaseException as error:
            unexpected = _unexpected(error)
            return [DatastoreError(*unexpected.args) for _ in requests]

    def _end(self, batch: Sequence[Waiting], outcomes: Sequence[Commit | BaseException]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.end(outcome)
        self._begin()
        self._committed()

    async def close(self) -> None:
        """What waits for the writer is written first; what waits for another process's lock gives up."""
        self._closed = True
        await self._idle.wait()
        with suppress(OutcomeUnknown):  # whoever made it is told
            await self._flush.done()


def _unexpected(error: BaseException) -> DatastoreError:
    """What to say of an error that nobody has foreseen, while it is handled."""
    log.exception("sqlite: a commit failed unexpectedly")
    return DatastoreError(f"sqlite: a commit failed unexpectedly: {error!r}")
