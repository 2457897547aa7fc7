"""PROTOCOL.md, Single connection mode: graphql-sse, many operations in one stream."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

import pytest

from bff.testing.graphql_sse import TOKEN, Ended, GraphQLSSEClient, Refused

pytestmark = pytest.mark.anyio

TICKS = 'subscription { ticks(topic: "a") }'


async def status(client: GraphQLSSEClient, method: str, token: str | None = None, **options: Any) -> int:
    """Of a request; a stream that it opens is closed again."""
    headers = {"Accept": "text/event-stream", **({} if token is None else {TOKEN: token}), **options.pop("headers", {})}
    response = await client.http.send(client.http.build_request(method, "/graphql", headers=headers, **options), stream=True)
    await response.aclose()
    return response.status_code


async def test_r69_put_reserves_a_stream_and_answers_with_its_token(serve: Any) -> None:
    app = serve()
    async with GraphQLSSEClient.to_app(app) as client:
        response = await client.http.put("/graphql")
        assert response.status_code == 201
        assert response.headers["content-type"].startswith("text/plain")
        assert response.headers["cache-control"] == "no-store"
        tokens = {response.text, *[await client.reserve() for _ in range(20)]}
    assert len(tokens) == 21
    assert all(len(token) > 40 for token in tokens)
    await app.shutdown()


@pytest.mark.parametrize("how", ["header", "parameter"])
async def test_r70_get_with_the_token_opens_the_stream(serve: Any, how: str) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        token = await client.reserve()
        given: Any = {"headers": {TOKEN: token}} if how == "header" else {"params": {"token": token}}
        request = client.http.build_request("GET", "/graphql", **given)
        request.headers["Accept"] = "text/event-stream"
        response = await client.http.send(request, stream=True)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        await response.aclose()


async def test_r70_one_stream_a_token_and_none_without_a_reservation(serve: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        assert await status(client, "GET", "nonsense") == 404
        token = await client.reserve()
        assert await status(client, "GET", token, headers={"Accept": "application/json"}) == 406
        async with client.open(token):
            assert await status(client, "GET", token) == 409
        assert await status(client, "GET", token) == 404


async def test_r70_a_parameter_called_token_that_is_none_of_ours_is_nothing_to_us(serve: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        response = await client.http.post("/graphql?token=secret-of-yours", json={"query": "{ greeting }"})
        assert response.json() == {"data": {"greeting": "hello you"}}


async def test_r71_an_operation_is_answered_202_and_its_results_name_it(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        token = await client.reserve()
        async with client.open(token) as inbox:
            body = {"query": "{ greeting }", "extensions": {"operationId": "one"}}
            response = await client.http.post("/graphql", json=body, headers={TOKEN: token})
            assert (response.status_code, response.text) == (202, "")
            first = await inbox.next(lambda each: True, "a result")
            second = await inbox.next(lambda each: True, "the completion")
        assert (first.event, first.data) == ("next", {"id": "one", "payload": {"data": {"greeting": "hello you"}}})
        assert (second.event, second.data) == ("complete", {"id": "one"})


@pytest.mark.parametrize("named", ["query", "extensions", "documentId"])
async def test_r71_an_operation_by_get_however_its_document_is_named(serve: Any, named: str) -> None:
    hash = sha256(b"{ greeting }").hexdigest()
    extensions: dict[str, Any] = {"persistedQuery": {"version": 1, "sha256Hash": hash}}
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        await client.http.post("/graphql", json={"query": "{ greeting }", "extensions": extensions})
        given = (
            {"query": "{ greeting }"} if named == "query" else {"documentId": f"sha256:{hash}"} if named == "documentId" else {}
        )
        asked = {"operationId": "one", **(extensions if named == "extensions" else {})}
        assert await status(client, "GET", single.token, params={**given, "extensions": json.dumps(asked)}) == 202
        assert await single.next("one") == {"data": {"greeting": "hello you"}}


async def test_r71_many_at_once_and_a_slow_one_delays_none(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        slow = await single.subscribe('{ wait(gate: "g") }')
        ticks = await single.subscribe(TICKS)
        count = await single.subscribe("subscription { count(to: 3) }")
        assert [(await single.next(count))["data"]["count"] for _ in range(3)] == [1, 2, 3]
        await single.expect_complete(count)
        harbour.topics["a"].put_nowait(7)
        assert await single.next(ticks) == {"data": {"ticks": 7}}
        harbour.gates["g"].set()
        assert await single.next(slow) == {"data": {"wait": "g"}}
        dock = await single.subscribe("mutation { dock }")
        assert await single.next(dock) == {"data": {"dock": 1}}


async def test_r71_results_wait_for_a_stream_that_is_not_opened_yet(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        token = await client.reserve()
        await client.execute(token, "one", "subscription { count(to: 3) }")
        async with client.open(token) as inbox:
            events = [await inbox.next(lambda each: True, "an event") for _ in range(4)]
    assert [event.data["payload"]["data"]["count"] for event in events[:3]] == [1, 2, 3]
    assert events[3].event == "complete"


async def test_r71_errors_that_come_later_are_results(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        id = await single.subscribe("subscription { refuse }")
        assert (await single.next(id))["errors"][0]["extensions"]["code"] == "HARBOUR_FULL"
        await single.expect_complete(id)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{ greeting }"}, 400),
        ({"query": "{ greeting }", "extensions": {"operationId": ""}}, 400),
        ({"query": "{ greeting }", "extensions": {"operationId": 1}}, 400),
        ({"query": "{ nope }", "extensions": {"operationId": "1"}}, 400),
        ({"query": "{", "extensions": {"operationId": "1"}}, 400),
        ({"query": "{ greeting }", "extensions": {"operationId": "taken"}}, 409),
        ({"query": "{ greeting }", "extensions": {"operationId": "1", "bff": 1}}, 400),
    ],
)
async def test_r72_what_is_not_accepted_is_answered_at_once(serve: Any, body: Any, code: int) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        await single.subscribe(TICKS, id="taken")
        response = await client.http.post("/graphql", json=body, headers={TOKEN: single.token, "Accept": "*/*"})
        assert response.status_code == code
        assert response.json()["errors"]


async def test_r72_an_unknown_token_and_too_many_operations(serve: Any) -> None:
    async with GraphQLSSEClient.to_app(serve(operations=2)) as client:
        with pytest.raises(Refused, match="404"):
            await client.execute("nonsense", "1", "{ greeting }")
        async with client.single_connection() as single:
            for _ in range(2):
                await single.subscribe(TICKS)
            with pytest.raises(Refused, match="429"):
                await single.subscribe(TICKS)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_r72_what_a_foreign_page_can_send_is_not_executed(serve: Any, harbour: Any, content_type: str) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        body = '{"query": "mutation { dock }", "extensions": {"operationId": "1"}}'
        address = f"/graphql?token={single.token}"
        response = await client.http.post(address, content=body, headers={"Content-Type": content_type})
        assert response.status_code == 415
        asked = {"query": "mutation { dock }", "extensions": '{"operationId": "1"}', "token": single.token}
        assert (await client.http.get("/graphql", params=asked)).status_code == 405
        assert harbour.docked == 0


async def test_r73_delete_stops_an_operation(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        id = await single.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 1)
        await single.stop(id)
        await harbour.until(lambda: harbour.open == 0)
        await single.stop(id)  # it may have completed by itself meanwhile
        assert single.inbox.waiting == []
        assert await single.subscribe(TICKS, id=id) == id


async def test_r73_a_delete_that_is_wrong(serve: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        assert await status(client, "DELETE", params={"operationId": "1"}) == 404
        assert await status(client, "DELETE", await client.reserve()) == 400
    await asyncio.sleep(0)


async def test_r73_a_mutation_that_has_begun_is_not_stopped(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client, client.single_connection() as single:
        id = await single.subscribe('mutation { dock(gate: "g") }')
        async with asyncio.timeout(10):
            await harbour.reached["g"].wait()
            await single.stop(id)
            harbour.gates["g"].set()
            await harbour.reached["g done"].wait()
        assert single.inbox.waiting == []


async def test_r74_a_reservation_that_is_not_opened_is_forgotten(serve: Any, harbour: Any) -> None:
    app = serve(reservation_seconds=0.1)
    async with GraphQLSSEClient.to_app(app) as client:
        token = await client.reserve()
        await client.execute(token, "1", TICKS)
        await harbour.until(lambda: harbour.opened["a"] == 1)
        await harbour.until(lambda: harbour.open == 0)
        assert await status(client, "GET", token) == 404
        assert app.http_handler.streams == 0


async def test_r74_reservations_count_as_streams(serve: Any, harbour: Any) -> None:
    app = serve(streams=1)
    async with GraphQLSSEClient.to_app(app) as client:
        token = await client.reserve()
        with pytest.raises(Refused, match="503"):
            await client.reserve()
        async with client.open(token):
            assert app.http_handler.streams == 1
        assert app.http_handler.streams == 0


async def test_r75_everything_of_a_stream_ends_with_it(serve: Any, harbour: Any) -> None:
    async with GraphQLSSEClient.to_app(serve()) as client:
        async with client.single_connection() as single:
            for _ in range(3):
                await single.subscribe(TICKS)
            await harbour.until(lambda: harbour.open == 3)
        assert harbour.open == 0
        with pytest.raises(Refused, match="404"):
            await client.execute(single.token, "1", TICKS)


async def test_r75_a_shutdown_ends_it_without_complete(serve: Any, harbour: Any) -> None:
    app = serve()
    async with GraphQLSSEClient.to_app(app) as client:
        reserved = await client.reserve()
        await client.execute(reserved, "1", TICKS)
        async with client.single_connection() as single:
            id = await single.subscribe(TICKS)
            await harbour.until(lambda: harbour.open == 2)
            await app.shutdown()
            assert harbour.open == 0
            with pytest.raises(Ended, match="the server has ended it"):
                await single.expect_complete(id)
