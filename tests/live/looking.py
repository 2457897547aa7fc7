"""A hub for those who look at the views of a shelf."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.live.hub import Hub
from bff.supervisor import Backoff
from tests.live.support import CHANNELS, Shelf, deadline

__all__ = ["QUICK", "idle", "live"]

QUICK = Backoff(first=0.0001, limit=0.001)


@contextlib.asynccontextmanager
async def live(shelf: Shelf, url: str = "memory://", **options: Any) -> AsyncIterator[tuple[Hub, Broadcast]]:
    options = {"channels": CHANNELS, "compare_seconds": 3600.0, "linger_seconds": 0.0, "backoff": QUICK, **options}
    async with deadline(), open_broadcast(url) as broadcast, Hub(broadcast, shelf, **options) as hub:
        yield hub, broadcast


async def idle(hub: Hub) -> None:
    """Wait until nobody looks any more and every channel is left."""
    while hub.channels:  # noqa: ASYNC110 - a timer of zero seconds
        await asyncio.sleep(0)
