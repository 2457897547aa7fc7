"""Tokens that are not good, on every transport, and streams of those whose tokens were good once.

What each is refused for is shown by tests/auth/test_jwt.py and tests/serving/test_protocol_identity.py; here, that there is no
way in where it is not asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from bff import App, JWTAuth
from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import GraphQLSSEClient, Refused
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.auth.conftest import AUDIENCE, ISSUER, SigningKey, right
from tests.security.city import NoteView, SignView, reset

pytestmark = pytest.mark.anyio

SIGN = 'query { signView(id: "s0") { title } }'
WATCH = 'subscription { signView(id: "s0") { title back } }'


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey("k1")


@pytest.fixture(scope="module")
def stranger() -> SigningKey:
    return SigningKey("k1")


@pytest.fixture(scope="module")
async def shared(key: SigningKey) -> AsyncIterator[AppHarness]:
    """For tests that change nothing."""
    async with _running(key) as run:
        yield run


@pytest.fixture
async def run(key: SigningKey) -> AsyncIterator[AppHarness]:
    async with _running(key) as run:
        yield run


@asynccontextmanager
async def _running(key: SigningKey) -> AsyncIterator[AppHarness]:
    auth = JWTAuth(keys=[key.jwk], audience=AUDIENCE, issuer=ISSUER, tenant_claim="tenant")
    async with AppHarness(App(views=[NoteView, SignView], auth=auth)) as running:
        await reset()
        await running.settled()
        yield running


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{part(right())}."


def confused(key: SigningKey) -> str:
    """Signed by HMAC, with the public key as the secret."""
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{part(right())}"
    mac = hmac.new(key.pem.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


BAD = {
    "CVE-2015-2951 alg none": lambda key, stranger: unsigned("none"),
    "CVE-2015-2951 alg nOnE": lambda key, stranger: unsigned("nOnE"),
    "CVE-2016-10555 HS with the public key": lambda key, stranger: confused(key),
    "CWE-347 another key": lambda key, stranger: stranger.sign(),
    "CWE-347 other claims": lambda key, stranger: (
        key.sign().replace(".", f".{part(right(sub='eve'))}.", 1).rsplit(".", 2)[0] + ".AAAA"
    ),
    "CVE-2018-0114 a key in the token": lambda key, stranger: stranger.sign(headers={"jwk": stranger.jwk}),
    "OWASP API2 another audience": lambda key, stranger: key.sign(aud="another app"),
    "OWASP API2 another issuer": lambda key, stranger: key.sign(iss="https://evil.example/"),
    "CWE-613 expired": lambda key, stranger: key.sign(exp=int(time.time()) - 5),
    "CWE-613 never expires": lambda key, stranger: key.sign(without=("exp",)),
    "CWE-20 no token at all": lambda key, stranger: "x.y.z",
}


@pytest.mark.parametrize("forge", BAD.values(), ids=BAD)
async def test_cwe_287_a_bad_token_is_no_way_in_on_any_transport(
    shared: AppHarness, key: SigningKey, stranger: SigningKey, forge: Any
) -> None:
    headers = {"Authorization": f"Bearer {forge(key, stranger)}"}
    for _ in range(2):  # planned, once it was executed for somebody who may
        posted = await shared.http.post("/graphql", json={"query": SIGN}, headers=headers)
        got = await shared.http.get("/graphql", params={"query": SIGN}, headers=headers)
        reserved = await shared.http.put("/graphql", headers=headers)
        assert [each.status_code for each in (posted, got, reserved)] == [401] * 3
        assert (await shared.execute(SIGN, headers={"Authorization": f"Bearer {key.sign()}"}))["data"]
    for client in (
        GraphQLSSEClient.to_app(shared.app, headers=headers),
        GraphQLMultipartClient.to_app(shared.app, headers=headers),
    ):
        async with client:
            with pytest.raises(Refused) as refused:
                async with client.stream(WATCH):  # type: ignore[attr-defined]
                    pass
            assert refused.value.status == 401
    for payload, handshake in (({"token": headers["Authorization"][7:]}, {}), (None, headers)):
        async with GraphQLWSClient.to_app(shared.app, headers=handshake) as socket:
            await socket.send({"type": "connection_init", **({} if payload is None else {"payload": payload})})
            await socket.expect_close(4403)


async def test_cwe_613_who_is_revoked_hears_nothing_more_on_any_transport(run: AppHarness, key: SigningKey) -> None:
    """The revocation first, then a change: what it says reaches nobody who was revoked, and others still."""
    gone, here = ({"Authorization": f"Bearer {key.sign(tenant=tenant)}"} for tenant in ("east", "west"))
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(GraphQLWSClient.to_app(run.app, headers=gone))
        other = await stack.enter_async_context(GraphQLWSClient.to_app(run.app, headers=here))
        events = await stack.enter_async_context(GraphQLSSEClient.to_app(run.app, headers=gone))
        parted = await stack.enter_async_context(GraphQLMultipartClient.to_app(run.app, headers=gone))
        stream = await stack.enter_async_context(events.stream(WATCH))
        single = await stack.enter_async_context(events.single_connection())
        parts = await stack.enter_async_context(parted.stream(WATCH))
        await socket.init()
        await other.init()
        watched, watching = await socket.subscribe(WATCH), await other.subscribe(WATCH)
        alone = await single.subscribe(WATCH)
        assert "EastQxZ" in str(await socket.next(watched))
        assert (await other.next(watching))["data"]["signView"]["back"] is None
        for each in (stream.next(), single.next(alone), parts.next()):
            assert "EastQxZ" in str(await each)

        await run.app.revoke(tenant="east")
        assert (await socket.expect_close(4403)).reason == "Forbidden"
        for each in (stream.next(), single.next(alone), parts.part()):
            said = str(await each)
            assert "UNAUTHENTICATED" in said
            assert "EastQxZ" not in said

        turned = await run.execute('mutation { signTurn(id: "s0") { back } }', headers=here)
        assert turned["data"]["signTurn"]["back"] == "WestQxZ turned"
        assert (await other.next(watching))["data"]["signView"]["back"] == "WestQxZ turned"
        assert socket.waiting() == []


async def test_cwe_613_what_a_revoked_socket_had_asked_is_not_answered(run: AppHarness, key: SigningKey) -> None:
    async with GraphQLWSClient.to_app(run.app, headers={"Authorization": f"Bearer {key.sign(tenant='east')}"}) as socket:
        await socket.init()
        await run.app.revoke(user="ada")
        with pytest.raises((OperationFailed, Exception)):
            await socket.execute('query { noteView(id: "n0") { text } }')
        await socket.expect_close(4403)
        assert "EastQxZ" not in str(socket.waiting())
