"""PROTOCOL.md, Multipart responses: Apollo's subscriptions over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from bff.testing.graphql_multipart import ACCEPT, Ended, GraphQLMultipartClient, Refused

pytestmark = pytest.mark.anyio

TICKS = 'subscription { ticks(topic: "a") }'


async def test_r76_each_result_is_a_part_and_the_end_the_final_boundary(serve: Any) -> None:
    async with GraphQLMultipartClient.to_app(serve()) as client:
        body = {"query": "subscription { count(to: 2) }"}
        response = await client.http.post("/graphql", json=body, headers={"Accept": ACCEPT})
    assert response.status_code == 200
    assert response.headers["content-type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0"'
    part = "\r\n--graphql\r\nContent-Type: application/json\r\n\r\n"
    first, second = '{"payload":{"data":{"count":1}}}', '{"payload":{"data":{"count":2}}}'
    assert response.text == f"{part}{first}{part}{second}\r\n--graphql--\r\n"


async def test_r76_a_part_is_sent_with_the_boundary_behind_it(serve: Any, harbour: Any) -> None:
    """Clients take a part when they see that it has ended: it must not wait for the next one."""
    async with GraphQLMultipartClient.to_app(serve()) as client, client.stream(TICKS) as stream:
        for number in range(3):
            harbour.topics["a"].put_nowait(number)
            assert await stream.next() == {"data": {"ticks": number}}


@pytest.mark.parametrize("query", ["{", "subscription { nope }", "subscription ($to: Int!) { count(to: $to) }"])
async def test_r77_what_is_not_valid_is_answered_in_json(serve: Any, query: str) -> None:
    async with GraphQLMultipartClient.to_app(serve()) as client:
        with pytest.raises(Refused) as refused:
            async with client.stream(query):
                pass
    assert refused.value.status == 400
    assert '"errors"' in refused.value.body


async def test_r77_a_subscription_that_is_refused_is_a_part_with_errors(serve: Any) -> None:
    async with GraphQLMultipartClient.to_app(serve()) as client, client.stream("subscription { refuse }") as stream:
        result = await stream.next()
        assert result["data"] is None
        assert result["errors"][0]["extensions"]["code"] == "HARBOUR_FULL"
        await stream.expect_complete()


async def test_r77_a_source_that_raises_ends_with_errors(serve: Any, harbour: Any) -> None:
    for event in (1, KeyError("secret")):
        harbour.topics["a"].put_nowait(event)
    async with GraphQLMultipartClient.to_app(serve()) as client, client.stream(TICKS) as stream:
        assert await stream.next() == {"data": {"ticks": 1}}
        assert (await stream.next())["errors"][0]["message"] == "internal error"
        await stream.expect_complete()


async def test_r77_a_result_that_json_cannot_hold_ends_with_errors(serve: Any, harbour: Any) -> None:
    harbour.topics["a"].put_nowait(object())
    async with (
        GraphQLMultipartClient.to_app(serve()) as client,
        client.stream('subscription { anythings(topic: "a") }') as stream,
    ):
        assert (await stream.next())["errors"][0]["extensions"]["code"] == "INTERNAL"
        await stream.expect_complete()


async def test_r78_at_a_shutdown_the_last_part_has_errors_of_the_connection(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLMultipartClient.to_app(app) as client, client.stream(TICKS) as stream:
        await harbour.until(lambda: harbour.open == 1)
        await app.shutdown()
        part = await stream.part()
        assert part["payload"] is None
        assert part["errors"][0]["extensions"]["code"] == "SERVICE_RESTART"
        await stream.expect_complete()
        with pytest.raises(Ended):
            await stream.part()
