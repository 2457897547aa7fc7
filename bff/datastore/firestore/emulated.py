"""What the emulator does otherwise than production, put right: neither is needed, or done, there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import grpc
import grpc.aio

from bff.datastore.port import Changes, ResumePoint
from bff.query import PATH, And, Compare, Op, Query, conjuncts
from bff.types import Timepoint

__all__ = ["DelayedClaims", "failed_on_a_listener", "in_one_scan"]

LAG_SECONDS = 0.04
LAG: Timepoint = round(LAG_SECONDS * 1_000_000)
MOST_SCANS = 8


def failed_on_a_listener(error: grpc.aio.AioRpcError) -> bool:
    """Whether a commit was made, and failed afterwards because it could not tell a listener that had just ended.

    Seen 253 times beside listeners that were being closed; 253 times the commit had been made. Other listeners may not have been
    told of it either.
    """
    code, details = error.code(), error.details() or ""
    return (code is grpc.StatusCode.CANCELLED and "call already cancelled" in details) or (
        code is grpc.StatusCode.UNKNOWN and not details
    )


def in_one_scan(query: Query) -> Query | None:
    """A query with the results of one that asks for many values of a field (``in``), and more; None where there is none.

    The emulator reads the whole collection once for each of the values: 6 µs a document. Between the least and the greatest of
    them it reads it once, and tells of some documents more: 40 µs each. From ``MOST_SCANS`` values on that is never slower, and
    several times as fast where the values lie together, as those of neighbours do.
    """
    if query.limit is not None or query.order_by or query.start is not None or query.end is not None:
        return None
    for part in conjuncts(query.where):
        if isinstance(part, Compare) and part.op is Op.IN and part.field != PATH:
            break
    else:
        return None
    values = part.operand
    # Of plain texts nobody doubts the order.
    if not isinstance(values, list) or len(values) < MOST_SCANS:
        return None
    texts = [value for value in values if isinstance(value, str) and value.isascii()]
    if len(texts) != len(values):
        return None
    between = (Compare(part.field, Op.GE, min(texts)), Compare(part.field, Op.LE, max(texts)))
    return replace(query, where=And((*(other for other in conjuncts(query.where) if other is not part), *between)))


class DelayedClaims:
    """Passes changes on at once, and the claim that they are all there are up to a timepoint a moment later.

    The emulator gives a commit its time before it tells of it. A listener beside several writers was told "everything up to T"
    and up to 11 ms later of a document that was written before T: half of all documents were late like that. Production's
    consistency points are what they say.
    """

    def __init__(self, deliver: Callable[[Changes], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._order = asyncio.Lock()
        self._claimed: Timepoint = 0
        self._due: ResumePoint | None = None
        self._news = asyncio.Event()

    async def deliver(self, changes: Changes) -> None:
        async with self._order:
            if changes.resume is not None:
                self._due = changes.resume
                self._claimed = max(self._claimed, changes.resume.timepoint - LAG)
                changes = replace(changes, resume=replace(changes.resume, timepoint=self._claimed))
                self._news.set()
            await self._deliver(changes)

    async def run(self) -> None:
        """Claim what has become due, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(LAG_SECONDS)
            async with self._order:
                due = self._due
                # Where there is more to come, that waits in its turn.
                if due is not None and not self._news.is_set() and due.timepoint > self._claimed:
                    self._claimed = due.timepoint
                    await self._deliver(Changes((), due))
