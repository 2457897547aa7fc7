"""Crowds: sockets that vanish together, clients that come back together, and clients that do not read."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from bff.connection import connect as connected
from tests.faults.campaign import APP, QUERIES, campaign, filled
from tests.faults.campaign_app import Group
from tests.faults.chaos import CHAOS, scaled
from tests.faults.healed import footprint, metrics, until_back_at
from tests.faults.inspected import REPORT
from tests.serve import BffServer, serve

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 1800))]

SOCKETS, OPERATIONS = scaled((40, 100), (1_000, 100))
RETURNING = scaled(300, 10_000)
PEERS = scaled(3, 100)
TURNS, WRITES = scaled((1, 10), (21, 300))
LATER = 1.25
"""How much later the latest may be beside a peer that does not read."""

OUTBOX = 16 * 1024 * 1024
"""The limit ``outbox_bytes``, of each socket."""

ROOM, ROOM_OF_EACH = 32 * 1024 * 1024, 1024 * 1024
"""What a server may grow by while it serves, and for each peer: 100 states of 50 kB would be five times as much."""

METERS = 10
SUBPROTOCOL = Subprotocol("graphql-transport-ws")
INIT = json.dumps({"type": "connection_init"})
AT_ONCE = 200


def subscription(view: str, key: str, id: str) -> str:
    payload = {"query": QUERIES[view], "variables": {"key": key}}
    return json.dumps({"id": id, "type": "subscribe", "payload": payload})


class Crowd:
    """Sockets that are opened, used and aborted together."""

    def __init__(self, server: BffServer) -> None:
        self._url = f"{server.url}/graphql".replace("http:", "ws:")
        self.sockets: list[ClientConnection] = []

    async def come(self, count: int, operations: Sequence[Sequence[str]], *, states: int) -> None:
        """Each does one of the series of operations, and has read so many states."""
        doors = asyncio.Semaphore(AT_ONCE)

        async def enter(number: int) -> None:
            async with doors:
                client = await connect(
                    self._url,
                    subprotocols=[SUBPROTOCOL],
                    compression=None,
                    max_queue=None,
                    ping_interval=None,
                    open_timeout=60,
                    proxy=None,
                )
                self.sockets.append(client)
                await client.send(INIT)
                await client.recv()
                for operation in operations[number % len(operations)]:
                    await client.send(operation)
                for _ in range(states):
                    await client.recv()

        await asyncio.gather(*(enter(number) for number in range(count)))

    def vanish(self) -> None:
        for client in self.sockets:
            client.transport.abort()

    async def gone(self) -> None:
        await asyncio.gather(*(client.wait_closed() for client in self.sockets))
        self.sockets.clear()


async def test_all_sockets_are_aborted_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, METERS)
    mine = [[subscription("MeterPage", f"m{number % METERS}", str(number)) for number in range(OPERATIONS)]]
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        crowd = Crowd(server)
        await crowd.come(3, mine, states=OPERATIONS)
        crowd.vanish()
        await crowd.gone()
        await metrics(server)
        baseline = await footprint(server)
        await crowd.come(SOCKETS, mine, states=OPERATIONS)
        there = await metrics(server)
        assert there["bff_socket_operations"] == SOCKETS * OPERATIONS
        assert there["bff_subscriptions"] == SOCKETS * OPERATIONS
        crowd.vanish()
        began = time.monotonic()
        left = await metrics(server)
        while left["bff_sockets"] or left["bff_socket_operations"] or left["bff_subscriptions"]:
            left = await metrics(server)
        took = time.monotonic() - began
        await crowd.gone()
        after = await until_back_at(server, baseline)
        assert took < 1.0 * scaled(10, 1), f"all state was gone after {took:.2f} s"
        blocks, kept = after.blocks - baseline.blocks, (after.rss - baseline.rss) / (SOCKETS * OPERATIONS)
        logger.info(
            f"{SOCKETS} x {OPERATIONS} gone in {took:.2f} s; {blocks} blocks more; {kept:.0f} bytes for each are kept free"
        )
        assert blocks < baseline.blocks / 50, "objects are left of them"


async def test_all_come_back_at_once(tmp_path: Path) -> None:
    """Reads are shared: there are as many as there are views, not as there are clients."""
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, METERS)
    one_each = [[subscription("MeterPage", f"m{number}", "1")] for number in range(METERS)]
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        crowd = Crowd(server)
        await crowd.come(RETURNING, one_each, states=1)
        server.kill()
        await crowd.gone()
        await asyncio.to_thread(server.start)
        before = await footprint(server)
        await crowd.come(RETURNING, one_each, states=1)
        calls = (await footprint(server)).calls - before.calls
        assert (await metrics(server))["bff_subscriptions"] == RETURNING
        reads = sum(count for kind, count in calls.items() if "MeterPage" in kind and kind.split()[0] in {"get", "query"})
        logger.info(f"{RETURNING} clients came back: {reads} reads; {dict(calls)}")
        assert 1 <= reads <= 3 * METERS, calls
        crowd.vanish()
        await crowd.gone()


async def test_peers_that_do_not_read_are_aborted_and_nobody_else_notices(tmp_path: Path) -> None:
    """What waits for them is the newest state of each operation, and that for so long as one message may take."""
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, METERS)
    async with connected(url):
        for number in range(2):
            await Group(id=f"g{number}", name="x" * 50_000).save()
    operations = [subscription("GroupPage", f"g{number % 2}", str(number)) for number in range(100)]
    environment = {REPORT: str(tmp_path / "report"), "BFF_LIMITS__SEND_SECONDS": "3"}
    with serve(url, APP, environment) as server:
        async with campaign(url, [server], METERS) as load:
            await load.progress(20)
            await load.healed()
            before = await footprint(server)
            there = (await metrics(server))["bff_sockets"]
            deaf = [await _deaf(server, operations) for _ in range(PEERS)]
            load.resume()
            most = queued = 0
            while not all(writer.is_closing() for _, writer in deaf) and (await metrics(server))["bff_sockets"] > there:
                await load.progress(5)
                most = max(most, (await footprint(server)).rss)
                queued = max(queued, int((await metrics(server))["bff_socket_queued_bytes"]))
            await load.healed()
            logger.info(f"{PEERS} peers: at most {queued} bytes waited, memory grew by {most - before.rss}")
            assert queued <= PEERS * OUTBOX
            assert most - before.rss < ROOM + PEERS * ROOM_OF_EACH
            told = await metrics(server)
            assert told['bff_limit_refusals_total{limit="send_seconds"}'] == PEERS
        for _, writer in deaf:
            writer.transport.abort()


async def test_one_peer_that_does_not_read_delays_nobody(tmp_path: Path) -> None:
    """The same load with it and without it, by turns, in one run. The long form compares the 99th percentiles."""
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 4)
    async with connected(url):
        for number in range(2):
            await Group(id=f"g{number}", name="x" * 50_000).save()
    operations = [subscription("GroupPage", f"g{number % 2}", str(number)) for number in range(100)]
    kinds = ["without", "beside", "without again"]
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    with serve(url, APP, {"BFF_LIMITS__SEND_SECONDS": "60"}) as server:
        async with campaign(url, [server], 4) as load:
            await until(server, "bff_subscriptions", len(load.seen))
            there = (await metrics(server))["bff_sockets"]
            for turn in range(TURNS):
                for kind in kinds[turn % 3 :] + kinds[: turn % 3]:
                    peers = [await _deaf(server, operations)] if kind == "beside" else []
                    await load.progress(10)
                    load.took.clear()
                    await load.progress(WRITES)
                    took[kind] += load.took
                    assert (await metrics(server))["bff_sockets"] == there + len(peers)
                    for _, writer in peers:
                        writer.transport.abort()
                    await until(server, "bff_sockets", there)
            await load.healed()
    p50, p99 = _percentiles(took["without"])
    for kind in kinds:
        median, late = (
            f"{one * 1000:.1f} ms ({one / other:.2f})" for one, other in zip(_percentiles(took[kind]), (p50, p99), strict=True)
        )
        logger.info(f"{kind}: {len(took[kind])} states, p50 {median}, p99 {late}")
    if CHAOS:
        assert _percentiles(took["beside"])[1] < LATER * _percentiles(took["without"] + took["without again"])[1]


def _percentiles(took: Sequence[float]) -> tuple[float, float]:
    """The median, and what one in a hundred is beyond."""
    ordered = sorted(took)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


async def until(server: BffServer, name: str, value: float) -> None:
    """Ask for a metric until it says so. Raises TimeoutError."""
    async with asyncio.timeout(30):
        while (await metrics(server))[name] != value:
            pass


async def _deaf(server: BffServer, operations: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket that has asked for much and reads nothing of it."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    place.setblocking(False)
    await asyncio.get_running_loop().sock_connect(place, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=place, limit=1024)
    protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{server.port}/graphql"), subprotocols=[SUBPROTOCOL])
    protocol.send_request(protocol.connect())
    writer.write(b"".join(protocol.data_to_send()))
    while protocol.state is not State.OPEN:
        protocol.receive_data(await reader.read(1024))
        protocol.events_received()
    protocol.send_text(INIT.encode())
    writer.write(b"".join(protocol.data_to_send()))
    while not protocol.events_received():
        protocol.receive_data(await reader.read(1024))
    writer.transport.pause_reading()
    for operation in operations:
        protocol.send_text(operation.encode())
    writer.write(b"".join(protocol.data_to_send()))
    return reader, writer
