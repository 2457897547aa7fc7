"""Traffic of two days in as many minutes as one likes: ``python -m tests.faults.soak 20``, or ``make soak``.

What is bounded, and remembers the last changes, fills up within some thousand writes: a warm-up is a third of it.

Clients write as fast as they are answered; others come, look at something and go; some vanish. Nothing that the server holds may
depend on how many there have been.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bff.testing.graphql_ws import GraphQLWSClient
from tests.faults.campaign import APP, QUERIES, Campaign, campaign, filled
from tests.faults.chaos import SEED
from tests.faults.healed import footprint
from tests.faults.inspected import REPORT
from tests.serve import BffServer, serve

__all__ = ["Soaked", "soak"]

METERS = 8
VISITORS = 6
QUERY = 'query ($id: ID!) { meterPage(id: $id) { id version count } groupPage(id: "g0") { total counts } }'


@dataclass
class Soaked:
    """How it went. ``resident`` is what the server took, in bytes, after warm-up and then every so often."""

    visits: int = 0
    queries: int = 0
    writes: int = 0
    resident: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """What the last third takes beyond the first after warm-up, as a share of it."""
        third = max(1, len(self.resident) // 3)
        first, last = sorted(self.resident[:third]), sorted(self.resident[-third:])
        return last[len(last) // 2] / first[len(first) // 2] - 1


async def soak(server: BffServer, url: str, *, seconds: float, warm_up: float, samples: int = 12) -> Soaked:
    """Put the server under traffic for so long, after a warm-up. Raises AssertionError where anything is wrong afterwards."""
    soaked = Soaked()
    async with campaign(url, [server], METERS) as load, _visitors(server, soaked):
        await asyncio.sleep(warm_up)
        for _ in range(samples):
            soaked.resident.append((await footprint(server)).rss)
            await _for(load, seconds / samples)
        soaked.writes = load.written
        await load.healed()
    return soaked


async def _for(load: Campaign, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await load.progress(10)


@asynccontextmanager
async def _visitors(server: BffServer, soaked: Soaked) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(_visit(server, soaked, random.Random(SEED + number))) for number in range(VISITORS)]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _visit(server: BffServer, soaked: Soaked, chance: random.Random) -> None:
    """For ever: query something, look at something for a while, and leave in one way or another."""
    socket = f"{server.url}/graphql".replace("http:", "ws:")
    async with httpx.AsyncClient(timeout=30) as http:
        while True:
            body = {"query": QUERY, "variables": {"id": f"m{chance.randrange(METERS)}"}}
            answer = (await http.post(f"{server.url}/graphql", json=body)).json()
            assert "errors" not in answer, answer
            soaked.queries += 1
            async with GraphQLWSClient.to_url(socket, timeout=30) as client:
                await client.init()
                for _ in range(chance.randrange(1, 8)):
                    view = chance.choice(sorted(QUERIES))
                    key = f"g{chance.randrange(2)}" if view == "GroupPage" else f"m{chance.randrange(METERS)}"
                    id = await client.subscribe(QUERIES[view], {"key": key})
                    for _ in range(chance.randrange(1, 3)):
                        await client.next(id)
                    if chance.random() < 0.5:
                        await client.complete(id)
                if chance.random() < 0.3:
                    await client.abort()
            soaked.visits += 1


async def _main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/meters.db"
        await filled(url, METERS)
        with serve(url, APP, {REPORT: str(Path(directory) / "report")}) as server:
            soaked = await soak(server, url, seconds=minutes * 60 * 0.7, warm_up=minutes * 60 * 0.3, samples=60)
    sys.stdout.write(f"{soaked}\n{soaked.growth:+.1%} after warm-up\n")
    assert soaked.growth < 0.05


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
