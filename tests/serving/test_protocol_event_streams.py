"""PROTOCOL.md, Event streams: graphql-sse, one operation a stream."""

from __future__ import annotations

from typing import Any

import pytest

from bff.serving.asgi import graphql_app
from bff.testing.graphql_sse import Ended, GraphQLSSEClient
from tests.serving.versioned import VersionedHarbour

pytestmark = pytest.mark.anyio

EVENTS = {"Accept": "text/event-stream"}


async def text_of(app: Any, query: str, **headers: str) -> str:
    async with GraphQLSSEClient.to_app(app) as client:
        response = await client.http.post("/graphql", json={"query": query}, headers={**EVENTS, **headers})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    return response.text


async def test_r64_each_result_is_a_next_and_the_end_a_complete(serve: Any) -> None:
    assert await text_of(serve(), "subscription { count(to: 2) }") == (
        ':\n\nevent: next\ndata: {"data":{"count":1}}\n\nevent: next\ndata: {"data":{"count":2}}\n\nevent: complete\ndata:\n\n'
    )


async def test_r64_queries_and_mutations_too(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLSSEClient.to_app(app) as client:
        async with client.stream("query Hello($name: String) { greeting(name: $name) }", {"name": "Ada"}) as stream:
            assert await stream.next() == {"data": {"greeting": "hello Ada"}}
            await stream.expect_complete()
        async with client.stream("mutation { dock }") as stream:
            assert await stream.next() == {"data": {"dock": 1}}
            await stream.expect_complete()
    assert harbour.docked == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription ($to: Int!) { count(to: $to) }", "BAD_USER_INPUT"),
        ('subscription { refuse(how: "domain") }', "HARBOUR_FULL"),
        ('subscription { refuse(how: "odd") }', "INTERNAL"),
        ("subscription { refuse(how: null) }", "INTERNAL"),
    ],
)
async def test_r65_what_cannot_be_executed_is_a_next_with_errors(serve: Any, query: str, code: str) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.stream(query) as stream:
        result = await stream.next()
        assert "data" not in result
        assert result["errors"][0]["extensions"]["code"] == code
        await stream.expect_complete()


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("{}", "application/json", 400),
        ('{"query": 1}', "application/json", 400),
        ('{"query": "{ greeting }"}', "text/plain", 415),
    ],
)
async def test_r65_but_a_malformed_request_has_its_status(serve: Any, body: str, content_type: str, status: int) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        response = await client.http.post("/graphql", content=body, headers={**EVENTS, "Content-Type": content_type})
    assert response.status_code == status
    assert "errors" in response.json()


async def test_r66_a_source_that_raises_ends_with_errors(serve: Any, harbour: Any) -> None:
    for event in (1, KeyError("secret")):
        harbour.topics["a"].put_nowait(event)
    async with GraphQLSSEClient.to_app(serve()) as client, client.stream('subscription { ticks(topic: "a") }') as stream:
        assert await stream.next() == {"data": {"ticks": 1}}
        result = await stream.next()
        assert result["errors"][0]["message"] == "internal error"
        assert result["errors"][0]["path"] == ["ticks"]
        await stream.expect_complete()


async def test_r66_a_result_that_json_cannot_hold_ends_with_errors(serve: Any, harbour: Any) -> None:
    harbour.topics["a"].put_nowait(object())
    async with GraphQLSSEClient.to_app(serve()) as client, client.stream('subscription { anythings(topic: "a") }') as stream:
        assert (await stream.next())["errors"][0]["extensions"]["code"] == "INTERNAL"
        await stream.expect_complete()


async def test_r67_the_id_of_a_result_is_its_version_and_last_event_id_is_since() -> None:
    harbour = VersionedHarbour()
    app = graphql_app(harbour.schema, harbour.context)
    query = 'subscription { anythings(topic: "a") }'
    async with GraphQLSSEClient.to_app(app) as client:
        harbour.tell("a", 3, "three")
        async with client.stream(query) as stream:
            assert await stream.next() == {"data": {"anythings": "three"}}
            assert stream.last_event_id == "3"
        for version in (3, 4):
            harbour.tell("a", version, str(version))
        async with client.stream(query, last_event_id=stream.last_event_id) as stream:
            # It has not asked for extensions: the id tells the version.
            assert await stream.next() == {"data": {"anythings": "4"}}
            assert stream.last_event_id == "4"


async def test_r67_what_the_request_says_itself_counts() -> None:
    harbour = VersionedHarbour()
    for version in (3, 4, 5):
        harbour.tell("a", version, version)
    query = 'subscription { anythings(topic: "a") }'
    since = {"bff": {"since": "3"}}
    app = graphql_app(harbour.schema, harbour.context)
    async with GraphQLSSEClient.to_app(app) as client, client.stream(query, extensions=since, last_event_id="4") as stream:
        assert (await stream.next())["data"] == {"anythings": 4}


@pytest.mark.parametrize("version", ["4\n", "\x00", "4\r\ndata: evil"])
async def test_r67_a_version_that_is_no_id_is_left_out(version: Any) -> None:
    harbour = VersionedHarbour()
    harbour.tell("a", version, "text")
    app = graphql_app(harbour.schema, harbour.context)
    async with GraphQLSSEClient.to_app(app) as client, client.stream('subscription { anythings(topic: "a") }') as stream:
        assert await stream.next() == {"data": {"anythings": "text"}}
        assert stream.last_event_id is None


async def test_r68_at_a_shutdown_a_stream_ends_without_complete(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLSSEClient.to_app(app) as client, client.stream('subscription { ticks(topic: "a") }') as stream:
        await harbour.until(lambda: harbour.open == 1)
        await app.shutdown()
        with pytest.raises(Ended, match="the server has ended it"):
            await stream.expect_complete()
