"""``kill -9`` at random moments, under load, of a server that plays all roles and of each role by itself."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.testing.emulators import RedisServer, redis_server
from tests.conftest import need
from tests.faults.campaign import APP, campaign, filled, fleet
from tests.faults.chaos import SEED, scaled
from tests.faults.healed import footprint, until_back_at
from tests.faults.inspected import REPORT
from tests.serve import serve

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 3600))]

KILLS = scaled(3, 100)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need("redis-server", "the roles tell each other through it")
    with redis_server() as running:
        yield running


async def test_killed_again_and_again_and_all_converges(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    moments = random.Random(SEED)
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        async with campaign(url, [server]) as load:
            await load.healed()
        baseline = await footprint(server)
        async with campaign(url, [server]) as load:
            for _ in range(KILLS):
                await load.progress(moments.randrange(1, 40))
                await asyncio.sleep(moments.random() * 0.05)
                server.kill()
                await asyncio.to_thread(server.start)
            await load.progress(20)
            await load.healed()
            # Who has not come back when the next one comes does not notice that.
            assert sum(seen.connections for seen in load.seen) > len(load.seen) * KILLS / 2
        await until_back_at(server, baseline)


async def test_each_role_is_killed_and_frozen_and_all_converges(tmp_path: Path, redis: RedisServer) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    moments = random.Random(SEED)
    settings = {"BFF_BROADCAST_URL": redis.url, "BFF_STALE_SECONDS": "20", "BFF_COMPARE_SECONDS": "5"}
    async with fleet(url, tmp_path, ("projector", "relay", "web", "web"), settings) as servers:
        projector, relay, *webs = servers
        async with campaign(url, webs) as load:
            await load.healed()
        baselines = [await footprint(server) for server in servers]
        async with campaign(url, webs) as load:
            for number in range(KILLS):
                await load.progress(moments.randrange(1, 40))
                await asyncio.sleep(moments.random() * 0.05)
                target = (projector, relay, webs[0])[number % 3] if number < 3 else moments.choice(servers)
                target.kill()
                if moments.random() < 0.5:
                    await load.progress(5)  # the others go on without it, as far as they can
                await asyncio.to_thread(target.start)
            for server in (projector, relay, webs[0]) * scaled(1, 5):
                server.signal(signal.SIGSTOP)
                await asyncio.sleep(scaled(0.5, 20.0))
                server.signal(signal.SIGCONT)
                await load.progress(5)
            await load.progress(20)
            await load.healed()
        for server, baseline in zip(servers, baselines, strict=True):
            await until_back_at(server, baseline)
