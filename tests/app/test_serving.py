"""``bff serve`` as a process: what it hands to its server."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bff.testing.graphql_sse import GraphQLSSEClient
from tests.serve import MEETING_ROOM, BffServer, seed, serve

pytestmark = pytest.mark.anyio

WATCH = 'subscription { meetingSession(id: "meeting_1") { inSession } }'


@pytest.mark.parametrize("on", [False, True])
async def test_messages_are_compressed_where_the_setting_says_so(tmp_path: Path, on: bool) -> None:
    url = f"sqlite:///{tmp_path / 'bff.db'}"
    with serve(url, settings={"BFF_WEBSOCKET_COMPRESSION": str(on)}) as server:
        address = f"ws://127.0.0.1:{server.port}/graphql"
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(address, subprotocols=[protocol], compression="deflate", proxy=None) as socket:
            await socket.send('{"type": "connection_init"}')
            assert await socket.recv() == '{"type":"connection_ack"}'
            assert bool(socket.protocol.extensions) == on


async def test_an_open_stream_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bff.db'}"
    seed(url)
    with serve(url) as server:
        async with GraphQLSSEClient.to_url(f"{server.url}/graphql") as client, client.stream(WATCH) as stream:
            assert (await stream.next())["data"]["meetingSession"]["inSession"] is True
            async with client.single_connection() as single:
                await single.next(await single.subscribe(WATCH))
                began = time.monotonic()
                server.stop()
                assert time.monotonic() - began < 8, "uvicorn's own patience is longer"
                for inbox in (stream.inbox, single.inbox):
                    assert await inbox.expect_end() == "the server has ended it"


def test_its_log_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    server = BffServer(MEETING_ROOM, f"sqlite:///{tmp_path / 'bff.db'}")
    server.options = ["--log-format", "json"]
    try:
        server.start()
        with urllib.request.urlopen(f"{server.url}/metrics") as response:
            assert b"bff_sockets 0" in response.read()
            assert len(response.headers["X-Request-Id"]) == 32
        server.terminate()
        server.wait()
        lines = [json.loads(line) for line in server.output().splitlines()]
    finally:
        server.kill()
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any(line["message"].startswith("Uvicorn running on") for line in lines)
    assert all(line["level"] == "info" for line in lines), lines
