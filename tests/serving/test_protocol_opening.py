"""PROTOCOL.md, Opening."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.websocket_wires import HandshakeRefused

pytestmark = pytest.mark.anyio


async def test_r1_the_subprotocol_is_chosen(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(), subprotocols=["graphql-ws", "graphql-transport-ws"]) as client:
        assert client.subprotocol == "graphql-transport-ws"
        await client.init()


@pytest.mark.parametrize("offered", [[], ["graphql-ws"], ["Graphql-Transport-WS"]])
async def test_r2_without_the_subprotocol_the_socket_is_closed(serve: Any, offered: list[str]) -> None:
    async with GraphQLWSClient.to_app(serve(), subprotocols=offered) as client:
        assert client.subprotocol is None
        assert (await client.expect_close(4406)).reason == "Subprotocol not acceptable"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://testserver", True),
        ("https://TESTSERVER", True),
        ("https://app.example.com", True),
        ("https://evil.example", False),
        ("http://testserver.evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
async def test_r3_a_page_of_another_origin_is_refused(serve: Any, origin: str | None, allowed: bool) -> None:
    app = serve(allowed_origins=["https://app.example.com/"])
    client = GraphQLWSClient.to_app(app, headers={} if origin is None else {"Origin": origin})
    if allowed:
        async with client:
            await client.init()
    else:
        with pytest.raises(HandshakeRefused) as refused:
            await client.__aenter__()
        assert refused.value.status == 403


async def test_r3_every_origin_can_be_allowed(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(allowed_origins=["*"]), headers={"Origin": "https://evil.example"}) as client:
        await client.init()


@pytest.mark.parametrize("message", [{}, {"payload": None}, {"payload": {"token": "t"}}])
async def test_r4_an_initialisation_is_acknowledged(serve: Any, message: dict[str, Any]) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.send({"type": "connection_init", **message})
        assert await client.expect("connection_ack") == {"type": "connection_ack"}


async def test_r5_an_initialisation_that_does_not_come_closes_the_socket(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(init_seconds=0.05)) as client:
        assert (await client.expect_close(4408)).reason == "Connection initialisation timeout"


async def test_r5_an_acknowledged_socket_stays(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(init_seconds=0.5, ping_seconds=0.6)) as client:
        await client.init()
        await client.expect("ping")  # later than the initialisation might have been
        assert (await client.execute("{ greeting }"))["data"] == {"greeting": "hello you"}


async def test_r6_a_second_initialisation_closes_the_socket(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        await client.send({"type": "connection_init"})
        assert (await client.expect_close(4429)).reason == "Too many initialisation requests"


async def test_r6_a_second_initialisation_before_the_acknowledgement_closes_the_socket(serve: Any) -> None:
    async def think(websocket: Any, payload: Any) -> None:
        await asyncio.Event().wait()

    async with GraphQLWSClient.to_app(serve(on_connect=think)) as client:
        await client.send({"type": "connection_init"})
        await client.send({"type": "connection_init"})
        await client.expect_close(4429)


async def test_r7_a_refused_connection_is_closed_with_the_reason(serve: Any, harbour: Any) -> None:
    async def refuse(websocket: Any, payload: Any) -> None:
        harbour.fail("domain")

    async with GraphQLWSClient.to_app(serve(on_connect=refuse)) as client:
        await client.send({"type": "connection_init"})
        assert (await client.expect_close(4403)).reason == "pier 9 is taken"
    async with GraphQLWSClient.to_app(serve(on_connect=lambda websocket, payload: False)) as client:
        await client.send({"type": "connection_init"})
        assert (await client.expect_close(4403)).reason == "Forbidden"


async def test_r8_the_application_sees_and_answers_the_payload(serve: Any) -> None:
    seen = []

    def greet(websocket: Any, payload: Any) -> Any:
        seen.append(payload)
        return {"welcome": True}

    async with GraphQLWSClient.to_app(serve(on_connect=greet)) as client:
        assert await client.init({"token": "t"}) == {"welcome": True}
        assert await client.execute("{ context }") == {"data": {"context": {"token": "t"}}}
    assert seen == [{"token": "t"}]


async def test_r9_an_operation_before_the_acknowledgement_closes_the_socket(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.subscribe("{ greeting }")
        assert (await client.expect_close(4401)).reason == "Unauthorized"


async def test_r9_an_initialisation_that_is_not_yet_acknowledged_is_not_enough(serve: Any) -> None:
    async def think(websocket: Any, payload: Any) -> None:
        await asyncio.Event().wait()

    async with GraphQLWSClient.to_app(serve(on_connect=think)) as client:
        await client.send({"type": "connection_init"})
        assert await client.ping() is None  # what the application thinks about delays nothing
        await client.subscribe("{ greeting }")
        await client.expect_close(4401)


async def test_r10_an_application_that_fails_closes_the_socket_and_tells_the_log(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(websocket: Any, payload: Any) -> None:
        raise KeyError("secret")

    async with GraphQLWSClient.to_app(serve(on_connect=fail)) as client:
        with caplog.at_level(logging.ERROR, "bff.serving"):
            await client.send({"type": "connection_init"})
            assert (await client.expect_close(4500)).reason == "Internal server error"
    assert "KeyError: 'secret'" in caplog.text
