"""Whatever the order in which views are committed, announced and queried: a live list comes to what a fresh query finds.

Nothing is compared here: what is announced and the queries that it causes must do.
"""

from __future__ import annotations

import asyncio
import random
import sys

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.live import window
from bff.live.announcement import Announcement
from bff.live.hub import Hub
from bff.query import Query
from bff.supervisor import Backoff
from tests.live.support import CHANNELS, FaultyBroadcast, SlowBroadcast, as_broadcast, deadline, turns
from tests.live.table import HIGHEST, LOWEST, Client, Score, Table, tell

pytestmark = pytest.mark.anyio

PLAYS = 800
IN_A_HUB = 50
QUICK = Backoff(first=0.001, limit=0.002)


class Play:
    """A writer, one relay or two that are slow, readers who come and go and come again with what they hold."""

    def __init__(self, table: Table, hub: Hub, broadcast: Broadcast, chance: random.Random) -> None:
        self.table = table
        self.hub = hub
        self.broadcast = broadcast
        self.chance = chance
        self.events: list[str] = []
        self.done = asyncio.Event()
        # Whoever comes has the query asked anew, and so heals what is wrong: in some plays all come early, and stay.
        self.restless = chance.randrange(4) == 0
        self.slow = chance.choice([3, 8, 30])
        self.keys = [f"k{number:02}" for number in range(chance.choice([3, 8, 40]))]

    def write(self) -> Announcement:
        key = self.chance.choice(self.keys)
        score = None if self.chance.randrange(4) == 0 else self.chance.randrange(10)
        return self.table.write(key, score, open=self.chance.randrange(5) > 0, late=self.chance.randrange(4))

    async def wait(self) -> None:
        await turns(self.chance.randrange(self.slow))

    async def relay(self, commits: asyncio.Queue[Announcement | None]) -> None:
        """Each relay announces every commit, in their order; one may be far behind the other."""
        while (announced := await commits.get()) is not None:
            await turns(self.chance.choice([0, 0, 1, 3, 20]))
            self.events.append(f"announce {announced.key} {announced.version}")
            await tell(self.broadcast, announced, max_bytes=self.chance.choice([64 * 1024, 64 * 1024, 1]))

    async def writer(self, group: asyncio.TaskGroup) -> None:
        relays: list[asyncio.Queue[Announcement | None]] = [asyncio.Queue() for _ in range(self.chance.choice([1, 1, 2]))]
        relaying = [group.create_task(self.relay(commits)) for commits in relays]
        for _ in range(self.chance.randrange(5, 25)):
            await turns(self.chance.randrange(6))
            announced = self.write()
            self.events.append(f"write {announced}")
            for commits in relays:
                commits.put_nowait(announced)
        for commits in relays:
            commits.put_nowait(None)
        await asyncio.wait(relaying)
        self.done.set()

    async def reader(self, name: int, client: Client, query: Query, first: int) -> None:
        await turns(self.chance.randrange(40 if self.restless else 10))
        while True:
            leaves_after = self.chance.choice([1, 2, 3, None]) if self.restless else None
            async with self.hub.window(Score, query, first, client.held) as changes:
                self.events.append(f"{name} enters")
                given = 0
                async for change in changes:
                    self.events.append(f"{name}: {change.kind} {change.key}")
                    assert not (client.held and change.page is not None), "who comes back with a version gets differences alone"
                    client.apply(change)
                    client.held = changes.version()
                    assert client.held is not None
                    given += 1
                    if given == leaves_after:
                        break
                    await turns(self.chance.choice([0, 0, 2, 9]))
            await turns(self.chance.randrange(10))

    async def run(self) -> None:
        self.table.before = self.table.after = self.wait
        for _ in range(self.chance.randrange(30)):
            self.write()
        readers = [(Client(), self.chance.choice([LOWEST, HIGHEST]), self.chance.choice([0, 1, 2, 5, 30])) for _ in range(3)]
        async with asyncio.TaskGroup() as group:
            group.create_task(self.writer(group))
            reading = [group.create_task(self.reader(name, *reader)) for name, reader in enumerate(readers)]
            try:
                async with deadline(5):
                    await self.done.wait()
                    # What is right once stays right: nothing that comes late undoes it.
                    right = 0
                    while right < 100:
                        await turns(1)
                        right = right + 1 if all(self.is_right(*reader) for reader in readers) else 0
            except TimeoutError:
                wrong = [(client.window, self.table.present(query, first)) for client, query, first in readers]
                raise AssertionError(wrong) from None
            finally:
                for task in reading:
                    task.cancel()

    def is_right(self, client: Client, query: Query, first: int) -> bool:
        return bool(client.kinds) and client.window == self.table.present(query, first)


async def test_no_interleaving_ends_with_another_list_than_a_fresh_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "LEAST_BEYOND", 1)  # so that it runs out of views often
    async with open_broadcast("memory://") as broadcast:
        for round in range(PLAYS // IN_A_HUB):
            chance = random.Random(round)
            slow = as_broadcast(SlowBroadcast(broadcast, chance))
            table = Table()
            async with Hub(slow, table, channels=CHANNELS, linger_seconds=0, compare_seconds=3600, backoff=QUICK) as hub:
                for number in range(IN_A_HUB):
                    table.documents.clear()
                    play = Play(table, hub, broadcast, chance)
                    # Keys have a history: what another play wrote of them is older.
                    play.keys = [f"{number}-{key}" for key in play.keys]
                    try:
                        await play.run()
                    except BaseException:
                        sys.stderr.write(f"round {round}, number {number}:\n" + "\n".join(play.events) + "\n")
                        raise
                assert hub.subscriptions == 0


async def test_messages_lost_repeated_and_reordered_are_made_up_for_by_comparing() -> None:
    async with open_broadcast("memory://") as sound:
        for seed in range(150):
            chance = random.Random(seed)
            broadcast = as_broadcast(FaultyBroadcast(sound, chance))
            table = Table()
            async with deadline(10), Hub(sound, table, channels=CHANNELS, linger_seconds=0, compare_seconds=3600) as hub:
                play = Play(table, hub, broadcast, chance)
                client = Client()
                async with hub.window(Score, LOWEST, 5) as changes:
                    for _ in range(20):
                        await tell(broadcast, play.write())
                        await turns(chance.randrange(4))
                    await hub.compare()
                    while not client.kinds or client.window != table.present(LOWEST, 5):
                        client.apply(await anext(changes))
