"""Subscriptions: from a prepared operation to its results, the same for every transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bff.serving.context import OperationContext, Response
from bff.serving.limits import Limits
from bff.serving.operations import Operation, Operations
from bff.serving.patches import Patches

__all__ = ["Result", "results"]

logger = logging.getLogger("bff.serving")


@dataclass(frozen=True, slots=True)
class Result:
    """One result: what goes out, and what the client may send back in ``since``; None where that cannot be told."""

    payload: Response
    version: str | None = None


async def results(
    operations: Operations,
    operation: Operation,
    context: Any,
    limits: Limits,
    room: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[Result, None]:
    """The results of a subscription, one for each event that shows the client something new.

    The source is asked for the next event when the next result is asked for; ``room`` is awaited between an event and its
    execution. The source is closed when this is, whatever has happened. Raises RequestRefused where the source cannot be opened
    or raises, and what the context raises.
    """
    source = await operations.subscribe(operation, context)
    events = aiter(source)
    patches = Patches(operation.asked.since, limits) if operation.asked.patch else None
    resuming = operation.asked.since is not None
    try:
        while True:
            try:
                event = await operations.next_event(operation, events)
            except StopAsyncIteration:
                return
            if room is not None:
                await room()
            renewed = _renewed(context)
            payload = await operations.execute_event(operation, renewed, event)
            version = renewed.version if isinstance(renewed, OperationContext) else None
            # Once something is newer than what the client holds, everything is: states only move forward.
            if resuming and isinstance(renewed, OperationContext) and renewed.seen():
                if patches is not None:
                    patches.skip(payload, version)
                del event, payload
                await asyncio.sleep(0)  # a source that never waits must not keep the loop from everybody else
                continue
            resuming = False
            if patches is not None:
                payload = patches.apply(payload, version)
            result = Result(payload, version)
            del event, payload  # the next event may be long in coming: nobody is to hold this one for all that time
            yield result
            del result
    finally:
        await _close(events)


def _renewed(context: Any) -> Any:
    """The context for one more event: a loader that outlives an event would answer with what it has cached."""
    renew = getattr(context, "renew", None)
    if renew is None:
        return context
    renewed = renew()
    return context if renewed is None else renewed


async def _close(events: Any) -> None:
    close = getattr(events, "aclose", None)
    if close is None:
        return
    try:
        await close()
    except Exception:
        logger.exception("the source of a subscription failed while it was closed")
