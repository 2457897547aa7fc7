"""Hands commits to the writer's thread, one batch at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial

from bff.datastore.port import Commit
from bff.datastore.sqlite.workers import Workers
from bff.datastore.sqlite.writing import CommitRequest, Writer
from bff.errors import BFFError, DatastoreError, DatastoreUnavailable

__all__ = ["Commits"]

log = logging.getLogger(__name__)

BATCH = 64
MAX_WAITING = 4096


class Commits:
    """Commits that wait for the writer share its next transaction: under load one flush to the disk serves many.

    The number that can wait is bounded; further ones wait for a place.
    """

    def __init__(self, workers: Workers, writer: Writer, committed: Callable[[], None]) -> None:
        self._workers = workers
        self._writer = writer
        self._committed = committed
        self._waiting: deque[tuple[CommitRequest, asyncio.Future[Commit]]] = deque()
        self._places = asyncio.Semaphore(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def commit(self, request: CommitRequest) -> Commit:
        """Returns, or raises, when the writer has decided; also to a caller that is cancelled in the meantime."""
        async with self._places:
            if self._closed:
                raise DatastoreUnavailable("sqlite: the datastore was closed before this commit began; nothing was written")
            outcome: asyncio.Future[Commit] = asyncio.get_running_loop().create_future()
            self._waiting.append((request, outcome))
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._work(), name="sqlite commits")
            try:
                return await asyncio.shield(outcome)
            except asyncio.CancelledError:
                await self._withdraw(request, outcome)
                raise

    async def _withdraw(self, request: CommitRequest, outcome: asyncio.Future[Commit]) -> None:
        """Take a commit back that has not begun; wait for one that has, so that its caller knows it is over."""
        if (request, outcome) in self._waiting:
            self._waiting.remove((request, outcome))
            outcome.cancel()
            return
        while not outcome.done():
            try:
                await asyncio.wait([outcome])
            except asyncio.CancelledError:
                continue
        if not outcome.cancelled():
            outcome.exception()

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                outcomes = await self._workers.run(partial(self._write, [request for request, _ in batch]), lambda: None)
            except BFFError as error:
                outcomes = [type(error)(*error.args) for _ in batch]  # one each: an exception is raised once
            except BaseException as error:
                for _, outcome in batch:
                    outcome.set_exception(DatastoreError(f"sqlite: a commit failed unexpectedly: {error!r}"))
                if isinstance(error, Exception):
                    log.exception("sqlite: a commit failed unexpectedly")
                    continue
                while self._waiting:
                    self._waiting.popleft()[1].cancel()
                raise
            for (_, outcome), result in zip(batch, outcomes, strict=True):
                if isinstance(result, Commit):
                    outcome.set_result(result)
                else:
                    outcome.set_exception(result)
            self._committed()

    def _write(self, requests: list[CommitRequest]) -> list[Commit | BFFError]:
        return self._writer.apply(requests, lambda: not self._closed)

    async def close(self) -> None:
        """What waits for the writer is written first; what waits for another process's lock gives up."""
        self._closed = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
