"""A hub that keeps what was read, and ways to ask what it knows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.live.hub import Hub
from bff.projection.stored_view import StoredView
from bff.supervisor import Backoff
from tests.live.support import CHANNELS, Board, Shelf, deadline

__all__ = ["QUICK", "Gate", "Relaying", "key_of", "known", "live", "read"]

QUICK = Backoff(first=0.0001, limit=0.001)


class Relaying:
    """A relay as the hub of its process sees it."""

    def __init__(self) -> None:
        self.following = True
        self.gaps = 0


@contextlib.asynccontextmanager
async def live(shelf: Any, **options: Any) -> AsyncIterator[tuple[Hub, Broadcast, Relaying]]:
    relay = Relaying()
    options = {"channels": CHANNELS, "compare_seconds": 3600.0, "linger_seconds": 0.0, "backoff": QUICK, **options}
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(deadline())
        broadcast = await stack.enter_async_context(open_broadcast("memory://"))
        hub = await stack.enter_async_context(Hub(broadcast, shelf, relay=relay, **options))
        # Looking at another key of each channel subscribes to both.
        for key in ("open", "opened"):
            await stack.enter_async_context(hub.subscribe(Board, key))
        assert len(hub.channels) == CHANNELS.shards
        shelf.reads.clear()
        yield hub, broadcast, relay


def key_of(*, count: int, channel: int = 0) -> list[str]:
    """Keys of one channel."""
    keys = (f"k{number}" for number in range(10_000))
    return [key for key in keys if CHANNELS.of("Board", key).endswith(str(channel))][:count]


def known(hub: Hub, key: str) -> int | None:
    state = hub.known(Board, key)
    return None if state is None else state.version


async def read(hub: Hub, *keys: str) -> list[int]:
    found = await hub.read(Board, keys)
    return [one.version for one in found if isinstance(one, StoredView)]


class Gate:
    """Holds reads until it is opened."""

    def __init__(self, shelf: Shelf) -> None:
        self.reading = asyncio.Event()
        self.go_on = asyncio.Event()
        shelf.after = self.wait

    async def wait(self, keys: Sequence[str]) -> None:
        self.reading.set()
        await self.go_on.wait()
