"""The test clients of bff.testing: they lose nothing, wait for nothing for ever, and hide no failure."""

from __future__ import annotations

from typing import Any

import pytest

from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import Ended, GraphQLSSEClient, Refused
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed, Unexpected
from bff.testing.websocket_wires import Closed, HandshakeRefused

pytestmark = pytest.mark.anyio


async def test_messages_wait_until_somebody_asks_in_any_order(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        first = await client.subscribe("subscription { count(to: 3) }")
        second = await client.subscribe("{ greeting }")
        assert await client.next(second) == {"data": {"greeting": "hello you"}}
        assert (await client.until(first, lambda result: result["data"]["count"] == 3))["data"] == {"count": 3}
        await client.expect_complete(second)
        await client.expect_complete(first)


async def test_another_message_than_the_awaited_one_is_a_failure(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        with pytest.raises(OperationFailed, match="Cannot query field 'nope'"):
            await client.execute("{ nope }")
        id = await client.subscribe("{ greeting }")
        with pytest.raises(Unexpected, match="awaited an error"):
            await client.expect_error(id)
        with pytest.raises(Unexpected, match="awaited a result"):
            await client.next(id)
        id = await client.subscribe("{ greeting }")
        with pytest.raises(Unexpected, match="awaited the completion"):
            await client.expect_complete(id)


async def test_every_wait_has_a_deadline_that_tells_what_did_not_come(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(), timeout=0.5) as client:
        await client.init()
        id = await client.subscribe('subscription { ticks(topic: "a") }')
        client.timeout = 0.02
        with pytest.raises(TimeoutError, match=f"a result of operation {id} did not come"):
            await client.next(id)
        with pytest.raises(TimeoutError, match="the close of the socket"):
            await client.expect_close(4400)


async def test_a_close_is_told_to_whoever_waits(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.send_raw("nonsense")
        with pytest.raises(Closed, match="4400"):
            await client.next("1")
        with pytest.raises(Unexpected, match="4400"):
            await client.expect_close(4401)


async def test_what_the_application_raises_is_raised() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise ZeroDivisionError

    client = GraphQLWSClient.to_app(broken)
    await client.__aenter__()
    await client.send({"type": "ping"})
    await client.expect_close(1006)
    with pytest.raises(ZeroDivisionError):
        await client.close()


async def test_a_refused_handshake_over_the_network(serve: Any, listen: Any) -> None:
    async with listen(serve()) as (host, _):
        with pytest.raises(HandshakeRefused) as refused:
            await GraphQLWSClient.to_url(f"ws://{host}/graphql", headers={"Origin": "https://evil.example"}).__aenter__()
        assert refused.value.status == 403
        async with GraphQLWSClient.to_url(f"ws://{host}/graphql", headers={"Origin": f"http://{host}"}) as client:
            assert client.subprotocol == "graphql-transport-ws"
            await client.init()
            assert await client.execute("{ greeting }") == {"data": {"greeting": "hello you"}}


@pytest.mark.parametrize("client_of", [GraphQLSSEClient, GraphQLMultipartClient])
async def test_a_stream_has_deadlines_and_hides_no_end(serve: Any, harbour: Any, client_of: Any) -> None:
    async with client_of.to_app(serve(), timeout=0.05) as client:
        async with client.stream('subscription { ticks(topic: "a") }') as stream:
            with pytest.raises(TimeoutError, match="did not come within"):
                await stream.next()
            stream.inbox.timeout = 10
            harbour.topics["a"].put_nowait(1)
            with pytest.raises(Ended, match="did not come"):
                await stream.expect_complete()
        async with client.stream("subscription { count(to: 1) }") as stream:
            stream.inbox.timeout = 10
            await stream.next()
            with pytest.raises(Ended, match="a result did not come"):
                await stream.next()
            assert await stream.inbox.expect_end() == "the server has ended it"


async def test_an_answer_that_is_no_stream_is_refused(serve: Any) -> None:
    async with GraphQLSSEClient.to_app(serve(), "/graphql", headers={"Content-Type": "text/plain"}) as client:
        with pytest.raises(Refused) as refused:
            async with client.stream("{ greeting }"):
                pass
    assert refused.value.status == 415


async def test_what_the_application_raises_in_a_stream_is_the_reason_of_its_end() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        raise ZeroDivisionError("on purpose")

    async with GraphQLSSEClient.to_app(broken) as client, client.stream("{ greeting }") as stream:
        assert "ZeroDivisionError" in await stream.inbox.expect_end()
