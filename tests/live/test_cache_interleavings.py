"""Whatever the order of asking, changing and missing: no answer goes back, none is older than the hub, none stays old."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.live.announcement import COMPARE
from bff.live.hub import Hub
from bff.projection.stored_view import StoredView
from tests.live.support import CHANNELS, Board, Shelf, SlowBroadcast, announce, as_broadcast, deadline, turns

pytestmark = pytest.mark.anyio

INTERLEAVINGS = 5_000
ROUND = 250


class Relaying:
    def __init__(self) -> None:
        self.following = True
        self.gaps = 0


class Play:
    """One key, which is written, announced (in order, late, as a hint), missed, looked at, asked for, and read behind the hub."""

    def __init__(self, shelf: Shelf, hub: Hub, relay: Relaying, broadcast: Broadcast, key: str, chance: random.Random) -> None:
        self.shelf = shelf
        self.hub = hub
        self.relay = relay
        self.broadcast = broadcast
        self.key = key
        self.chance = chance
        self.events: list[str] = []
        self.final = 0
        self.commits: asyncio.Queue[StoredView] = asyncio.Queue()
        self.answered = 0
        """The newest version that anybody has been answered with."""

    def answer(self, name: str, version: int) -> None:
        self.events.append(f"{name} {version}")
        self.answered = max(self.answered, version)

    async def write(self) -> None:
        while self.shelf.stored.get(self.key, 0) < self.final:
            await turns(self.chance.randrange(9))
            last = self.shelf.stored.get(self.key, 0) + 1 == self.final
            state = self.shelf.write(self.key) if last or self.chance.randrange(5) else self.shelf.delete(self.key)
            self.events.append(f"write {state.version}")
            self.commits.put_nowait(state)
            match self.chance.randrange(4):
                case 0:  # by a mutation of this process, which is answered with it
                    self.hub.written(Board, state, state.version)
                    self.answer("mutation answers", state.version)
                case 1:  # read by another way than through the hub
                    self.hub.seen(Board, state)
                    self.answer("seen", state.version)

    async def announcing(self) -> None:
        """Announces every change, in the order of the commits; now and then it has to begin anew, and has everybody compare."""
        state = None
        while state is None or state.version < self.final:
            state = await self.commits.get()
            await turns(self.chance.randrange(5))
            match self.chance.randrange(8):
                case 0:
                    self.relay.following = False
                    self.events.append("relay is away")
                    await turns(self.chance.randrange(9))
                    while not self.commits.empty():
                        state = self.commits.get_nowait()
                    self.relay.gaps += 1
                    await self.broadcast.publish(CHANNELS.of("Board", self.key), COMPARE)
                    self.relay.following = True
                    self.events.append("relay is back")
                case 1:
                    await announce(self.broadcast, state, hint=True)
                case _:
                    await announce(self.broadcast, state)
            self.events.append(f"announced {state.version}")

    async def before(self, keys: Sequence[str]) -> None:
        await turns(self.chance.randrange(5))
        self.events.append("look")

    async def after(self, keys: Sequence[str]) -> None:
        await turns(self.chance.randrange(5))

    async def ask(self, name: int) -> None:
        for _ in range(self.chance.randrange(1, 5)):
            await turns(self.chance.randrange(8))
            if self.chance.randrange(2):
                state = self.hub.known(Board, self.key)
                together = self.hub.known_all(Board, [self.key, self.key])
                assert together == (None if state is None else [state, state])
                if state is not None:
                    assert state.exists
                    assert state.version >= self.answered, f"{name} went back: {state.version}"
                    self.answer(f"{name} knows", state.version)
                continue
            before = self.answered
            stored = self.shelf.stored.get(self.key, 0)
            following = self.relay.following
            try:
                async with asyncio.timeout(0 if self.chance.randrange(9) == 0 else None):
                    [found] = await self.hub.read(Board, [self.key])
            except TimeoutError:
                continue
            assert isinstance(found, StoredView)
            assert found.version >= before, f"{name} went back: {found.version} after {before}"
            assert following or found.version >= stored, f"{name} read what is old: {found.version}"
            assert found.exists or found.version >= stored, f"{name} was told of nothing, and {stored} was stored"
            self.answer(f"{name} reads", found.version)

    async def look_on(self, name: int) -> None:
        await turns(self.chance.randrange(12))
        async with self.hub.subscribe(Board, self.key) as states:
            async for state in states:
                self.answer(f"{name} sees", state.version)
                if state.version == self.final or self.chance.randrange(3) == 0:
                    return

    async def watch(self, name: int) -> None:
        await turns(self.chance.randrange(12))
        woken = asyncio.Event()
        before = self.answered
        watch = await self.hub.watch(Board, self.key, woken.set)
        seen = [watch.state.version]
        assert seen[0] >= before
        self.answer(f"{name} watches", seen[0])
        while seen[-1] < self.final:
            await woken.wait()
            woken.clear()
            seen.append(watch.state.version)
            self.answer(f"{name} is told", seen[-1])
        assert seen == sorted(seen)
        watch.leave()

    async def run(self) -> tuple[str, ...]:
        self.shelf.before, self.shelf.after = self.before, self.after
        self.final = self.chance.randrange(2, 5)
        async with deadline(10), asyncio.TaskGroup() as group:
            group.create_task(self.write())
            group.create_task(self.announcing())
            for name in range(3):
                group.create_task(self.ask(name))
            if self.chance.randrange(2):
                group.create_task(self.look_on(3))
            if self.chance.randrange(2):
                group.create_task(self.watch(4))
        # Everything is announced: what is known from then on is the last there is.
        self.shelf.before = self.shelf.after = None
        async with deadline(10):
            await turns(10)
            state = self.hub.known(Board, self.key)
            assert state is None or state.version == self.final, f"{state} is known to the end"
            [found] = await self.hub.read(Board, [self.key])
            assert isinstance(found, StoredView)
            assert found.version == self.final
            while (state := self.hub.known(Board, self.key)) is None:
                await turns(1)
                await self.hub.read(Board, [self.key])
            assert state.version == self.final
        return tuple(self.events)


async def play(round: int, broadcast: Broadcast, seen: set[int]) -> None:
    chance = random.Random(round)
    shelf, relay = Shelf(), Relaying()
    slow = as_broadcast(SlowBroadcast(broadcast, chance))
    options = {"linger_seconds": 0, "compare_seconds": 3600, "cached_views": chance.choice([1, 3, 100])}
    async with Hub(slow, shelf, channels=CHANNELS, relay=relay, **options) as hub:  # type: ignore[arg-type]
        for number in range(ROUND):
            performance = Play(shelf, hub, relay, broadcast, f"{round}-{number}", chance)
            try:
                seen.add(hash(await performance.run()))
            except BaseException:
                sys.stderr.write(f"round {round}, number {number}: {performance.events}\n")
                raise


async def test_no_answer_goes_back_is_older_than_the_hub_or_stays_old() -> None:
    """5,000 different interleavings."""
    distinct: set[int] = set()
    round = 0
    async with open_broadcast("memory://") as broadcast:
        while len(distinct) < INTERLEAVINGS:
            await play(round, broadcast, distinct)
            round += 1
    assert round < 2 * INTERLEAVINGS / ROUND
