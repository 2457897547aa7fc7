"""PROTOCOL.md, Who it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from bff.auth.authenticator import Authenticator
from bff.auth.port import Credentials, IssuerUnavailable
from bff.auth.revocation import Revocations
from bff.datastore.connect import open_datastore
from bff.errors import Unauthenticated
from bff.principal import Principal
from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient

pytestmark = pytest.mark.anyio

TICKS = 'subscription { ticks(topic: "t") }'


class Door:
    """Tokens are ``name`` or ``name:seconds``, which is how long they hold."""

    def __init__(self) -> None:
        self.asked: list[Credentials] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, given: Credentials) -> Principal | None:
        self.asked.append(given)
        await self.open.wait()
        if given.token is None:
            return None
        name, _, seconds = given.token.partition(":")
        if name == "wrong":
            raise Unauthenticated("The token is not valid.")
        if name == "down":
            raise IssuerUnavailable("Tokens cannot be checked now.")
        now = time.time()
        return Principal(id=name, issued_at=now - 1, expires_at=now + float(seconds) if seconds else None)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def guarded(serve: Any, door: Door) -> Callable[..., Any]:
    def build(revocations: Revocations | None = None, warn_seconds: float = 60.0, **options: Any) -> Any:
        return serve(authenticator=Authenticator(door, revocations, warn_seconds=warn_seconds), **options)

    return build


@pytest.mark.parametrize(
    "payload", [{"token": "ada"}, {"Authorization": "Bearer ada"}, {"headers": {"authorization": "Bearer ada"}}]
)
async def test_r79_the_payload_of_the_initialisation_says_who_it_is(guarded: Any, door: Door, payload: Any) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.init(payload)
        assert (await client.execute("{ greeting }"))["data"]
    assert [(one.token, one.transport, one.payload) for one in door.asked] == [("ada", "websocket", payload)]


async def test_r79_a_header_of_the_handshake_does_too(guarded: Any, door: Door) -> None:
    async with GraphQLWSClient.to_app(guarded(), headers={"Authorization": "Bearer ada"}) as client:
        await client.init()
    assert [one.token for one in door.asked] == ["ada"]


async def test_r79_without_a_token_nobody_has_signed_in(guarded: Any) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.init()
        assert (await client.execute("{ greeting }"))["data"]


async def test_r80_a_token_that_is_refused_closes_the_socket(guarded: Any) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.send({"type": "connection_init", "payload": {"token": "wrong"}})
        assert (await client.expect_close(4403)).reason == "The token is not valid."
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.send({"type": "connection_init", "payload": {"token": "down"}})
        assert (await client.expect_close(1013)).reason == "Tokens cannot be checked now."


async def test_r81_before_it_expires_the_client_is_told(guarded: Any) -> None:
    async with GraphQLWSClient.to_app(guarded(warn_seconds=3590)) as client:
        before = time.time()
        await client.init({"token": "ada:3590.05"})
        ping = await client.expect("ping")
        assert abs(ping["payload"]["bff"]["expiresAt"] - before - 3590) < 10


async def test_r82_when_it_expires_the_socket_is_closed(guarded: Any, harbour: Any) -> None:
    async with GraphQLWSClient.to_app(guarded(warn_seconds=0.01)) as client:
        await client.init({"token": "ada:0.1"})
        await client.subscribe(TICKS)
        assert (await client.expect_close(4403)).reason == "Forbidden"
    await harbour.until(lambda: harbour.open == 0)


async def test_r82_a_token_that_expires_later_keeps_it_open(guarded: Any) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.init({"token": "ada:3600"})
        assert await client.ping({"a": 1}) == {"a": 1}


async def test_r83_a_ping_brings_a_new_token(guarded: Any, harbour: Any) -> None:
    async with GraphQLWSClient.to_app(guarded(warn_seconds=0.01)) as client:
        await client.init({"token": "ada:0.5"})
        id = await client.subscribe(TICKS)
        answer = await client.ping({"bff": {"token": "ada:3600"}})
        assert answer["bff"].pop("expiresAt") > time.time() + 3000
        assert answer == {"bff": {"taken": True}}
        # Past the end of the first one, by the same clock.
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.6, passed.set)
        await passed.wait()
        await harbour.topics["t"].put(5)
        assert await client.next(id) == {"data": {"ticks": 5}}


async def test_r83_before_the_acknowledgement_there_is_nothing_to_refresh(guarded: Any) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.send({"type": "ping", "payload": {"bff": {"token": "ada"}}})
        await client.expect_close(4401)


async def test_r84_a_new_token_that_is_refused_changes_nothing(guarded: Any) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.init({"token": "ada"})
        answer = await client.ping({"bff": {"token": "wrong"}})
        assert answer == {"bff": {"taken": False, "code": "UNAUTHENTICATED", "message": "The token is not valid."}}
        answer = await client.ping({"bff": {"token": "down"}})
        assert answer["bff"]["code"] == "UNAVAILABLE"
        for odd in (5, "", [], {}, "x" * 20_000):
            answer = await client.ping({"bff": {"token": odd}})
            assert (answer["bff"]["taken"], answer["bff"]["code"]) == (False, "UNAUTHENTICATED")
        assert (await client.execute("{ greeting }"))["data"]


async def test_r84_one_token_is_checked_at_a_time(guarded: Any, door: Door) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.init({"token": "ada"})
        door.open.clear()
        await client.send({"type": "ping", "payload": {"bff": {"token": "ada:60"}}})
        answer = await client.ping({"bff": {"token": "ada:70"}})
        assert (answer["bff"]["taken"], answer["bff"]["code"]) == (False, "RATE_LIMITED")
        assert await client.ping({"others": 1}) == {"others": 1}
        door.open.set()
        assert (await client.expect("pong"))["payload"]["bff"]["taken"] is True


@pytest.mark.parametrize(("first", "second"), [("ada", "eve"), (None, "ada")])
async def test_r85_a_token_of_somebody_else_closes_the_socket(guarded: Any, first: str | None, second: str) -> None:
    async with GraphQLWSClient.to_app(guarded()) as client:
        await client.init(None if first is None else {"token": first})
        await client.send({"type": "ping", "payload": {"bff": {"token": second}}})
        assert (await client.expect_close(4403)).reason == "Forbidden"


async def test_r86_who_is_revoked_is_let_go(guarded: Any, harbour: Any) -> None:
    async with open_datastore("sqlite://") as datastore, Revocations(datastore, hours=1) as revocations:
        app = guarded(revocations)
        async with GraphQLWSClient.to_app(app) as ada, GraphQLWSClient.to_app(app) as bob:
            await ada.init({"token": "ada"})
            await bob.init({"token": "bob"})
            await ada.subscribe(TICKS)
            await harbour.until(lambda: harbour.open == 1)
            await revocations.revoke(user="ada")
            assert (await ada.expect_close(4403)).reason == "Forbidden"
            assert (await bob.execute("{ greeting }"))["data"]
        await harbour.until(lambda: harbour.open == 0)
        assert not revocations._watching, "nobody watches over sockets that are closed"


UNAUTHENTICATED = [{"message": "The token has expired, or was revoked.", "extensions": {"code": "UNAUTHENTICATED"}}]


async def test_r87_a_stream_ends_when_its_reader_does_not_hold_any_more(guarded: Any, harbour: Any) -> None:
    headers = {"Authorization": "Bearer ada:0.3"}
    async with GraphQLSSEClient.to_app(guarded(), headers=headers) as client, client.stream(TICKS) as stream:
        await harbour.topics["t"].put(1)
        assert await stream.next() == {"data": {"ticks": 1}}
        assert await stream.next() == {"errors": UNAUTHENTICATED}
        await stream.expect_complete()
    await harbour.until(lambda: harbour.open == 0)
    headers = {"Authorization": "Bearer bob:0.3"}
    async with GraphQLMultipartClient.to_app(guarded(), headers=headers) as client, client.stream(TICKS) as parts:
        assert await parts.next() == {"data": None, "errors": UNAUTHENTICATED}
        await parts.expect_complete()
    await harbour.until(lambda: harbour.open == 0)


async def test_r87_every_operation_of_a_single_connection_does(guarded: Any, harbour: Any) -> None:
    async with open_datastore("sqlite://") as datastore, Revocations(datastore, hours=1) as revocations:
        client = GraphQLSSEClient.to_app(guarded(revocations), headers={"Authorization": "Bearer ada"})
        async with client, client.single_connection() as single:
            one, two = await single.subscribe(TICKS), await single.subscribe(TICKS)
            await harbour.until(lambda: harbour.open == 2)
            await revocations.revoke(user="ada")
            for id in (one, two):
                assert await single.next(id) == {"errors": UNAUTHENTICATED}
                await single.expect_complete(id)
    await harbour.until(lambda: harbour.open == 0)


async def test_r88_a_reservation_is_its_makers(guarded: Any) -> None:
    import httpx

    transport = httpx.ASGITransport(guarded())
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        ada, eve = {"Authorization": "Bearer ada"}, {"Authorization": "Bearer eve"}
        token = (await client.put("/graphql", headers=ada)).text
        for headers in (eve, {}):
            asked = {**headers, "X-GraphQL-Event-Stream-Token": token, "Accept": "text/event-stream"}
            assert (await client.get("/graphql", headers=asked)).status_code == 404
            body = {"query": TICKS, "extensions": {"operationId": "1"}}
            assert (await client.post("/graphql", headers=asked, json=body)).status_code == 404
            assert (await client.delete("/graphql?operationId=1", headers=asked)).status_code == 404
        asked = {**ada, "X-GraphQL-Event-Stream-Token": token}
        assert (await client.delete("/graphql?operationId=1", headers=asked)).status_code == 200
