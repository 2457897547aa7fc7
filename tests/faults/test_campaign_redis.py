"""Redis killed, emptied, frozen, and one that loses, doubles and reorders messages, while clients write and look on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.testing.emulators import RedisServer, redis_server
from tests.conftest import need
from tests.faults.campaign import campaign, filled, fleet
from tests.faults.chaos import SEED, scaled
from tests.faults.healed import footprint, until_back_at
from tests.faults.redis_proxy import RedisProxy

ROLES = ("projector", "relay", "web", "web")
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 3600))]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need("redis-server", "it is killed while the app is served")
    with redis_server() as running:
        yield running


def emptied(redis: RedisServer) -> None:
    with socket.create_connection(("127.0.0.1", redis.port), timeout=5) as connection:
        connection.sendall(b"FLUSHALL\r\nCLIENT KILL TYPE pubsub\r\n")
        assert connection.recv(64).startswith(b"+OK")


async def test_redis_is_killed_emptied_and_frozen(tmp_path: Path, redis: RedisServer) -> None:
    """What is missed meanwhile is compared at once when it is back: nobody waits for the regular comparison."""
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    settings = {"BFF_BROADCAST_URL": redis.url, "BFF_COMPARE_SECONDS": "600"}
    async with fleet(url, tmp_path, ROLES, settings) as servers:
        async with campaign(url, servers[2:]):
            pass  # what is opened when it is first needed is open
        baselines = [await footprint(server) for server in servers]
        for _ in range(scaled(1, 20)):
            async with campaign(url, servers[2:]) as load:
                redis.kill()
                await load.progress(20)
                redis.start()
                await load.progress(20)
                emptied(redis)
                await load.progress(20)
                redis.pause()
                await load.progress(20)
                await asyncio.sleep(scaled(1.0, 30.0))
                redis.resume()
                await load.progress(20)
                await load.healed()
        for server, baseline in zip(servers, baselines, strict=True):
            await until_back_at(server, baseline)


async def test_messages_are_lost_doubled_and_reordered(tmp_path: Path, redis: RedisServer) -> None:
    """A message that is lost leaves no gap that anybody could see: the regular comparison finds what it was about."""
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    async with RedisProxy(redis.host, share=0.1, seed=SEED) as proxy:
        settings = {"BFF_BROADCAST_URL": proxy.url, "BFF_COMPARE_SECONDS": "2"}
        async with fleet(url, tmp_path, ROLES, settings) as servers, campaign(url, servers[2:]) as load:
            await load.progress(scaled(100, 10_000), seconds=scaled(60, 1800))
            await load.healed()
            assert min(proxy.dropped, proxy.doubled, proxy.reordered) > 3, vars(proxy)
