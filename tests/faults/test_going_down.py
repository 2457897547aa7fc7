"""SIGTERM of a real ``bff serve``: what runs is finished, clients go elsewhere, nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidHandshake

from bff.connection import connect
from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.websocket_wires import Closed
from tests.faults.drained_app import Meter
from tests.faults.served import NetworkClient
from tests.serve import BffServer, serve

pytestmark = pytest.mark.anyio

APP = "tests.faults.drained_app:app"
ADD_ONCE = 'mutation ($gate: String!) { meterAddOnce(id: "m1", gate: $gate) { count } }'
ADD = "mutation ($id: ID!) { meterAdd(id: $id) { count } }"
COUNT = "subscription ($id: ID!) { meterView(id: $id) { count } }"
RETRYABLE = {1001, 1005, 1006, 1012, 1013}
"""On these graphql-ws connects again, with a backoff (and Apollo's client, which is graphql-ws)."""


async def exists(path: Path) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)


async def filled(url: str, *ids: str) -> None:
    async with connect(url):
        for id in ids:
            await Meter(id=id).save()


async def ended(server: BffServer) -> int:
    return await asyncio.to_thread(server.wait)


@pytest.mark.parametrize("over", ["http", "socket"])
async def test_a_mutation_that_runs_is_answered(tmp_path: Path, over: str) -> None:
    url, gate = f"sqlite:///{tmp_path / 'meters.db'}", tmp_path / "gate"
    await filled(url, "m1")
    with serve(url, APP) as server:
        client = NetworkClient(server.url)
        async with (
            client.watch(COUNT, {"id": "m1"}) as states,
            GraphQLWSClient.to_url(f"{server.url}/graphql".replace("http", "ws")) as socket,
        ):
            assert (await states.next())["data"] == {"meterView": {"count": 0}}
            await socket.init()
            variables = {"gate": str(gate)}
            adding = asyncio.create_task(
                client.execute(ADD_ONCE, variables) if over == "http" else socket.execute(ADD_ONCE, variables)
            )
            await exists(Path(f"{gate}.reached"))
            server.terminate()
            with pytest.raises(Closed) as closed:
                await states.next()
            assert closed.value.code == 1012
            with pytest.raises(httpx.ConnectError):
                await client.ready()
            gate.touch()
            assert (await adding)["data"] == {"meterAddOnce": {"count": 1}}
            await socket.expect_close(1012)
        assert await ended(server) == -signal.SIGTERM


async def test_what_takes_longer_than_it_is_given_is_cut_short(tmp_path: Path) -> None:
    url, gate = f"sqlite:///{tmp_path / 'meters.db'}", tmp_path / "gate"
    await filled(url, "m1")
    with serve(url, APP, {"BFF_DRAIN_SECONDS": "0.5", "BFF_LIMITS__MUTATION_SECONDS": "0.5"}) as server:
        adding = asyncio.create_task(NetworkClient(server.url).execute(ADD_ONCE, {"gate": str(gate)}))
        await exists(Path(f"{gate}.reached"))
        server.terminate()
        assert await ended(server) == -signal.SIGTERM
        with pytest.raises((httpx.TransportError, ValueError)):
            await adding
    async with connect(url):
        meter = await Meter.get("m1")
        assert meter is not None
        assert meter.count == 0


async def test_it_says_that_it_is_going_before_it_goes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, "m1")
    with serve(url, APP, {"BFF_DRAIN_NOTICE_SECONDS": "3"}) as server:
        client = NetworkClient(server.url)
        server.terminate()
        body = await client.until_ready(lambda status, body: status == 503 and not body["ready"])
        assert body["draining"]["since"]
        assert all(check["ok"] for check in body["checks"].values())
        assert (await client.execute(ADD, {"id": "m1"}))["data"] == {"meterAdd": {"count": 1}}, "it still serves"
        assert await ended(server) == -signal.SIGTERM


class Fleet:
    """Two servers, one after the other restarted, and clients that go to whichever is there."""

    def __init__(self, servers: Sequence[BffServer]) -> None:
        self.servers = servers
        self.restarted = 0
        self.added: dict[str, int] = {}
        self.retried = 0
        self.closes: list[int] = []

    async def roll(self) -> None:
        for server in self.servers:
            server.terminate()
            await ended(server)
            await asyncio.to_thread(server.start)
            self.restarted += 1

    async def write(self, id: str, number: int) -> None:
        """One mutation after the other, each with its key, at one server until that is not there."""
        at = number
        async with httpx.AsyncClient(timeout=30) as http:
            while self.restarted < len(self.servers) or self.added.get(id, 0) < 20:
                key = f"{id}-{self.added.get(id, 0)}"
                request = {"query": ADD, "variables": {"id": id}, "extensions": {"bff": {"idempotencyKey": key}}}
                try:
                    url = self.servers[at % len(self.servers)].url
                    answer = (await http.post(f"{url}/graphql", json=request)).json()
                except httpx.TransportError:
                    at, self.retried = at + 1, self.retried + 1
                    await asyncio.sleep(0.02)
                    continue
                self.added[id] = self.added.get(id, 0) + 1
                assert answer["data"] == {"meterAdd": {"count": self.added[id]}}, answer

    async def watch(self, id: str, number: int, last: asyncio.Future[dict[str, int]]) -> None:
        """Look at a meter until it shows what was written last; connect again, elsewhere, whenever the server says so."""
        at, seen = number, -1
        while not (last.done() and seen == last.result()[id]):
            url = self.servers[at % len(self.servers)].url.replace("http:", "ws:")
            try:
                async with GraphQLWSClient.to_url(f"{url}/graphql", timeout=20) as client:
                    await client.init()
                    subscription = await client.subscribe(COUNT, {"id": id})
                    while not (last.done() and seen == last.result()[id]):
                        count = (await client.next(subscription))["data"]["meterView"]["count"]
                        assert count >= seen, "no going back"
                        seen = count
            except Closed as closed:
                self.closes.append(closed.code)
                at += 1
            except (OSError, InvalidHandshake):  # it has gone, or goes while the two shake hands
                at += 1
                await asyncio.sleep(0.02)


async def test_a_rolling_restart_under_load_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    ids = [f"m{number}" for number in range(4)]
    await filled(url, *ids)
    with serve(url, APP) as one, serve(url, APP) as other:
        fleet = Fleet([one, other])
        last: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
        watching = [asyncio.create_task(fleet.watch(id, number, last)) for number, id in enumerate(ids)]
        writing = [asyncio.create_task(fleet.write(id, number)) for number, id in enumerate(ids)]
        await fleet.roll()
        await asyncio.gather(*writing)
        last.set_result(dict(fleet.added))
        # One more each, so that who has seen the last before is told that it was.
        for id in ids:
            answer: dict[str, Any] = await NetworkClient(one.url).execute(ADD, {"id": id})
            assert answer["data"] == {"meterAdd": {"count": fleet.added[id] + 1}}, "each was made once"
            last.result()[id] += 1
        async with asyncio.timeout(60):
            await asyncio.gather(*watching)
        assert fleet.closes, "they were told to go"
        assert set(fleet.closes) <= RETRYABLE
        assert 1012 in fleet.closes
        for server in fleet.servers:
            assert "Traceback" not in server.output()
