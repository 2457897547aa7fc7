"""A datastore or a Redis that goes down while the app is served, and comes back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bff.connection import connect
from bff.testing.emulators import FirestoreEmulator, RedisServer, redis_server, running_firestore_emulator
from tests.conftest import need
from tests.faults.bad_apps import Kettle
from tests.faults.served import NetworkClient
from tests.serve import serve

pytestmark = pytest.mark.anyio

APP = "tests.faults.bad_apps:app"
CUPS = "subscription ($key: ID!) { kettleView(id: $key) { version cups } }"
PROMPTLY = 15.0


@pytest.fixture
def emulator() -> Iterator[FirestoreEmulator]:
    need("gcloud", "the Firestore emulator is started through it")
    with running_firestore_emulator() as running:
        yield running


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need("redis-server", "it is killed while the app is served")
    with redis_server() as running:
        yield running


def fill(litres: int, key: str = "k1") -> str:
    return f'mutation {{ kettleFill(id: "{key}", litres: {litres}) {{ cups }} }}'


async def test_a_firestore_that_goes_down_and_comes_back_empty(emulator: FirestoreEmulator) -> None:
    url = f"firestore://outage-{uuid.uuid4().hex[:12]}?emulator={emulator.host}"
    async with connect(url):
        await Kettle(id="k1", name="Blue", litres=1).save()
        await Kettle(id="k2", name="Red", litres=1).save()
    with serve(url, APP) as server:
        client = NetworkClient(server.url, timeout=60)
        async with client.watch(CUPS, {"key": "k1"}) as blue, client.watch(CUPS, {"key": "k2"}) as red:
            assert (await blue.next())["data"]["kettleView"]["cups"] == 4
            assert (await red.next())["data"]["kettleView"]["cups"] == 4
            assert (await client.execute(fill(2)))["data"] == {"kettleFill": {"cups": 8}}
            before = (await blue.until(lambda state: state["data"]["kettleView"]["cups"] == 8))["data"]["kettleView"]

            emulator.kill()
            body = await client.until_ready(lambda status, body: status == 503 and not body["checks"]["datastore"]["ok"])
            assert body["ready"] is False
            assert "since" in body["checks"]["datastore"]
            assert await code_of(client, '{ kettleView(id: "k1") { cups } }') == "UNAVAILABLE"
            assert await code_of(client, fill(3)) in {"UNAVAILABLE", "OUTCOME_UNKNOWN"}
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"{server.url}/healthz")).status_code == 200
            later = await client.until_ready(lambda status, body: bool(body["checks"]["projector"]["tasks"]))
            assert later["checks"]["datastore"]["since"] == body["checks"]["datastore"]["since"]

            emulator.start()
            async with connect(url):
                await Kettle(id="k1", name="Blue", litres=5).save()
            after = (await blue.until(lambda state: cups(state) == 20))["data"]["kettleView"]
            assert int(after["version"]) > int(before["version"])
            assert cups(await red.until(lambda state: cups(state) is None)) is None
            await client.until_ready(lambda status, body: status == 200)
            assert (await client.execute(fill(6)))["data"] == {"kettleFill": {"cups": 24}}
            await blue.until(lambda state: cups(state) == 24)
            async with client.watch(CUPS, {"key": "k1"}) as newcomer:
                assert cups(await newcomer.next()) == 24


async def test_a_redis_that_goes_down_and_comes_back(redis: RedisServer, tmp_path: Path) -> None:
    """Mutations and queries do without it, subscriptions catch up once it is back."""
    url = f"sqlite:///{tmp_path / 'kettles.db'}"
    async with connect(url):
        await Kettle(id="k1", name="Blue", litres=1).save()
    with serve(url, APP, {"BFF_BROADCAST_URL": redis.url}) as server:
        client = NetworkClient(server.url, timeout=60)
        async with client.watch(CUPS, {"key": "k1"}) as blue:
            assert cups(await blue.next()) == 4
            redis.kill()
            body = await client.until_ready(lambda status, body: status == 503 and not body["checks"]["broadcast"]["ok"])
            assert body["checks"]["datastore"]["ok"] is True
            assert "since" in body["checks"]["broadcast"]
            for litres in (2, 3):
                assert (await client.execute(fill(litres)))["data"] == {"kettleFill": {"cups": litres * 4}}
            assert await client.execute('{ kettleView(id: "k1") { cups } }') == {"data": {"kettleView": {"cups": 12}}}

            redis.start()
            await blue.until(lambda state: cups(state) == 12)
            await client.until_ready(lambda status, body: status == 200)
            assert (await client.execute(fill(4)))["data"] == {"kettleFill": {"cups": 16}}
            await blue.until(lambda state: cups(state) == 16)


async def code_of(client: NetworkClient, query: str) -> str:
    """The code of the error that it is answered with, promptly."""
    began = time.monotonic()
    answer = await client.execute(query)
    assert time.monotonic() - began < PROMPTLY
    [error] = answer["errors"]
    return str(error["extensions"]["code"])


def cups(state: dict) -> int | None:  # type: ignore[type-arg]
    view = state["data"]["kettleView"]
    return None if view is None else view["cups"]
