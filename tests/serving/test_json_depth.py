"""JSON that is nested deeply is refused, or harmless, wherever it comes in (CWE-674; CVE-2024-27454 of orjson)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bff.app import App
from bff.settings import Settings
from bff.testing.graphql_http import GraphQLHTTPClient
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.resolvers.library import MEDIATORS, VIEWS

pytestmark = pytest.mark.anyio

DEEP = 100_000
BOMBS = {
    "lists": "[" * DEEP,
    "lists that are closed": "[" * DEEP + "]" * DEEP,
    "objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "variables": '{"query":"{ greeting }","variables":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
    "extensions": '{"query":"{ greeting }","extensions":{"a":' + "[" * DEEP + "]" * DEEP + "}}",
    "a batch": "[" + '{"query":"{ greeting }","variables":{"a":' + "[" * DEEP + "]" * DEEP + "}}]",
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_body_is_refused(either: Any, bomb: str) -> None:
    async with GraphQLHTTPClient(either(batch_operations=2)) as client:
        headers = {"Content-Type": "application/json"}
        response = await client.http.post("/graphql", content=BOMBS[bomb], headers=headers)
        assert response.status_code == 400
        assert "nested too deeply" in response.text
        assert (await client.execute("{ greeting }"))["data"]


async def test_parameters_of_an_address_are_refused(either: Any) -> None:
    async with GraphQLHTTPClient(either()) as client:
        for name in ("variables", "extensions"):
            response = await client.http.get("/graphql", params={"query": "{ greeting }", name: '{"a":' * 5_000})
            assert response.status_code == 400


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_frame_closes_its_socket_and_no_other(either: Any, bomb: str) -> None:
    app = either()
    async with GraphQLWSClient.to_app(app) as client, GraphQLWSClient.to_app(app) as other:
        await client.init()
        await other.init()
        await client.send_raw('{"type":"subscribe","id":"1","payload":' + BOMBS[bomb] + "}")
        await client.expect_close(4400)
        assert await other.execute("{ greeting }")


def nested(levels: int) -> str:
    return '{"f":' + '{"and":[' * levels + '{"title":{"eq":"x"}}' + "]}" * levels + "}"


DEEPER = {
    "a hundred inputs": ("query ($f: BookPageFilter) { bookPages(filter: $f) { totalCount } }", nested(100)),
    "as many inputs as can be read": ("query ($f: BookPageFilter) { bookPages(filter: $f) { totalCount } }", nested(500)),
    "lists in the place of a scalar": (
        "query ($t: String) { bookPages(filter: {title: {eq: $t}}) { totalCount } }",
        '{"t":' + "[" * 1_000 + "]" * 1_000 + "}",
    ),
    "a variable that there is not": ("{ bookPages { totalCount } }", '{"t":' + "[" * 1_000 + "]" * 1_000 + "}"),
    "JSON in a mutation": (
        "mutation ($i: BookPageInput!) { updateBookPage(id: 1, input: $i) { title } }",
        '{"i":{"copies":' + "[" * 1_000 + "]" * 1_000 + "}}",
    ),
}


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("case", DEEPER)
async def test_what_can_be_read_and_is_too_deep_is_no_failure_of_the_server(case: str, accept: str) -> None:
    query, variables = DEEPER[case]
    body = '{"query":' + json.dumps(query) + ',"variables":' + variables + "}"
    made = Settings(datastore_url="sqlite://", broadcast_url="memory://")
    async with AppHarness(App(views=VIEWS, mediators=MEDIATORS), settings=made) as running:
        headers = {"Content-Type": "application/json", "Accept": accept}
        response = await running.http.post("/graphql", content=body, headers=headers)
        assert response.status_code in (200, 400), response.text
        assert "INTERNAL" not in response.text
        async with GraphQLWSClient.to_app(running.app) as client:
            await client.init()
            await client.send_raw('{"type":"subscribe","id":"1","payload":' + body + "}")
            try:
                answer = str(await client.next("1"))
            except OperationFailed as failed:
                answer = str(failed.errors)
            assert "INTERNAL" not in answer
