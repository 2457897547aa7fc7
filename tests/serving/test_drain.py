"""Draining: mutations that have begun are answered, subscriptions are ended such that clients come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient

pytestmark = pytest.mark.anyio

DOCK = 'mutation { dock(gate: "g") }'
TICKS = 'subscription { ticks(topic: "t") }'


async def test_a_socket_without_a_mutation_is_closed_at_once(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        await client.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 1)
        await app.drain()
        await client.expect_close(1012)
    assert harbour.open == 0
    async with GraphQLWSClient.to_app(app) as late:
        await late.expect_close(1012)


async def test_a_mutation_that_has_begun_is_answered_before_its_socket_is_closed(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        await client.subscribe(TICKS)
        docking = await client.subscribe(DOCK)
        await harbour.reached["g"].wait()
        draining = asyncio.create_task(app.drain())
        await asyncio.sleep(0)
        ignored = await client.subscribe('mutation { dock(gate: "late") }')
        assert await client.ping() is None, "it is still read"
        assert not draining.done()
        harbour.gates["g"].set()
        assert (await client.next(docking))["data"]["dock"] == 1
        await client.expect_complete(docking)
        await client.expect_close(1012)
        await draining
        assert client.waiting(ignored) == []
    assert harbour.docked == 1, "what came during the drain was not begun"


async def test_a_drain_that_is_given_up_leaves_the_socket_to_the_shutdown(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        await client.subscribe(DOCK)
        await harbour.reached["g"].wait()
        draining = asyncio.create_task(app.drain())
        await client.ping()
        draining.cancel()
        await asyncio.wait({draining})
        ending = asyncio.create_task(app.shutdown())
        await client.expect_close(1012)
        harbour.gates["g"].set()
        await ending
    assert harbour.docked == 1


async def test_streams_over_http_are_ended_such_that_their_clients_come_back(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLSSEClient.to_app(app) as client, client.stream(TICKS) as stream:
        await harbour.until(lambda: harbour.open == 1)
        await app.drain()
        assert await stream.inbox.expect_end() == "the server has ended it"
    assert harbour.open == 0
