"""Views to look at, a store of them to read, and a broadcast that loses, repeats and reorders."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any, cast

from bff.broadcast.port import Broadcast, Message, Subscription
from bff.live.announcement import Announcement
from bff.live.channels import Channels
from bff.projection.stored_view import StoredView
from bff.types import Value

CHANNELS = Channels(shards=2)


class _Board:
    __view__ = SimpleNamespace(name="Board", storage="Board", collection="boards", fields={}, stored={})

    @staticmethod
    def split_key(key: str) -> None: ...


class _Player:
    __view__ = SimpleNamespace(name="Player", storage="Player", collection="players", fields={}, stored={})

    @staticmethod
    def split_key(key: str) -> None: ...


Board: Any = _Board
Player: Any = _Player


async def turns(number: int) -> None:
    """Let everybody else run, this many times."""
    for _ in range(number):
        await asyncio.sleep(0)


class Shelf:
    """Stored views in memory, with a version each; counts reads, and does as told before and after it looks."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {}
        self.gone: set[str] = set()
        self.reads: list[tuple[str, ...]] = []
        self.compared: list[tuple[str, ...]] = []
        self.before: Callable[[Sequence[str]], Awaitable[None]] | None = None
        self.after: Callable[[Sequence[str]], Awaitable[None]] | None = None

    def state(self, key: str, view: Any = Board) -> StoredView:
        version = self.stored.get(key, 0)
        document: dict[str, Value] | None = None
        if version and key not in self.gone:
            document = {"id": key, "version": version, "score": version * 10}
        return StoredView(view.__view__.name, key, version, document)

    async def read_each(self, view: Any, keys: Sequence[str]) -> list[StoredView]:
        self.reads.append(tuple(keys))
        if self.before is not None:
            await self.before(keys)
        found = [self.state(key, view) for key in keys]
        if self.after is not None:
            await self.after(keys)
        return found

    async def versions(self, view: Any, keys: Sequence[str]) -> list[int | None]:
        self.compared.append(tuple(keys))
        return [self.stored.get(key) if key not in self.gone else None for key in keys]

    def write(self, key: str) -> StoredView:
        self.stored[key] = self.stored.get(key, 0) + 1
        self.gone.discard(key)
        return self.state(key)

    def delete(self, key: str) -> StoredView:
        self.stored[key] = self.stored.get(key, 0) + 1
        self.gone.add(key)
        return self.state(key)


async def announce(broadcast: Broadcast, state: StoredView, *, hint: bool = False) -> None:
    """What a relay does."""
    message = Announcement(state.key, state.version, state.document, hint).to_message(64 * 1024)
    await broadcast.publish(CHANNELS.of(state.view, state.key), message)


class FaultyBroadcast:
    """Loses, repeats and reorders what is published, and never says so."""

    def __init__(self, broadcast: Broadcast, chance: random.Random) -> None:
        self._broadcast = broadcast
        self._chance = chance
        self._held: list[tuple[str, Message]] = []

    @property
    def url(self) -> str:
        return self._broadcast.url

    async def __aenter__(self) -> FaultyBroadcast:
        return self

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def ping(self) -> None:
        await self._broadcast.ping()

    async def publish(self, channel: str, message: Message) -> None:
        match self._chance.randrange(4):
            case 0:
                return
            case 1:
                self._held.append((channel, message))
            case 2:
                await self._broadcast.publish(channel, message)
                await self._broadcast.publish(channel, message)
            case _:
                await self._broadcast.publish(channel, message)
        if self._held and self._chance.randrange(2):
            await self._broadcast.publish(*self._held.pop(self._chance.randrange(len(self._held))))

    def subscribe(self, channel: str) -> AbstractAsyncContextManager[Subscription]:
        return self._broadcast.subscribe(channel)


class SlowBroadcast:
    """Takes its time to subscribe; what is published before that is not received."""

    def __init__(self, broadcast: Broadcast, chance: random.Random) -> None:
        self._broadcast = broadcast
        self._chance = chance

    async def publish(self, channel: str, message: Message) -> None:
        await self._broadcast.publish(channel, message)

    @contextlib.asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:
        await turns(self._chance.randrange(12))
        async with self._broadcast.subscribe(channel) as subscription:
            await turns(self._chance.randrange(3))
            yield subscription


@contextlib.asynccontextmanager
async def deadline(seconds: float = 20.0) -> AsyncIterator[None]:
    async with asyncio.timeout(seconds):
        yield


async def version_of(states: AsyncIterator[StoredView]) -> int:
    """The version of the next state, within the deadline."""
    async with deadline():
        return (await anext(states)).version


def as_broadcast(broadcast: object) -> Broadcast:
    return cast("Broadcast", broadcast)
