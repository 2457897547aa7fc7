"""Planned operations: what is sent, who makes it, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from bff.serving.asgi import GraphQLApp, graphql_app
from bff.serving.limits import Limits
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from tests.serving.board import STATE, Board
from tests.transports import TRANSPORTS, subscribed

pytestmark = pytest.mark.anyio

QUERY = "query State($key: String!) { state(key: $key) { key number text } }"
WITHOUT_VERSIONS = [transport for transport in TRANSPORTS if transport != "event stream"]
"""Where results need not say which version they show: there they are planned."""

Connect = Callable[[GraphQLApp], AbstractAsyncContextManager[GraphQLWSClient]]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def app(board: Board) -> GraphQLApp:
    return served(board)


def served(board: Board, **limits: Any) -> GraphQLApp:
    return graphql_app(board.schema, board.context, plans=board, limits=Limits(**limits))


@pytest.fixture(params=["any server", "uvicorn"])
def connect(request: pytest.FixtureRequest, listen: Any) -> Connect:
    """A client over a socket that a task writes, and over one that the pump does."""

    @asynccontextmanager
    async def connected(app: GraphQLApp) -> AsyncIterator[GraphQLWSClient]:
        if request.param == "uvicorn":
            async with listen(app) as (host, _), GraphQLWSClient.to_url(f"ws://{host}/graphql") as client:
                await client.init()
                yield client
        else:
            async with GraphQLWSClient.to_app(app) as client:
                await client.init()
                yield client

    return connected


def state(number: int, key: str = "a") -> dict[str, Any]:
    return {"data": {"state": {"key": key, "number": number, "text": ""}}}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_present_state_comes_first_and_then_each_that_is_read(app: GraphQLApp, board: Board, transport: str) -> None:
    async with subscribed(transport, app, STATE) as result:
        assert await result() == state(0)
        for _ in range(3):
            assert await result_after(board.change, result) == state(board.numbers["a"])
    await board.until_open(0)
    assert board.executed == (1 if transport == "event stream" else 0)


async def result_after(change: Callable[[], Any], result: Any) -> Any:
    change()
    return await result()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_graphql_core_goes_on_where_a_plan_cannot(app: GraphQLApp, board: Board, transport: str) -> None:
    board.unsayable = {2}
    async with subscribed(transport, app, STATE) as result:
        assert await result() == state(0)
        for number in (1, 2, 3):
            assert await result_after(board.change, result) == state(number)
        assert board.open == 0
        assert board.executed == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_graphql_core_opens_what_a_plan_does_not(
    app: GraphQLApp, board: Board, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    board.opens = False
    async with subscribed(transport, app, STATE) as result:
        assert await result() == state(0)
    board.failing = KeyError("secret") if transport == "multipart" else RuntimeError("secret")
    with caplog.at_level(logging.ERROR, "bff.serving"):
        async with subscribed(transport, app, STATE) as result:
            assert await result() == state(0)
            assert await result_after(board.change, result) == state(1)
    assert board.executed == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_asks_for_more_than_graphql_has_is_not_planned(app: GraphQLApp, board: Board, transport: str) -> None:
    async with subscribed(transport, app, STATE, {"patch": True}) as result:
        assert (await result())["data"] == state(0)["data"]
        assert board.open == 0
        assert board.executed == 1


@pytest.mark.parametrize("later", [False, True])
async def test_a_planned_query_is_answered_by_its_plan(board: Board, app: GraphQLApp, connect: Connect, later: bool) -> None:
    board.answers_later = later
    async with connect(app) as client:
        assert await client.execute(QUERY, {"key": "b"}) == state(0, "b")
        assert board.executed == 0
        board.unsayable = {0}
        assert await client.execute(QUERY, {"key": "b"}) == state(0, "b")
        assert board.executed == 1


async def test_live_updates_that_end_complete_it_after_the_last_state(board: Board, app: GraphQLApp, connect: Connect) -> None:
    async with connect(app) as client:
        id = await client.subscribe(STATE)
        assert await client.next(id) == state(0)
        board.change()
        board.end()
        assert await client.next(id) == state(1)
        await client.expect_complete(id)
        assert board.open == 0
        assert await client.next(await client.subscribe(STATE, id=id)) == state(1)


async def test_each_id_has_its_own_state(board: Board, app: GraphQLApp, connect: Connect) -> None:
    ids = {'"': "a", "\\u0000 \\": "b", "ünïcode 🚢": "c", "x" * 130: "a", "\x1f": "b"}
    async with connect(app) as client:
        for id, key in ids.items():
            await client.subscribe(STATE, {"key": key}, id=id)
            assert await client.next(id) == state(0, key)
        for key in "abc":
            board.change(key)
        for id, key in ids.items():
            assert await client.next(id) == state(1, key)
        assert not client.waiting()


async def test_a_thousand_on_one_socket_leave_nothing_behind(board: Board, app: GraphQLApp, connect: Connect) -> None:
    async with connect(app) as client:
        before = asyncio.all_tasks()
        ids = [await client.subscribe(STATE, {"key": str(number)}) for number in range(1000)]
        for number, id in enumerate(ids):
            assert await client.next(id) == state(0, str(number))
        assert board.open == 1000
        await client.ping()
        # None of them has a task.
        assert asyncio.all_tasks() == before
        errors = await client.expect_error(await client.subscribe(STATE))
        assert errors[0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        for id in ids[:500]:
            await client.complete(id)
        await client.ping()
        assert board.open == 500
        for key in ("0", "999"):
            board.change(key)
        assert await client.next(ids[999]) == state(1, "999")
        assert not client.waiting(ids[0])
    await board.until_open(0)


async def test_completed_while_it_is_being_opened_it_is_closed(board: Board, app: GraphQLApp, connect: Connect) -> None:
    board.opening.clear()
    async with connect(app) as client:
        id = await client.subscribe(STATE)
        await client.complete(id)
        await client.ping()
        board.opening.set()
        await client.ping()
        assert board.open == 0
        assert await client.next(await client.subscribe(STATE, id=id)) == state(0)


async def test_woken_while_it_is_being_opened_it_starts_with_the_newest(board: Board, app: GraphQLApp, connect: Connect) -> None:
    board.opening.clear()
    async with connect(app) as client:
        id = await client.subscribe(STATE)
        await client.ping()
        board.change()
        board.opening.set()
        assert await client.next(id) == state(1)


async def test_a_shutdown_closes_them(board: Board, app: GraphQLApp, connect: Connect) -> None:
    async with connect(app) as client:
        await client.next(await client.subscribe(STATE))
        await app.shutdown()
        assert board.open == 0
        await client.expect_close(1012)


async def test_variables_that_are_wrong_are_refused_as_ever(app: GraphQLApp, connect: Connect) -> None:
    async with connect(app) as client:
        with pytest.raises(OperationFailed, match="key"):
            await client.next(await client.subscribe(STATE, {"key": 1}))
