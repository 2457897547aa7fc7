"""PROTOCOL.md, Bounds: on a socket whose other end takes messages one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from bff.serving.documents import Documents
from bff.serving.limits import Limits
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operations
from bff.serving.session import Session
from bff.serving.wire import Disconnected
from bff.testing.graphql_ws import GraphQLWSClient

pytestmark = pytest.mark.anyio


class SlowPeer:
    """A Socket whose peer reads when the test says so."""

    frames = None
    address = None

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[str | None] = asyncio.Queue(10_000)
        self.reading: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
        self.writing = asyncio.Event()  # set while a message waits for the peer
        self.received = 0
        self.aborted = False
        self.closed: int | None = None
        self._permits = asyncio.Semaphore(0)

    def connection(self) -> HTTPConnection:
        return HTTPConnection({"type": "websocket", "headers": []})

    async def receive(self) -> str:
        frame = await self.incoming.get()
        if frame is None:
            raise Disconnected
        self.received += 1
        return frame

    async def send(self, text: bytes) -> None:
        self.writing.set()
        await self._permits.acquire()
        self.writing.clear()
        await self.reading.put(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        self.closed = code

    def abort(self) -> None:
        self.aborted = True

    def say(self, type: str, **message: Any) -> None:
        self.incoming.put_nowait(json.dumps({"type": type, **message}))

    def ask(self, id: str, query: str) -> None:
        self.say("subscribe", id=id, payload={"query": query})

    async def read(self) -> dict[str, Any]:
        """Take one message."""
        self._permits.release()
        async with asyncio.timeout(10):
            return await self.reading.get()

    async def stuck(self) -> None:
        """Wait until the server has a message that we do not take."""
        async with asyncio.timeout(10):
            await self.writing.wait()


Peers = Callable[..., AbstractAsyncContextManager[SlowPeer]]


@pytest.fixture
def peers(harbour: Any) -> Peers:
    @asynccontextmanager
    async def open_peer(acknowledged: bool = True, occupancy: Occupancy | None = None, **limits: Any) -> AsyncIterator[SlowPeer]:
        bounds = Limits(**limits)
        operations = Operations(harbour.schema, harbour.context, Documents(harbour.schema, bounds))
        peer = SlowPeer()
        session = Session(peer, operations, bounds, occupancy=occupancy)
        task = asyncio.create_task(session.run())
        if acknowledged:
            peer.say("connection_init")
            assert await peer.read() == {"type": "connection_ack"}
        try:
            yield peer
        finally:
            peer.incoming.put_nowait(None)
            async with asyncio.timeout(10):
                await task
        assert harbour.open == 0

    return open_peer


async def turns() -> None:
    """Let everything run that can run."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_r38_too_many_operations_are_refused_one_by_one(serve: Any, harbour: Any) -> None:
    async with GraphQLWSClient.to_app(serve(operations=3)) as client:
        await client.init()
        running = [await client.subscribe('subscription { ticks(topic: "a") }') for _ in range(3)]
        await harbour.until(lambda: harbour.open == 3)
        errors = await client.expect_error(await client.subscribe("{ greeting }"))
        assert errors[0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await client.complete(running[0])
        await harbour.until(lambda: harbour.open == 2)
        await turns()
        assert await client.execute("{ greeting }")


async def test_r38_an_operation_that_still_closes_counts(serve: Any, harbour: Any) -> None:
    async with GraphQLWSClient.to_app(serve(operations=1)) as client:
        await client.init()
        id = await client.subscribe('subscription { stubborn(topic: "a") }')
        await client.next(id)
        await client.complete(id)
        errors = await client.expect_error(await client.subscribe("{ greeting }"))
        assert errors[0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        harbour.gates["a"].set()
        await harbour.until(lambda: harbour.open == 0)
        await turns()
        assert await client.execute("{ greeting }")


async def test_r38_who_asks_on_without_reading_is_closed(peers: Peers) -> None:
    async with peers(operations=5) as peer:
        for number in range(100):
            peer.ask(str(number), "{ greeting }")
        await turns()
        assert peer.closed == 1013
        assert peer.received < 20


async def test_r39_the_source_waits_for_a_slow_peer_and_no_event_is_skipped(peers: Peers, harbour: Any) -> None:
    async with peers() as peer:
        peer.ask("1", 'subscription { ticks(topic: "a") }')
        for number in range(100):
            harbour.topics["a"].put_nowait(number)
        await peer.stuck()
        await turns()
        # One with the socket, one in the outbox, one that waits for its place.
        assert harbour.produced == 3
        assert [(await peer.read())["payload"]["data"]["ticks"] for _ in range(100)] == list(range(100))


async def test_r40_the_newest_state_replaces_the_unsent_one(peers: Peers, harbour: Any) -> None:
    async with peers() as peer:
        peer.ask("1", 'subscription { states(topic: "a") }')
        harbour.topics["a"].put_nowait("0")
        await peer.stuck()
        for number in range(1, 40):
            harbour.topics["a"].put_nowait(str(number))
        await turns()
        assert harbour.produced == 40
        assert [(await peer.read())["payload"]["data"]["states"] for _ in range(2)] == ["0", "39"]
        harbour.topics["a"].put_nowait(StopAsyncIteration)
        assert (await peer.read())["type"] == "complete"


async def test_r40_the_last_state_comes_before_the_end(peers: Peers, harbour: Any) -> None:
    async with peers() as peer:
        peer.ask("1", 'subscription { states(topic: "a") }')
        harbour.topics["a"].put_nowait("first")
        await peer.stuck()
        for event in ("middle", "last", StopAsyncIteration):
            harbour.topics["a"].put_nowait(event)
        await turns()
        messages = [await peer.read() for _ in range(3)]
    assert [message["type"] for message in messages] == ["next", "next", "complete"]
    assert messages[1]["payload"]["data"] == {"states": "last"}


@pytest.mark.parametrize("field", ["states", "ticks"])
async def test_r40_a_source_that_never_waits_keeps_nobody_else_from_anything(serve: Any, harbour: Any, field: str) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        id = await client.subscribe(f'subscription {{ {field}(topic: "endless") }}')
        await client.next(id)
        assert await client.execute("{ greeting }") == {"data": {"greeting": "hello you"}}
        await client.complete(id)
        await harbour.until(lambda: harbour.open == 0)


async def test_r40_results_of_queries_and_mutations_are_never_replaced(peers: Peers, harbour: Any) -> None:
    async with peers() as peer:
        for number in range(20):
            peer.ask(str(number), "mutation { dock }")
        await peer.stuck()
        await turns()
        messages = [await peer.read() for _ in range(40)]
    assert [message["payload"]["data"]["dock"] for message in messages if message["type"] == "next"] == list(range(1, 21))
    assert [message["type"] for message in messages].count("complete") == 20


async def test_r41_the_unsent_text_is_bounded(peers: Peers, harbour: Any) -> None:
    async with peers(outbox_bytes=10_000) as peer:
        for number in range(50):
            peer.ask(str(number), "{ big(size: 1000) }")
            await turns()
        # Ten of a thousand fill the outbox, one is with the socket; the others are not executed yet.
        assert len(harbour.contexts) <= 12
        messages = [await peer.read() for _ in range(100)]
    assert {message["id"] for message in messages if message["type"] == "next"} == {str(number) for number in range(50)}


async def test_r42_unsent_pongs_are_bounded(peers: Peers) -> None:
    async with peers(outbox_controls=8) as peer:
        for number in range(1000):
            peer.say("ping", payload={"n": number})
        await peer.stuck()
        await turns()
        assert peer.received < 15
        assert [(await peer.read())["payload"]["n"] for _ in range(1000)] == list(range(1000))


async def test_r43_a_peer_that_does_not_read_is_dropped(peers: Peers, harbour: Any) -> None:
    async with peers(send_seconds=0.05) as peer:
        for number in range(10):
            peer.ask(str(number), 'subscription { ticks(topic: "a") }')
        await harbour.until(lambda: harbour.open == 10)
        harbour.topics["a"].put_nowait(1)
        await harbour.until(lambda: harbour.open == 0)
        assert peer.aborted
        assert peer.closed is None


async def test_r44_a_socket_too_many_is_closed(serve: Any) -> None:
    app = serve(sockets=1)
    async with GraphQLWSClient.to_app(app) as first:
        await first.init()
        async with GraphQLWSClient.to_app(app) as second:
            await second.expect_close(1013)
        assert await first.execute("{ greeting }")
    async with GraphQLWSClient.to_app(app) as third:
        await third.init()
