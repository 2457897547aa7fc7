"""PROTOCOL.md, Frames, and Ping and pong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bff.testing.graphql_ws import GraphQLWSClient

pytestmark = pytest.mark.anyio


async def refused(app: Any, frame: str | bytes, code: int = 4400) -> str:
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        await client.send_raw(frame)
        closed = await client.expect_close(code)
        assert closed.reason
        return closed.reason


@pytest.mark.parametrize(
    "frame", ["", "hello", '{"type": "ping"', '{"type": "ping"}}', '{"type": "ping", "payload": NaN}', "[" * 5000]
)
async def test_r11_a_frame_that_is_not_json_closes_the_socket(serve: Any, frame: str) -> None:
    assert await refused(serve(), frame) == "The message is not valid JSON"


@pytest.mark.parametrize("frame", ["null", "1", '"ping"', "[]", '[{"type": "ping"}]', "true"])
async def test_r12_json_that_is_not_an_object_closes_the_socket(serve: Any, frame: str) -> None:
    assert await refused(serve(), frame) == "The message is not a JSON object"


@pytest.mark.parametrize(
    "type", [None, 1, {}, "", "nope", "Ping", "start", "connection_ack", "next", "error", "connection_error", "x" * 500]
)
async def test_r13_an_unknown_type_closes_the_socket(serve: Any, type: Any) -> None:
    await refused(serve(), json.dumps({"type": type, "id": "1", "payload": {}}))
    await refused(serve(), json.dumps({"id": "1", "payload": {}}))


@pytest.mark.parametrize("id", [None, "", 1, {}, ["1"], True])
async def test_r14_a_bad_id_closes_the_socket(serve: Any, id: Any) -> None:
    await refused(serve(), json.dumps({"type": "subscribe", "id": id, "payload": {"query": "{ greeting }"}}))
    await refused(serve(), json.dumps({"type": "complete", "id": id}))
    await refused(serve(), json.dumps({"type": "subscribe", "payload": {"query": "{ greeting }"}}))


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "{ greeting }",
        [],
        {},
        {"query": None},
        {"query": 1},
        {"query": "{ greeting }", "operationName": 1},
        {"query": "{ greeting }", "variables": []},
        {"query": "{ greeting }", "variables": "{}"},
        {"query": "{ greeting }", "extensions": "x"},
    ],
)
async def test_r15_a_wrong_payload_of_subscribe_closes_the_socket(serve: Any, payload: Any) -> None:
    await refused(serve(), json.dumps({"type": "subscribe", "id": "1", "payload": payload}))


@pytest.mark.parametrize("type", ["connection_init", "ping", "pong"])
@pytest.mark.parametrize("payload", ["x", 1, [], False])
async def test_r15_a_payload_that_is_not_an_object_closes_the_socket(serve: Any, type: str, payload: Any) -> None:
    await refused(serve(), json.dumps({"type": type, "payload": payload}))


async def test_r16_a_binary_frame_closes_the_socket(serve: Any) -> None:
    await refused(serve(), b'{"type": "ping"}')


@pytest.mark.parametrize("character", ["x", "é", "🚢"])
async def test_r17_a_message_that_is_too_long_closes_the_socket(serve: Any, character: str) -> None:
    app = serve(message_bytes=1000)
    empty = len(json.dumps({"type": "ping", "payload": {"x": ""}}))
    room = (1000 - empty) // len(character.encode())
    longest = json.dumps({"type": "ping", "payload": {"x": character * room}}, ensure_ascii=False)
    async with GraphQLWSClient.to_app(app) as client:
        await client.send_raw(longest)
        assert (await client.expect("pong"))["payload"] == {"x": character * room}
        await client.send_raw(longest.replace(character, character * 2, 1))
        await client.expect_close(1009)


async def test_r18_a_close_reason_fits_its_frame(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        for _ in range(2):
            await client.subscribe('subscription { ticks(topic: "a") }', id="🚢" * 200)
        reason = (await client.expect_close(4409)).reason
    assert reason.startswith("Subscriber for 🚢🚢")
    assert len(reason.encode()) <= 123


@pytest.mark.parametrize("payload", [None, {}, {"sent": 1, "deep": [{"é": "🚢"}]}])
async def test_r19_a_ping_is_answered_with_its_payload(serve: Any, payload: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        assert await client.ping(payload) == payload
        await client.init()
        assert await client.ping(payload) == payload


async def test_r20_a_pong_is_accepted_and_not_answered(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.send({"type": "pong"})
        await client.init()
        await client.send({"type": "pong", "payload": {"any": 1}})
        await client.ping()
        assert client.waiting() == []


async def test_r21_a_silent_client_is_pinged_and_stays_when_it_answers(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(ping_seconds=0.02, pong_seconds=5), answer_pings=False) as client:
        await client.init()
        for _ in range(3):
            assert await client.expect("ping") == {"type": "ping"}
            await client.send({"type": "pong"})
        assert await client.execute("{ greeting }")


async def test_the_client_of_tests_answers_pings_whatever_the_test_waits_for(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(ping_seconds=0.02, pong_seconds=5)) as client:
        await client.init()
        for _ in range(3):
            await client.expect("ping")  # one that is not answered is the last
        assert await client.execute("{ greeting }")


async def test_r22_a_client_that_does_not_answer_a_ping_is_let_go(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(ping_seconds=0.02, pong_seconds=0.02), answer_pings=False) as client:
        await client.init()
        await client.expect("ping")
        assert (await client.expect_close(4408)).reason == "No answer to a ping"


async def test_r23_no_operation_delays_a_pong_or_another_operation(serve: Any, harbour: Any) -> None:
    async with GraphQLWSClient.to_app(serve()) as client:
        await client.init()
        slow = await client.subscribe('{ wait(gate: "slow") }')
        await client.subscribe('subscription { ticks(topic: "silent") }')
        await harbour.reached["slow"].wait()
        assert await client.ping({"n": 1}) == {"n": 1}
        assert await client.execute("{ greeting }") == {"data": {"greeting": "hello you"}}
        assert client.waiting() == []
        harbour.gates["slow"].set()
        assert await client.next(slow) == {"data": {"wait": "slow"}}
