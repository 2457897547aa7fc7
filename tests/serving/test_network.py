"""What only a real network shows: peers that stop reading, on a real uvicorn."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bff.serving.asgi import graphql_app
from bff.serving.limits import Limits
from bff.testing.graphql_ws import GraphQLWSClient
from tests.serving.board import STATE, Board

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def mute(host: str) -> AsyncIterator[socket.socket]:
    """A client that has opened its WebSocket and sent connection_init, and reads nothing any more."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        address, _, port = host.partition(":")
        await loop.sock_connect(raw, (address, int(port)))
        handshake = (
            f"GET /graphql HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )
        await loop.sock_sendall(raw, handshake.encode())
        assert b" 101 " in await loop.sock_recv(raw, 4096)
        await loop.sock_sendall(raw, frame({"type": "connection_init"}))
        assert b"connection_ack" in await loop.sock_recv(raw, 4096)
        yield raw


def frame(message: dict[str, Any]) -> bytes:
    payload, mask = json.dumps(message).encode(), os.urandom(4)
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0x80 | 126]) + struct.pack("!H", len(payload))
    return b"\x81" + length + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


async def test_a_peer_that_never_reads_is_dropped_and_its_memory_freed(serve: Any, harbour: Any, listen: Any) -> None:
    app = serve(send_seconds=0.2)
    async with listen(app) as (host, server), GraphQLWSClient.to_url(f"ws://{host}/graphql") as other:
        await other.init()
        async with mute(host) as raw:
            query = 'subscription { states(topic: "a") }'
            await asyncio.get_running_loop().sock_sendall(
                raw, frame({"type": "subscribe", "id": "1", "payload": {"query": query}})
            )
            await harbour.until(lambda: harbour.opened["a"] == 1)
            for _ in range(200):
                harbour.topics["a"].put_nowait("x" * 100_000)
                await asyncio.sleep(0)
            # Nobody else waits for it.
            assert await other.execute("{ greeting }") == {"data": {"greeting": "hello you"}}
            await harbour.until(lambda: harbour.closed["a"] == 1)
            # uvicorn has let go of the connection, too, although the peer has read nothing and has not gone:
            # it was aborted. A polite close would wait behind what it has not read.
            await other.ping()
            assert len(server.server_state.connections) == 1
            assert app.websocket_handler.sockets == 1


async def test_a_slow_reader_delays_no_other_and_gets_the_last_state(serve: Any, harbour: Any, listen: Any) -> None:
    async with listen(serve()) as (host, _), GraphQLWSClient.to_url(f"ws://{host}/graphql") as other:
        await other.init()
        watching = await other.subscribe('subscription { ticks(topic: "b") }')
        async with mute(host) as raw:
            query = 'subscription { states(topic: "a") }'
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(raw, frame({"type": "subscribe", "id": "1", "payload": {"query": query}}))
            await harbour.until(lambda: harbour.opened["a"] == 1)
            for number in range(300):
                harbour.topics["a"].put_nowait("x" * 50_000)
                harbour.topics["b"].put_nowait(number)
                assert await other.next(watching) == {"data": {"ticks": number}}
            harbour.topics["a"].put_nowait("the last")
            received = b""
            async with asyncio.timeout(10):
                while b"the last" not in received[-200:]:
                    received += await loop.sock_recv(raw, 65536)
            assert len(received) < 300 * 50_000


@asynccontextmanager
async def watched(board: Board, listen: Any, **limits: Any) -> AsyncIterator[tuple[GraphQLWSClient, socket.socket, Any]]:
    """Two that follow the same state by a plan: one reads, the other does not any more. And their server."""
    app = graphql_app(board.schema, board.context, plans=board, limits=Limits(**limits))
    async with listen(app) as (host, server), GraphQLWSClient.to_url(f"ws://{host}/graphql") as other:
        await other.init()
        async with mute(host) as raw:
            ask = {"type": "subscribe", "id": "1", "payload": {"query": STATE}}
            await asyncio.get_running_loop().sock_sendall(raw, frame(ask))
            await other.next(await other.subscribe(STATE, id="1"))
            await board.until_open(2)
            yield other, raw, server


async def test_a_plan_gives_a_slow_reader_the_newest_state_only(listen: Any) -> None:
    board = Board()
    board.filling = "x" * 50_000
    async with watched(board, listen) as (other, raw, _):
        for _ in range(300):
            number = board.change()
            assert (await other.next("1"))["data"]["state"]["number"] == number
        received = b""
        async with asyncio.timeout(10):
            while not received.endswith(b"}}}}") or b'"number":300,' not in received[-60_000:]:
                received += await asyncio.get_running_loop().sock_recv(raw, 65536)
        # What was in the buffers of both hosts, and then the last one.
        assert len(received) < 300 * 50_000
        numbers = [int(found) for found in re.findall(rb'"number":(\d+),', received)]
        assert numbers == sorted(set(numbers))
        assert board.executed == 0


async def test_a_peer_that_never_reads_what_a_plan_says_is_dropped(listen: Any) -> None:
    board = Board()
    board.filling = "x" * 100_000
    async with watched(board, listen, send_seconds=0.2) as (other, _, server):
        async with asyncio.timeout(10):
            while board.open == 2:
                number = board.change()
                assert (await other.next("1"))["data"]["state"]["number"] == number
        await other.ping()
        assert len(server.server_state.connections) == 1
