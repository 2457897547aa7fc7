"""Whatever the order of subscribing, changing and reading: nobody starts stale, goes back, or misses the last state."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.live.hub import Hub
from bff.projection.stored_view import StoredView
from tests.live.support import CHANNELS, Board, FaultyBroadcast, Shelf, SlowBroadcast, announce, as_broadcast, deadline, turns

pytestmark = pytest.mark.anyio

INTERLEAVINGS = 10_000
ROUND = 250
"""How many interleavings share a hub: they run one after the other, and find channels lingering, leaving and left."""


class Play:
    """One key: writers, relays, subscribers who come at any time, a reader who looks at any time. Records what happened."""

    def __init__(self, shelf: Shelf, hub: Hub, broadcast: Broadcast, key: str, chance: random.Random) -> None:
        self.shelf = shelf
        self.hub = hub
        self.broadcast = broadcast
        self.key = key
        self.chance = chance
        self.events: list[str] = []
        self.final = 0
        self.commits: list[asyncio.Queue[StoredView]] = [asyncio.Queue() for _ in range(chance.choice([1, 1, 2]))]

    async def write(self, writes: int) -> None:
        for _ in range(writes):
            await turns(self.chance.randrange(12))
            last = self.shelf.stored.get(self.key, 0) + 1 == self.final
            state = self.shelf.write(self.key) if last or self.chance.randrange(5) else self.shelf.delete(self.key)
            self.events.append(f"write {state.version}")
            for commits in self.commits:
                commits.put_nowait(state)

    async def relay(self, commits: asyncio.Queue[StoredView]) -> None:
        """Each relay announces every change, in the order of the commits."""
        state = None
        while state is None or state.version < self.final:
            state = await commits.get()
            await turns(self.chance.randrange(6))
            await announce(self.broadcast, state, hint=self.chance.randrange(6) == 0)
            self.events.append(f"announced {state.version}")

    async def before(self, keys: Sequence[str]) -> None:
        self.events.append("read")
        await turns(self.chance.randrange(6))
        self.events.append("look")

    async def after(self, keys: Sequence[str]) -> None:
        await turns(self.chance.randrange(6))
        self.events.append("found")

    async def look_on(self, name: int) -> None:
        await turns(self.chance.randrange(16))
        stored = self.shelf.stored.get(self.key, 0)
        self.events.append(f"{name} comes")
        leaves_after = self.chance.choice([1, 2, None, None])
        seen: list[int] = []
        async with self.hub.subscribe(Board, self.key) as states:
            self.events.append(f"{name} entered")
            async for state in states:
                self.events.append(f"{name} sees {state.version}")
                assert not seen or state.version > seen[-1], f"{name} went back: {seen} then {state.version}"
                assert seen or state.version >= stored, f"{name} started stale: {state.version} where {stored} was stored"
                assert state.document is None or state.document["score"] == state.version * 10
                seen.append(state.version)
                if len(seen) == leaves_after:
                    return
                if state.version == self.final:
                    return
                await turns(self.chance.choice([0, 0, 3, 9]))

    async def run(self) -> tuple[str, ...]:
        self.shelf.before, self.shelf.after = self.before, self.after
        writes = [self.chance.randrange(1, 3) for _ in range(2)]
        self.final = sum(writes)
        async with deadline(10), asyncio.TaskGroup() as group:
            for number in writes:
                group.create_task(self.write(number))
            for commits in self.commits:
                group.create_task(self.relay(commits))
            for name in range(3):
                group.create_task(self.look_on(name))
        return tuple(self.events)


async def play(round: int, broadcast: Broadcast, seen: set[int]) -> None:
    chance = random.Random(round)
    shelf = Shelf()
    slow = as_broadcast(SlowBroadcast(broadcast, chance))
    async with Hub(slow, shelf, channels=CHANNELS, linger_seconds=0, compare_seconds=3600) as hub:
        for number in range(ROUND):
            performance = Play(shelf, hub, broadcast, f"{round}-{number}", chance)
            try:
                seen.add(hash(await performance.run()))
            except BaseException:
                sys.stderr.write(f"round {round}, number {number}: {performance.events}\n")
                raise


async def test_no_interleaving_starts_stale_goes_back_or_misses_the_last_state() -> None:
    """10,000 different ones."""
    distinct: set[int] = set()
    round = 0
    async with open_broadcast("memory://") as broadcast:
        while len(distinct) < INTERLEAVINGS:
            await play(round, broadcast, distinct)
            round += 1
    assert round < 2 * INTERLEAVINGS / ROUND


async def test_messages_lost_repeated_and_reordered_are_made_up_for_by_comparing() -> None:
    async with open_broadcast("memory://") as sound:
        for seed in range(300):
            chance = random.Random(seed)
            broadcast = as_broadcast(FaultyBroadcast(sound, chance))
            shelf = Shelf()
            key = f"faulty-{seed}"

            async def look_on(hub: Hub, key: str, final: int, entered: asyncio.Semaphore) -> list[int]:
                versions: list[int] = []
                async with hub.subscribe(Board, key) as states:
                    entered.release()
                    async for state in states:
                        versions.append(state.version)
                        if state.version == final:
                            break
                return versions

            async with deadline(10), Hub(broadcast, shelf, channels=CHANNELS, linger_seconds=0, compare_seconds=3600) as hub:
                entered = asyncio.Semaphore(0)
                looking = [asyncio.create_task(look_on(hub, key, 6, entered)) for _ in range(3)]
                for _ in looking:
                    await entered.acquire()
                for _ in range(6):
                    await announce(broadcast, shelf.write(key))
                    await turns(chance.randrange(5))
                await hub.compare()
                for versions in await asyncio.gather(*looking):
                    assert versions == sorted(set(versions))
                    assert versions[-1] == 6
