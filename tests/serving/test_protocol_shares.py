"""PROTOCOL.md, How much one client may take (CWE-770, CWE-400; OWASP API4:2023, unrestricted resource consumption)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bff.auth.authenticator import Authenticator
from bff.auth.port import Credentials
from bff.observability.tally import Tally
from bff.principal import ANONYMOUS, Principal
from bff.serving.limits import Limits
from bff.serving.occupancy import Occupancy
from bff.serving.shares import Shares, TooMany
from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import GraphQLSSEClient, Refused
from bff.testing.graphql_ws import GraphQLWSClient
from tests.serving.test_protocol_bounds import Peers, peers, turns

__all__ = ["peers"]

pytestmark = pytest.mark.anyio

TICKS = 'subscription { ticks(topic: "t") }'


def who(given: Credentials) -> Principal | None:
    """Tokens are ``user`` or ``user@tenant``."""
    if given.token is None:
        return None
    name, _, tenant = given.token.partition("@")
    return Principal(id=name, tenant=tenant or None)


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def guarded(serve: Any, tally: Tally) -> Callable[..., Any]:
    return lambda **options: serve(authenticator=Authenticator(who), tally=tally, **options)


def socket(app: Any) -> GraphQLWSClient:
    return GraphQLWSClient.to_app(app)


def sse(app: Any, token: str | None = None) -> GraphQLSSEClient:
    return GraphQLSSEClient.to_app(app, headers=None if token is None else {"Authorization": f"Bearer {token}"})


async def test_r89_one_socket_more_is_closed(guarded: Any, tally: Tally) -> None:
    app = guarded(principal_sockets=2)
    async with socket(app) as first, socket(app) as second, socket(app) as third, socket(app) as other, socket(app) as nobody:
        await first.init({"token": "ada"})
        await second.init({"token": "ada"})
        await third.send({"type": "connection_init", "payload": {"token": "ada"}})
        assert "too many connections" in (await third.expect_close(1013)).reason
        assert tally.refusals["principal_sockets"] == 1
        # In another tenant it is somebody else, and so is everybody else.
        await other.init({"token": "ada@north"})
        await nobody.init()
        await first.close()
        await turns()
        async with socket(app) as fourth:
            await fourth.init({"token": "ada"})


async def test_r89_streams_are_counted_with_sockets(guarded: Any, harbour: Any, tally: Tally) -> None:
    app = guarded(principal_sockets=2)
    async with socket(app) as first, sse(app, "ada") as events:
        await first.init({"token": "ada"})
        async with events.stream(TICKS):
            await harbour.until(lambda: harbour.open == 1)
            async with socket(app) as third:
                await third.send({"type": "connection_init", "payload": {"token": "ada"}})
                await third.expect_close(1013)
            with pytest.raises(Refused) as refused:
                async with events.stream(TICKS):
                    pass
            assert refused.value.status == 429
            assert "TOO_MANY_STREAMS" in refused.value.body
            with pytest.raises(Refused, match="429"):
                await events.reserve()
            parts = GraphQLMultipartClient.to_app(app, headers={"Authorization": "Bearer ada"})
            async with parts:
                with pytest.raises(Refused, match="429"):
                    async with parts.stream(TICKS):
                        pass
            async with sse(app, "bob") as others:
                await others.reserve()
        await harbour.until(lambda: harbour.open == 0)
        await turns()
        async with events.single_connection():
            pass
    assert tally.refusals["principal_sockets"] == 4


async def test_r89_a_reservation_that_is_opened_is_one_connection(guarded: Any, harbour: Any) -> None:
    app = guarded(principal_sockets=1)
    async with sse(app, "ada") as events:
        for _ in range(3):
            async with events.single_connection() as single:
                await single.subscribe(TICKS)
                await harbour.until(lambda: harbour.open == 1)
            await harbour.until(lambda: harbour.open == 0)
            await turns()


async def test_r89_who_has_not_signed_in_is_an_address(serve: Any, tally: Tally) -> None:
    app = serve(address_sockets=1, tally=tally)
    async with socket(app) as first, socket(app) as second:
        await first.init()
        await second.send({"type": "connection_init"})
        await second.expect_close(1013)
        assert tally.refusals["address_sockets"] == 1


async def test_r90_one_subscription_more_is_refused(guarded: Any, harbour: Any, tally: Tally) -> None:
    app = guarded(principal_subscriptions=2)
    async with socket(app) as one, socket(app) as other, sse(app, "ada") as events, events.single_connection() as single:
        await one.init({"token": "ada"})
        await other.init({"token": "ada"})
        first = await one.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 1)
        await single.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 2)
        for _ in range(3):
            [error] = await other.expect_error(await other.subscribe(TICKS))
            assert error["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        refused = await single.next(await single.subscribe(TICKS))
        assert refused["errors"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        assert (await other.execute("{ greeting }"))["data"]
        await one.complete(first)
        await harbour.until(lambda: harbour.open == 1)
        await other.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 2)
        assert tally.refusals["principal_subscriptions"] == 4


async def test_r90_one_that_has_ended_counts_no_more(guarded: Any, harbour: Any) -> None:
    app = guarded(principal_subscriptions=1)
    async with socket(app) as client:
        await client.init({"token": "ada"})
        for _ in range(3):
            id = await client.subscribe("subscription { count(to: 1) }")
            await client.next(id)
            await client.expect_complete(id)
            for query in ('subscription { refuse(how: "domain") }', "subscription { nothing }"):
                await client.expect_error(await client.subscribe(query))
        async with socket(app) as other:
            await other.init({"token": "ada"})
            await other.subscribe(TICKS)
            await harbour.until(lambda: harbour.open == 1)
        await harbour.until(lambda: harbour.open == 0)
        await turns()
        await client.subscribe(TICKS)
        await harbour.until(lambda: harbour.open == 1)


def test_shares_are_forgotten_with_the_last_connection() -> None:
    shares = Shares(Limits(principal_sockets=1))
    ada = Principal(id="ada", groups=frozenset({"a"}))
    share = shares.join(ada, "10.0.0.1")
    assert shares.join(Principal(id="ada"), None) is share
    with pytest.raises(TooMany):
        shares.admit(ada, None)
    shares.admit(ANONYMOUS, "10.0.0.1")
    assert share.subscribe()
    share.leave()
    share.leave()
    assert len(shares) == 1
    share.unsubscribe()
    assert len(shares) == 0


async def test_r91_who_says_too_much_is_closed(serve: Any, tally: Tally) -> None:
    # One in a thousand seconds: what comes while the test runs is the burst.
    async with socket(serve(messages_per_second=0.001, messages_burst=5, tally=tally)) as client:
        await client.init()
        for _ in range(4):
            await client.ping()
        await client.send({"type": "ping"})
        assert (await client.expect_close(1013)).reason == "Too many messages"
        assert tally.refusals["messages_per_second"] == 1


async def test_r91_who_says_it_slowly_is_not(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    async with peers(messages_per_second=1.0, messages_burst=2) as peer:
        ahead = 0.0
        began = loop.time()
        monkeypatch.setattr(loop, "time", lambda: began + ahead)
        for _ in range(50):
            ahead += 1.0
            peer.say("ping")
            assert await peer.read() == {"type": "pong"}
        monkeypatch.undo()
    assert peer.closed is None


async def test_r92_the_one_with_the_most_unsent_goes_first(peers: Peers, tally: Tally) -> None:
    occupancy = Occupancy(Limits(queued_bytes=100_000))
    big = "{ big(size: 30000) }"
    async with peers(occupancy=occupancy) as slow, peers(occupancy=occupancy) as slower, peers(occupancy=occupancy) as reading:
        for peer, times in ((slow, 2), (slower, 3)):
            for number in range(times):
                peer.ask(str(number), big)
                await turns()
        assert 80_000 < occupancy.backlog.length <= 100_000
        reading.ask("1", big)
        await turns()
        assert slower.closed == 1013
        assert slow.closed is None
        assert occupancy.backlog.length < 100_000
        assert (await reading.read())["id"] == "1"
        for _ in range(4):
            assert (await slow.read())["id"] in "01"
    assert occupancy.backlog.length == 0


async def test_r92_an_event_stream_goes_as_well(serve: Any, harbour: Any, tally: Tally) -> None:
    app = serve(queued_bytes=50_000, tally=tally)
    async with sse(app) as events:
        token = await events.reserve()
        # Nobody reads it yet.
        for number in range(2):
            await events.execute(token, str(number), "{ big(size: 30000) }")
        await turns()
        assert tally.refusals["queued_bytes"] == 1
        assert app.websocket_handler.queued_bytes == 0
        with pytest.raises(Refused, match="404"):
            await events.execute(token, "4", "{ greeting }")
