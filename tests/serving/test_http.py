"""GraphQL over HTTP: what a client may send, and what it is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bff.serving.asgi import graphql_app
from bff.testing.graphql_http import GraphQLHTTPClient

pytestmark = pytest.mark.anyio

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
LOAD = "query ($c: Cargo!) { load(cargo: $c) }"


@pytest.fixture
async def client(either: Any) -> AsyncIterator[GraphQLHTTPClient]:
    async with GraphQLHTTPClient(either(body_bytes=10_000)) as client:
        yield client


def code(response: httpx.Response) -> str:
    assert response.headers["content-type"].split(";")[0] in (JSON, GRAPHQL)
    body = response.json()
    assert "data" not in body
    text: str = body["errors"][0]["extensions"]["code"]
    return text


async def post(client: GraphQLHTTPClient, body: Any, **headers: str) -> httpx.Response:
    sent = {"content-type": JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.http.post("/graphql", content=content, headers=sent)


async def test_a_query_and_a_mutation(client: GraphQLHTTPClient) -> None:
    assert await client.execute("query A($n: String) { greeting(name: $n) } query B { x: __typename }", {"n": "é🚢"}, "A") == {
        "data": {"greeting": "hello é🚢"}
    }
    assert await client.execute("mutation { dock }") == {"data": {"dock": 1}}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        ("APPLICATION/JSON", JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.1, {JSON}", JSON),
        (f"{GRAPHQL}; charset=utf-8", GRAPHQL),
        ("text/html, */*;q=0.1", JSON),
        (f"{JSON};q=0, {GRAPHQL}", GRAPHQL),
        ("text/html", None),
        (f"{JSON};q=0, */*", GRAPHQL),
        (f"{JSON};q=inf, {GRAPHQL};q=0.1", GRAPHQL),
        (f"{JSON};q=0, {GRAPHQL};q=0, */*", None),
        ("application/*;q=0, */*", None),
        (f"{JSON};q=nonsense", None),
        (f"{JSON};q=nan", None),
        ("text/event-stream;q=0.1, */*", JSON),
    ],
)
async def test_the_media_type_is_what_the_client_accepts(client: GraphQLHTTPClient, accept: str | None, media_type: str) -> None:
    if accept is None:
        del client.http.headers["accept"]
    response = await post(client, {"query": "{ greeting }"}, **({} if accept is None else {"accept": accept}))
    if media_type is None:
        assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")
    else:
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{" * 2000}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ a " * 1500}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { greeting }", "operationName": "B"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": LOAD, "variables": {"c": {"tons": "many"}}}, "BAD_USER_INPUT"),
        ({"query": LOAD, "variables": {"c": {"tons": 1, "nope": 1}}}, "BAD_USER_INPUT"),
        ({"query": LOAD, "variables": None}, "BAD_USER_INPUT"),
        ({"query": LOAD, "variables": {"c": {"tons": 2**31}}}, "BAD_USER_INPUT"),
        ({"extensions": {"persistedQuery": {"version": 1}}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "a"}}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a"}}}, "PERSISTED_QUERY_NOT_FOUND"),
        ({"documentId": "a"}, "PERSISTED_QUERY_NOT_FOUND"),
    ],
)
async def test_a_request_that_cannot_be_executed(client: GraphQLHTTPClient, body: Any, expected: str) -> None:
    """application/json knows no status codes; application/graphql-response+json says 400."""
    for accept, status in ((JSON, 200), (GRAPHQL, 400)):
        response = await post(client, body, accept=accept)
        assert (response.status_code, code(response)) == (status, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"query": "\\ud800"}',
        b"[" * 9000,
        b'{"query":' * 900,
        b'{"query": NaN}',
        b"null",
        b"1",
        b'"{ greeting }"',
        [],
        [{"query": "{ greeting }"}],
        {},
        {"query": None},
        {"query": ""},
        {"query": " "},
        {"query": 1},
        {"query": ["{ greeting }"]},
        {"query": "{ greeting }", "operationName": 1},
        {"query": "{ greeting }", "variables": []},
        {"query": "{ greeting }", "variables": "{}"},
        {"query": "{ greeting }", "extensions": False},
    ],
)
async def test_a_malformed_body_is_answered_400(client: GraphQLHTTPClient, body: Any) -> None:
    for accept in (JSON, GRAPHQL):
        response = await post(client, body, accept=accept)
        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonp",
        "application/json; charset=utf-16",
        "text/plain; application/json",
    ],
)
async def test_what_a_foreign_page_could_send_is_refused(client: GraphQLHTTPClient, harbour: Any, content_type: str) -> None:
    response = await post(client, {"query": "mutation { dock }"}, content_type=content_type)
    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert harbour.docked == 0


@pytest.mark.parametrize(
    "content_type", ["Application/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf-8"']
)
async def test_json_may_be_spelled_in_any_way(client: GraphQLHTTPClient, content_type: str) -> None:
    response = await post(client, {"query": "{ greeting }"}, content_type=content_type)
    assert response.json() == {"data": {"greeting": "hello you"}}


async def test_a_compressed_body_is_refused(client: GraphQLHTTPClient) -> None:
    assert (await post(client, {"query": "{ greeting }"}, content_encoding="gzip")).status_code == 415


async def test_a_body_that_is_too_long_is_refused(client: GraphQLHTTPClient) -> None:
    response = await post(client, {"query": "{ greeting }" + " " * 10_000})
    assert (response.status_code, code(response)) == (413, "TOO_LARGE")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1000

    response = await client.http.post("/graphql", content=chunks(), headers={"content-type": JSON})
    assert response.status_code == 413


async def test_a_body_that_does_not_arrive_is_given_up(serve: Any) -> None:
    sent = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await serve(body_seconds=0.01)(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_client_that_vanishes_while_it_sends_is_no_error(serve: Any) -> None:
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    await serve()({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}, receive, send)
    assert sent[0]["status"] == 400


async def test_a_query_by_get(client: GraphQLHTTPClient) -> None:
    parameters = {"query": "query A($n: String) { greeting(name: $n) }", "variables": '{"n": "Ada"}', "operationName": "A"}
    # Apollo's useGETForQueries sends a content type, too.
    response = await client.http.get("/graphql", params=parameters, headers={"content-type": JSON})
    assert response.json() == {"data": {"greeting": "hello Ada"}}
    empty = {"query": "{ greeting }", "variables": "", "operationName": "", "extensions": ""}
    assert (await client.http.get("/graphql", params=empty)).json() == {"data": {"greeting": "hello you"}}


@pytest.mark.parametrize(
    "parameters", [{}, {"query": ""}, {"query": "{ greeting }", "variables": "{"}, {"query": "x", "variables": "[]"}]
)
async def test_a_malformed_get_is_answered_400(client: GraphQLHTTPClient, parameters: dict[str, str]) -> None:
    response = await client.http.get("/graphql", params=parameters)
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


async def test_a_mutation_by_get_is_refused(client: GraphQLHTTPClient, harbour: Any) -> None:
    response = await client.http.get("/graphql", params={"query": "mutation { dock }"})
    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"
    named = {"query": "query A { greeting } mutation B { dock }", "operationName": "B"}
    assert (await client.http.get("/graphql", params=named)).status_code == 405
    assert harbour.docked == 0


async def test_a_subscription_over_http_is_refused(client: GraphQLHTTPClient) -> None:
    response = await post(client, {"query": "subscription { count(to: 1) }"})
    assert response.status_code == 400
    assert "WebSocket" in response.json()["errors"][0]["message"]


async def test_other_methods(client: GraphQLHTTPClient) -> None:
    for method in ("PATCH", "HEAD", "TRACE"):
        response = await client.http.request(method, "/graphql")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST, PUT, DELETE, OPTIONS")
    assert (await client.http.options("/graphql")).status_code == 204


async def test_a_browser_is_told_what_this_is_and_loads_nothing_from_elsewhere(client: GraphQLHTTPClient) -> None:
    response = await client.http.get("/graphql", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert "GraphQL" in response.text
    assert "http" not in response.text


async def test_errors_of_the_execution_leave_the_data(client: GraphQLHTTPClient) -> None:
    for accept in (JSON, GRAPHQL):
        response = await post(client, {"query": "{ greeting ship { captain } }"}, accept=accept)
        assert response.status_code == 200
        assert response.json()["data"] == {"greeting": "hello you", "ship": {"captain": None}}
        assert response.json()["errors"][0]["extensions"] == {"code": "HARBOUR_FULL"}


async def test_a_result_that_json_cannot_hold_is_an_internal_error(client: GraphQLHTTPClient, harbour: Any) -> None:
    harbour.anything = object()
    for query in ("{ anything }", '{ fail(how: "odd") }', '{ fail(how: "cancelled") }'):
        response = await post(client, {"query": query})
        assert (response.status_code, code(response)) == (500, "INTERNAL")


@pytest.mark.parametrize(("how", "status"), [("domain", 400), ("unavailable", 503), ("other", 500)])
async def test_a_context_that_cannot_be_made(harbour: Any, serve: Any, how: str, status: int) -> None:
    harbour.context = lambda connection, operation: harbour.fail(how)
    async with GraphQLHTTPClient(serve()) as client:
        response = await post(client, {"query": "{ greeting }"})
        assert response.status_code == status
        assert "secret" not in response.text


async def test_introspection_can_be_switched_off(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        assert "data" in await client.execute("{ __schema { types { name } } }")
    async with GraphQLHTTPClient(serve(introspection=False)) as client:
        result = await client.execute("{ __schema { types { name } } }")
        assert result["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert "data" in await client.execute("{ greeting }")
        for query in ("{ greetin }", "query ($c: Cargo = {ton: 1}) { load(cargo: $c) }"):
            assert "Did you mean" not in str(await client.execute(query))


async def test_each_request_has_its_own_context(serve: Any, harbour: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        await asyncio.gather(*(client.execute("{ greeting }") for _ in range(5)))
    assert len({id(context) for context in harbour.contexts}) == 5


async def test_ariadnes_own_way_in_gives_the_same(serve: Any) -> None:
    handler = serve().http_handler
    assert await handler.execute_graphql_query(None, {"query": "{ greeting }"}) == (True, {"data": {"greeting": "hello you"}})
    success, result = await handler.execute_graphql_query(None, {"query": "{ nope }"})
    assert not success
    assert result["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_field_that_is_a_list_may_come_in_several_lines(client: GraphQLHTTPClient) -> None:
    del client.http.headers["accept"]
    del client.http.headers["accept-encoding"]
    lines = [("accept", "text/html"), ("accept", GRAPHQL), ("accept-encoding", "zstd"), ("accept-encoding", "gzip")]
    query = {"query": "{ big(size: 3000) }"}
    response = await client.http.post("/graphql", json=query, headers=lines)
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert response.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("levels", [300, 1000])
async def test_variables_that_are_nested_too_deeply_are_the_clients_error(harbour: Any, levels: int) -> None:
    """Contexts ask for the fingerprint, and JSON is written to fewer levels than it is read."""
    body = '{"query": "{ greeting }", "variables": {"unused": %s}}' % ("[" * levels + "]" * levels)
    async with GraphQLHTTPClient(graphql_app(harbour.schema, lambda connection, operation: operation.fingerprint)) as client:
        assert code(await post(client, body.encode())) == "BAD_USER_INPUT"
