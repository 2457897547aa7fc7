"""Whatever one client sends, it is answered by the rules, and nobody else feels it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.serving.asgi import graphql_app
from bff.serving.messages import InvalidMessage, parse
from bff.testing.graphql_http import GraphQLHTTPClient
from bff.testing.graphql_ws import GraphQLWSClient

CODES = {1009, 4400, 4401, 4409, 4429}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
queries = st.sampled_from(
    [
        "{ greeting }",
        "{ nope }",
        "{",
        "mutation { dock }",
        "subscription { count(to: 3) }",
        'subscription { ticks(topic: "a") }',
        "subscription { refuse }",
        '{ fail(how: "x") }',
        "query ($c: Cargo!) { load(cargo: $c) }",
        "{ ship { captain visits } }",
        '{ wait(gate: "never") }',
    ]
) | st.text(max_size=20)
ids = st.sampled_from(["1", "2", "3"]) | st.text(max_size=3)
requests = st.fixed_dictionaries(
    {"query": queries | values},
    optional={
        "variables": st.just({"c": {"tons": 1}}) | values,
        "operationName": st.text(max_size=3) | values,
        "extensions": values,
    },
)
well_formed = st.one_of(
    st.builds(lambda id, query: {"type": "subscribe", "id": id or "1", "payload": {"query": query}}, ids, queries),
    st.builds(lambda id: {"type": "complete", "id": id or "1"}, ids),
    st.sampled_from([{"type": "ping"}, {"type": "pong"}, {"type": "ping", "payload": {"n": 1}}]),
)
kinds = (
    st.sampled_from(["connection_init", "connection_ack", "ping", "pong", "subscribe", "next", "error", "complete", "x"]) | values
)
malformed = st.fixed_dictionaries({"type": kinds}, optional={"id": ids | values, "payload": requests | values}) | values
frames = st.one_of(
    well_formed.map(json.dumps),
    well_formed.map(json.dumps),
    malformed.map(json.dumps),
    st.text(max_size=30),
    st.binary(max_size=20),
)


@settings(max_examples=500)
@given(frames)
def test_parse_returns_a_message_or_says_what_is_wrong(frame: str | bytes) -> None:
    try:
        message: object = parse(frame)
    except InvalidMessage as error:
        message = str(error)
    assert message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(frames, max_size=12))
def test_no_frames_are_felt_by_others(harbour: Any, initialise: bool, sent: list[str | bytes]) -> None:
    async def play() -> None:
        harbour.__init__()  # the loop is a new one
        before = asyncio.all_tasks()
        app = graphql_app(harbour.schema, harbour.context)
        async with GraphQLWSClient.to_app(app) as other:
            await other.init()
            steady = await other.subscribe('subscription { ticks(topic: "steady") }')
            async with GraphQLWSClient.to_app(app) as client:
                if initialise:
                    await client.init()
                for frame in sent:
                    await client.send_raw(frame)
                await client.send({"type": "ping", "payload": {"the": "last"}})
                await ended(client)
            harbour.topics["steady"].put_nowait(1)
            assert await other.next(steady) == {"data": {"ticks": 1}}
            assert await other.execute("{ greeting }") == {"data": {"greeting": "hello you"}}
        assert harbour.open == 0
        assert asyncio.all_tasks() == before

    async def last_pong(client: GraphQLWSClient) -> None:
        while (await client.expect("pong")).get("payload") != {"the": "last"}:
            pass

    async def ended(client: GraphQLWSClient) -> None:
        """Everything was read: the last pong has come, or the socket was closed for a reason of the protocol."""
        pong = asyncio.create_task(last_pong(client))
        closed = asyncio.create_task(client.expect_close(*CODES))
        done, rest = await asyncio.wait([pong, closed], return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        if closed in done:
            closed.result()

    logging.getLogger("bff.serving").setLevel(logging.CRITICAL)
    try:
        asyncio.run(play())
    finally:
        logging.getLogger("bff.serving").setLevel(logging.NOTSET)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(requests.map(json.dumps).map(str.encode), values.map(json.dumps).map(str.encode), st.binary(max_size=40)))
def test_no_body_is_answered_500(harbour: Any, body: bytes) -> None:
    if b"wait" in body:
        return  # it waits, as it is asked to

    async def play() -> None:
        harbour.__init__()
        async with GraphQLHTTPClient(graphql_app(harbour.schema, harbour.context)) as client:
            response = await client.http.post("/graphql", content=body, headers={"content-type": "application/json"})
        assert response.status_code in (200, 400)
        assert set(orjson.loads(response.content)) & {"data", "errors"}

    asyncio.run(play())


@pytest.mark.anyio
async def test_a_thousand_clients_that_vanish_leave_nothing(serve: Any, harbour: Any) -> None:
    app, before = serve(), asyncio.all_tasks()
    for _ in range(20):
        clients = [GraphQLWSClient.to_app(app) for _ in range(50)]
        for client in clients:
            await client.__aenter__()
            await client.send({"type": "connection_init"})
            await client.expect("connection_ack")
            for _ in range(3):
                await client.subscribe('subscription { ticks(topic: "a") }')
        await asyncio.gather(*(client.abort() for client in clients))
    assert harbour.opened.total() <= 3000
    assert harbour.open == 0
    assert asyncio.all_tasks() == before
