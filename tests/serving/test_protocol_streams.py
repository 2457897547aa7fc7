"""PROTOCOL.md, Streams over HTTP: what event streams and multipart responses have in common."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from bff.testing.graphql_multipart import ACCEPT, GraphQLMultipartClient
from bff.testing.graphql_sse import Ended, GraphQLSSEClient, Refused

pytestmark = pytest.mark.anyio

TICKS = 'subscription { ticks(topic: "a") }'
EVENTS = "text/event-stream"


@pytest.fixture(params=[GraphQLSSEClient, GraphQLMultipartClient], ids=["event stream", "multipart"])
def client_of(request: pytest.FixtureRequest) -> Any:
    return request.param


async def turns() -> None:
    """Let everything run that can run."""
    for _ in range(50):
        await asyncio.sleep(0)


async def posted(app: Any, query: str, accept: str | None, method: str = "POST") -> httpx.Response:
    async with GraphQLSSEClient.to_app(app) as client:
        headers = {} if accept is None else {"Accept": accept}
        given: dict[str, Any] = {"json": {"query": query}} if method == "POST" else {"params": {"query": query}}
        return await client.http.request(method, "/graphql", headers=headers, **given)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("text/event-stream", EVENTS),
        ("text/event-stream; charset=utf-8", EVENTS),
        ('multipart/mixed;boundary="graphql";subscriptionSpec="1.0"', "multipart/mixed"),
        ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json;q=0.9", "multipart/mixed"),
        ("multipart/mixed; subscriptionspec=1.0; q=0.5, Text/Event-Stream", EVENTS),
        ("text/event-stream, multipart/mixed", EVENTS),
        ("application/json, text/event-stream", EVENTS),
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/event-stream;q=0, application/json", "application/json"),
    ],
)  # fmt: skip
async def test_r54_the_stream_that_a_client_likes_most(serve: Any, accept: str | None, answered: str) -> None:
    response = await posted(serve(), "subscription { count(to: 2) }", accept)
    assert response.headers["content-type"].startswith(answered)
    assert response.status_code == (400 if answered == "application/json" else 200)


@pytest.mark.parametrize(
    ("accept", "status"), [("multipart/mixed", 406), ("text/html", 406), ("multipart/mixed;subscriptionSpec=2.0", 406)]
)
async def test_r54_a_client_that_takes_nothing_of_ours(serve: Any, accept: str, status: int) -> None:
    assert (await posted(serve(), "subscription { count(to: 2) }", accept)).status_code == status


@pytest.mark.parametrize(
    ("accept", "answered", "status"),
    [
        ("text/event-stream", EVENTS, 200),
        ("application/json, text/event-stream", "application/json", 200),
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", "application/graphql", 200),
        ("application/json;q=0.5, text/event-stream", EVENTS, 200),
        ("text/event-stream;q=0.5, */*", "application/json", 200),
        ("text/event-stream, */*;q=0.5", EVENTS, 200),
        ("text/event-stream;q=nan", "application/json", 406),
        (ACCEPT, "application/graphql-response+json", 200),
        ("multipart/mixed;subscriptionSpec=1.0", "application/json", 406),
    ],
)
async def test_r55_a_query_is_a_stream_only_where_that_is_liked_more_than_json(
    serve: Any, accept: str, answered: str, status: int
) -> None:
    response = await posted(serve(), "{ greeting }", accept)
    assert (response.status_code, response.headers["content-type"].startswith(answered)) == (status, True)


@pytest.mark.parametrize("accept", [EVENTS, ACCEPT])
async def test_r56_get_executes_subscriptions_and_never_mutations(serve: Any, harbour: Any, accept: str) -> None:
    response = await posted(serve(), "subscription { count(to: 2) }", accept, "GET")
    assert response.status_code == 200
    assert '"count":2' in response.text
    assert (await posted(serve(), "mutation { dock }", accept, "GET")).status_code == 405
    assert harbour.docked == 0


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("accept", [EVENTS, ACCEPT])
async def test_r56_what_a_foreign_page_can_send_is_not_executed(serve: Any, harbour: Any, accept: str, content_type: str) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        headers = {"Accept": accept, "Content-Type": content_type}
        response = await client.http.post("/graphql", content='{"query": "mutation { dock }"}', headers=headers)
    assert response.status_code == 415
    assert harbour.docked == 0


async def test_r57_the_next_event_is_taken_when_the_result_before_has_been_sent(serve: Any, harbour: Any, client_of: Any) -> None:
    async with client_of.to_app(serve()) as client:
        request = client.http.build_request("POST", "/graphql", json={"query": TICKS}, headers={"Accept": f"{EVENTS}, {ACCEPT}"})
        response = await client.http.send(request, stream=True)
        for number in range(100):
            harbour.topics["a"].put_nowait(number)
        await turns()
        # One waits for the peer, one is in its hands.
        assert harbour.produced <= 3
        await response.aclose()
        assert harbour.open == 0


async def test_r57_a_source_that_never_waits_keeps_nobody_else_from_anything(serve: Any, harbour: Any, client_of: Any) -> None:
    async with client_of.to_app(serve()) as client:
        async with client.stream('subscription { ticks(topic: "endless") }') as stream:
            await stream.next()
        await harbour.until(lambda: harbour.open == 0)


async def test_r58_a_client_that_disconnects_ends_the_source(serve: Any, harbour: Any, listen: Any, client_of: Any) -> None:
    app = serve()
    async with listen(app) as (host, _), client_of.to_url(f"http://{host}/graphql") as client:
        async with client.stream(TICKS) as stream:
            harbour.topics["a"].put_nowait(1)
            assert await stream.next() == {"data": {"ticks": 1}}
            assert harbour.open == 1
        await harbour.until(lambda: harbour.open == 0)
        await until_none_is_open(app)


@pytest.mark.parametrize("raised", [OSError("gone"), RuntimeError("the handler is closed")])
async def test_r58_whatever_a_server_raises_for_a_peer_that_has_gone(
    serve: Any, harbour: Any, caplog: pytest.LogCaptureFixture, raised: Exception
) -> None:
    """uvloop's transports raise RuntimeError."""
    app = serve()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False} if not app.http_handler.streams else await never.wait()

    async def send(message: Any) -> None:
        if b"ticks" in message.get("body", b""):
            raise raised

    never = asyncio.Event()
    harbour.topics["a"].put_nowait(1)
    query = quote(TICKS)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": f"query={query}".encode(),
        "headers": [(b"accept", EVENTS.encode())],
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    assert (app.http_handler.streams, harbour.open) == (0, 0)
    assert not caplog.records


async def test_r58_a_stubborn_source_is_cancelled_again(serve: Any, harbour: Any, client_of: Any) -> None:
    async with client_of.to_app(serve(close_seconds=0.05)) as client:
        async with client.stream('subscription { stubborn(topic: "a") }') as stream:
            await stream.next()
        await harbour.until(lambda: harbour.open == 0)


async def test_r59_a_mutation_that_has_begun_runs_to_its_end(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLSSEClient.to_app(app) as client:
        body = {"query": 'mutation { dock(gate: "g") }'}
        request = client.http.build_request("POST", "/graphql", json=body, headers={"Accept": EVENTS})
        response = await client.http.send(request, stream=True)
        async with asyncio.timeout(10):
            await harbour.reached["g"].wait()
            leaving = asyncio.create_task(response.aclose())
            await turns()
            assert harbour.docked == 0
            harbour.gates["g"].set()
            await leaving
    assert harbour.docked == 1


async def test_r59_but_not_for_ever(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve(mutation_seconds=0.05)) as client:
        body = {"query": 'mutation { dock(gate: "g") }'}
        request = client.http.build_request("POST", "/graphql", json=body, headers={"Accept": EVENTS})
        response = await client.http.send(request, stream=True)
        async with asyncio.timeout(10):
            await harbour.reached["g"].wait()
            await response.aclose()
    assert harbour.docked == 0


async def test_r60_a_peer_that_does_not_read_is_dropped(serve: Any, harbour: Any, listen: Any) -> None:
    app = serve(send_seconds=0.3)
    async with listen(app) as (host, _):
        name, port = host.split(":")
        with socket.create_connection((name, int(port))) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = b'{"query": "subscription { anythings(topic: \\"a\\") }"}'
            head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nAccept: {EVENTS}\r\nContent-Type: application/json\r\n"
            peer.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await harbour.until(lambda: harbour.open == 1)
            for _ in range(100):
                harbour.topics["a"].put_nowait("x" * 1_000_000)
            await harbour.until(lambda: harbour.open == 0)
            await until_none_is_open(app)


async def test_r61_a_silent_stream_carries_heartbeats(serve: Any, harbour: Any) -> None:
    app = serve(ping_seconds=0.05)
    async with GraphQLMultipartClient.to_app(app) as client, client.stream(TICKS) as stream:
        for _ in range(3):
            await stream.heartbeat()
        harbour.topics["a"].put_nowait(1)
        assert await stream.next() == {"data": {"ticks": 1}}
    async with GraphQLSSEClient.to_app(app) as events:
        body = {"query": TICKS}
        request = events.http.build_request("POST", "/graphql", json=body, headers={"Accept": EVENTS})
        response = await events.http.send(request, stream=True)
        comments = 0
        async with asyncio.timeout(10):
            async for text in response.aiter_text():
                assert text == ":\n\n"
                comments += 1
                if comments == 4:
                    break
        await response.aclose()


async def test_r62_a_stream_too_many_is_answered_503(serve: Any, harbour: Any, client_of: Any) -> None:
    async with client_of.to_app(serve(streams=1)) as client:
        async with client.stream(TICKS):
            with pytest.raises(Refused) as refused:
                async with client.stream(TICKS):
                    pass
            assert refused.value.status == 503
            assert "TOO_MANY_STREAMS" in refused.value.body
        async with client.stream("subscription { count(to: 1) }") as stream:
            assert await stream.next() == {"data": {"count": 1}}


async def test_r63_a_shutdown_ends_every_stream_and_refuses_new_ones(serve: Any, harbour: Any, client_of: Any) -> None:
    app = serve()
    async with client_of.to_app(app) as client:
        async with client.stream(TICKS) as stream:
            await harbour.until(lambda: harbour.open == 1)
            async with asyncio.timeout(10):
                closing = asyncio.create_task(app.shutdown())
                assert await stream.inbox.expect_end() == "the server has ended it"
                await closing
            assert harbour.open == 0
            with pytest.raises(Ended):
                await stream.next()
        with pytest.raises(Refused, match="503"):
            async with client.stream(TICKS):
                pass


async def test_r63_a_stream_does_not_keep_the_server_alive(serve: Any, harbour: Any, listen: Any, client_of: Any) -> None:
    opened: list[AbstractAsyncContextManager[Any]] = []
    async with client_of.to_url("") as client:
        async with listen(serve()) as (host, server):
            client.url = f"http://{host}/graphql"
            opened.append(client.stream(TICKS))
            stream = await opened[0].__aenter__()
            await harbour.until(lambda: harbour.open == 1)
            server.should_exit = True
            await harbour.until(lambda: harbour.open == 0, 5)
            assert await stream.inbox.expect_end() == "the server has ended it"
        await opened[0].__aexit__(None, None, None)


async def until_none_is_open(app: Any, turn: Callable[[], Any] = turns) -> None:
    async with asyncio.timeout(10):
        while app.http_handler.streams:
            await turn()


async def test_r63_nor_does_one_that_is_opened_while_it_stops(serve: Any, harbour: Any, listen: Any) -> None:
    """A request that was under way when the server was told to stop, and becomes a stream then."""
    async with GraphQLSSEClient.to_url("") as client, listen(serve()) as (host, server):
        name, port = host.split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        body = b'{"query": "subscription { ticks(topic: \\"a\\") }"}'
        head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nAccept: {EVENTS}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
        await writer.drain()
        client.url = f"http://{host}/graphql"
        assert (await client.http.post(client.url, json={"query": "{ greeting }"})).status_code == 200
        server.should_exit = True
        async with asyncio.timeout(10):
            while server.servers[0].sockets:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        writer.write(body[-1:])
        async with asyncio.timeout(5):
            received = await reader.read()
        assert b"200 OK" in received
        writer.close()
    assert harbour.open == 0
