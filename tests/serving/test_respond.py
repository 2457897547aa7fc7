"""A whole answer in one piece is, on the wire, what uvicorn's own ``send`` makes of the two messages of ASGI."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest
from starlette.middleware.cors import CORSMiddleware

from bff.serving.responses import RESPOND_EXTENSION
from tests.serving.planned import ExecutedPlans

pytestmark = pytest.mark.anyio

QUERY = orjson.dumps({"query": "{ big(size: 2000) }"})
LARGE = orjson.dumps({"query": "{ big(size: 3000000) }"})
DATE = re.compile(rb"date: [^\r]+")


def request(body: bytes = QUERY, *lines: bytes, version: bytes = b"1.1") -> bytes:
    head = [b"POST /graphql HTTP/%b" % version, b"host: x", b"content-type: application/json", *lines]
    return b"\r\n".join([*head, b"content-length: %d" % len(body), b"", body])


class Server:
    """The same application twice: as it is, and where the extension is taken away."""

    def __init__(self, app: Any, respond: bool) -> None:
        self._app = app
        self._respond = respond
        self.answered: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        respond = scope["extensions"].pop(RESPOND_EXTENSION)
        if self._respond:

            def noted(*answer: Any) -> bool:
                self.answered.append(respond(*answer))
                return self.answered[-1]

            scope["extensions"][RESPOND_EXTENSION] = noted
        await self._app(scope, receive, send)


@pytest.fixture(autouse=True)
def _no_access_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``bff serve`` has it; pytest listens even to loggers that nobody else listens to."""
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "hasHandlers", lambda: False)


@pytest.fixture
async def servers(harbour: Any, serve: Any, listen: Any) -> AsyncIterator[dict[Server, int]]:
    """Each with its port."""
    app = serve(plans=ExecutedPlans(harbour.schema))
    async with AsyncExitStack() as stack:
        ports = {}
        for respond in (True, False):
            server = Server(app, respond)
            host, _ = await stack.enter_async_context(listen(server))
            ports[server] = int(host.rpartition(":")[2])
        yield ports


async def said(port: int, *sent: bytes, until: int) -> bytes:
    """What a connection is answered: so many answers, or until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000_000)
    read = bytearray()
    try:
        async with asyncio.timeout(10):
            for part in sent:
                writer.write(part)
                await writer.drain()
            while not read.endswith(b"}}") or read.count(b"HTTP/1.1 200") < until:
                part = await reader.read(1_000_000)
                if not part:
                    break
                read += part
    finally:
        writer.close()
        await writer.wait_closed()
    return DATE.sub(b"date: now", read)


@pytest.mark.parametrize(
    ("sent", "pieces", "answers"),
    [
        ([request()], 1, 1),
        ([request() * 5], 5, 5),
        ([request()[:-5], request()[-5:]], 1, 1),
        ([request(QUERY, b"expect: 100-continue")], 1, 1),
        ([request(QUERY, b"accept-encoding: gzip;q=0", b"accept: application/graphql-response+json")], 1, 1),
        ([request(QUERY, b"connection: close")], 0, 1),
        ([request(QUERY, version=b"1.0")], 0, 1),
    ],
)
async def test_it_is_the_same_on_the_wire(servers: dict[Server, int], sent: list[bytes], pieces: int, answers: int) -> None:
    texts = []
    for server, port in servers.items():
        await said(port, request(), until=1)
        server.answered.clear()
        texts.append(await said(port, *sent, until=answers))
        assert sum(server.answered) == (pieces if server._respond else 0)
    assert texts[0] == texts[1]
    assert texts[0].count(b"HTTP/1.1 200") == answers


async def test_a_peer_that_does_not_read_is_waited_for(servers: dict[Server, int]) -> None:
    """What is written while nothing leaves is not piled up: from the second answer on it is sent as ASGI has it."""
    for server, port in servers.items():
        await said(port, request(LARGE), until=1)
        server.answered.clear()
        text = await said(port, request(LARGE) * 6, until=6)
        assert text.count(b"HTTP/1.1 200") == 6
        assert len(text) > 6 * 3_000_000
        if server._respond:
            assert False in server.answered


async def test_whoever_looks_at_what_is_sent_sees_it(harbour: Any, serve: Any, listen: Any) -> None:
    app = CORSMiddleware(serve(plans=ExecutedPlans(harbour.schema)), allow_origins=["https://app.example.com"])
    async with listen(app) as (host, _):
        port = int(host.rpartition(":")[2])
        for _ in range(2):
            text = await said(port, request(QUERY, b"origin: https://app.example.com"), until=1)
            assert b"access-control-allow-origin: https://app.example.com" in text
