"""PROTOCOL.md, Ending; in process, and where the network matters on a real uvicorn."""

from __future__ import annotations

import asyncio
import gc
import logging
from types import AsyncGeneratorType
from typing import Any

import pytest

from bff.testing.graphql_ws import GraphQLWSClient

pytestmark = pytest.mark.anyio


async def crowd(client: GraphQLWSClient, harbour: Any, size: int) -> None:
    """An initialised client with many subscriptions and a query that runs."""
    before = harbour.open
    await client.init()
    for number in range(size):
        await client.subscribe("subscription ($t: String!) { ticks(topic: $t) }", {"t": str(number)})
    await client.subscribe('{ wait(gate: "never") }')
    await harbour.until(lambda: harbour.open == before + size)


async def only(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait until no other tasks are left: the sources have closed, the sessions have a few turns to go."""
    if rest := asyncio.all_tasks() - tasks:
        _, unfinished = await asyncio.wait(rest, timeout=10)
        assert not unfinished


def generators() -> int:
    gc.collect()
    return sum(1 for each in gc.get_objects() if type(each) is AsyncGeneratorType and each.__name__ == "source")


async def test_r45_a_client_that_closes_leaves_nothing_behind(serve: Any, harbour: Any) -> None:
    tasks, app = asyncio.all_tasks(), serve()
    async with GraphQLWSClient.to_app(app) as client:
        await crowd(client, harbour, 50)
    # Leaving the client has awaited the application's end.
    assert harbour.open == 0
    assert asyncio.all_tasks() == tasks
    assert generators() == 0
    assert app.websocket_handler.sockets == 0


async def test_r46_a_client_that_vanishes_leaves_nothing_behind(serve: Any, harbour: Any, listen: Any) -> None:
    app = serve()
    async with listen(app) as (host, _):
        tasks = asyncio.all_tasks()
        for _ in range(5):
            clients = [GraphQLWSClient.to_url(f"ws://{host}/graphql") for _ in range(4)]
            for client in clients:
                await client.__aenter__()
                await crowd(client, harbour, 20)
            for client in clients:
                await client.abort()
            await harbour.until(lambda: harbour.open == 0)
        await only(tasks)
        assert app.websocket_handler.sockets == 0
        assert generators() == 0


@pytest.mark.parametrize("completed", [False, True])
async def test_r47_a_mutation_that_has_begun_runs_to_its_end(serve: Any, harbour: Any, completed: bool) -> None:
    client = GraphQLWSClient.to_app(serve(close_seconds=0.01))
    await client.__aenter__()
    await client.init()
    id = await client.subscribe('mutation { dock(gate: "a") }')
    await harbour.reached["a"].wait()
    if completed:
        await client.complete(id)
        await client.ping()
    leaving = asyncio.create_task(client.abort())
    done, _ = await asyncio.wait([leaving], timeout=0.1)
    assert not done
    harbour.gates["a"].set()
    async with asyncio.timeout(10):
        await leaving
    assert harbour.docked == 1


async def test_r47_a_mutation_does_not_run_for_ever(serve: Any, harbour: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "bff.serving"):
        async with GraphQLWSClient.to_app(serve(mutation_seconds=0.05)) as client:
            await client.init()
            await client.subscribe('mutation { dock(gate: "never") }')
            await harbour.reached["never"].wait()
    assert harbour.docked == 0
    assert "still runs after 0.05 s" in caplog.text


async def test_r48_shutdown_closes_every_socket_so_that_clients_come_back(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLWSClient.to_app(app) as first, GraphQLWSClient.to_app(app) as second:
        await crowd(first, harbour, 5)
        await app.shutdown()
        assert harbour.open == 0
        for client in (first, second):
            assert (await client.expect_close(1012)).reason == "Service restart"
        async with GraphQLWSClient.to_app(app) as late:
            await late.expect_close(1012)


async def test_r48_uvicorn_shuts_down_with_sockets_open(serve: Any, harbour: Any, listen: Any) -> None:
    app = serve()
    async with listen(app) as (host, server), GraphQLWSClient.to_url(f"ws://{host}/graphql") as client:
        await crowd(client, harbour, 20)
        server.should_exit = True
        await client.expect_close(1012)
        await harbour.until(lambda: harbour.open == 0)


async def test_r48_a_session_that_the_server_cancels_leaves_nothing_behind(serve: Any, harbour: Any) -> None:
    """What uvicorn does when it is told to quit at once."""
    before, app = asyncio.all_tasks(), serve()
    serving: list[asyncio.Task[Any]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        serving.append(asyncio.ensure_future(app(scope, receive, send)))
        await asyncio.wait(serving)

    async with GraphQLWSClient.to_app(watched) as client:
        await crowd(client, harbour, 10)
        serving[0].cancel()
        await client.expect_close(1012)
        await asyncio.wait(serving)
        assert serving[0].cancelled()
        assert harbour.open == 0
    assert asyncio.all_tasks() == before
