"""An app that authenticates, over real transports: who asks is known in resolvers, mutations and Mediators, and only there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ariadne import MutationType, QueryType, SubscriptionType

import bff
from bff import (
    ANONYMOUS,
    DomainModel,
    Forbidden,
    JWTAuth,
    Mediator,
    Principal,
    Store,
    ViewModel,
    field,
    mutation,
    reference,
    signed_in,
)
from bff.errors import SettingsError
from bff.settings import Settings
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.harness import AppHarness
from tests.auth.conftest import AUDIENCE, ISSUER, Issuer, SigningKey
from tests.serving.conftest import listen  # noqa: F401 - a fixture

pytestmark = pytest.mark.anyio

CALLS: list[str] = []


def owns(principal: Principal, shop: Any) -> bool:
    return bool(principal.id == shop.owner)


async def is_staff(principal: Principal) -> bool:
    CALLS.append("is_staff")
    return "staff" in principal.groups


class Shop(DomainModel, collection="auth_shops"):
    name: str
    owner: str
    changed_by: str = ""

    @mutation(allow=owns)
    def rename(self, name: str, principal: Principal) -> None:
        self.name, self.changed_by = name, principal.id or ""

    @mutation(allow=signed_in)
    def sign(self, principal: Principal) -> None:
        self.changed_by = f"{principal.id}@{principal.tenant}"

    @mutation(allow=is_staff)
    def shut(self) -> None:
        CALLS.append("shut")

    @mutation(allow=signed_in)
    @classmethod
    def open(cls, name: str, principal: Principal) -> str:
        CALLS.append(f"open {name}")
        return f"{name} of {principal.id}"

    @mutation
    def whoever(self, principal: Principal = ANONYMOUS) -> str:
        return str(principal.id)


class Town(Mediator):
    @mutation(allow=signed_in)
    async def merge(self, one: Shop, other: Shop, principal: Principal) -> str:
        if principal.id not in (one.owner, other.owner):
            raise Forbidden("one of them is yours, or none is merged")
        return f"{principal.id}: {one.name} and {other.name}"


class ShopStore(Store):
    shop = reference(Shop)


class ShopView(ViewModel):
    store: ShopStore

    @field
    def name(self) -> str:
        return self.store.shop.name

    @field
    def changed_by(self) -> str:
        return self.store.shop.changed_by


query, changing, subscribing = QueryType(), MutationType(), SubscriptionType()


@query.field("me")
def me(_: Any, info: Any, principal: Principal, greeting: str = "hello") -> str:
    assert info.context.principal is principal
    return f"{greeting} {principal.id} of {principal.tenant} in {sorted(principal.groups)}"


@changing.field("poke")
async def poke(_: Any, info: Any, *, asking: Principal) -> str:
    return str(asking.id)


@subscribing.source("mine")
async def mine(_: Any, info: Any, principal: Principal) -> AsyncIterator[str]:
    yield str(principal.id)
    await asyncio.Event().wait()


@subscribing.field("mine")
def shown(event: str, info: Any) -> str:
    return event


SDL = """
extend type Query { me(greeting: String): String! }
extend type Mutation { poke: String! }
extend type Subscription { mine: String! }
"""


def app_of(auth: Any, **options: Any) -> bff.App:
    return bff.App(
        views=[ShopView], mediators=[Town], type_defs=SDL, bindables=[query, changing, subscribing], auth=auth, **options
    )


@pytest.fixture
async def running(issuer: Issuer) -> AsyncIterator[AppHarness]:
    auth = JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER, tenant_claim="tenant", groups_claim="groups")
    async with AppHarness(app_of(auth)) as harness:
        await Shop(id="s1", name="Ada's", owner="ada").save()
        await Shop(id="s2", name="Bob's", owner="bob").save()
        await harness.settled()
        CALLS.clear()
        yield harness


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code(result: dict[str, Any]) -> str:
    [error] = result["errors"]
    found: str = error["extensions"]["code"]
    return found


async def test_who_asks_is_known_to_resolvers(running: AppHarness, signing: SigningKey) -> None:
    headers = bearer(signing.sign(tenant="t1", groups=["b", "a"]))
    assert await running.execute("{ me }", headers=headers) == {"data": {"me": "hello ada of t1 in ['a', 'b']"}}
    assert await running.execute('{ me(greeting: "hi") }') == {"data": {"me": "hi None of None in []"}}
    assert await running.execute("mutation { poke }", headers=headers) == {"data": {"poke": "ada"}}


async def test_cwe_639_a_client_cannot_say_who_it_is(running: AppHarness) -> None:
    """The parameters are no arguments: not of resolvers, not of mutations."""
    for document in (
        '{ me(principal: "ada") }',
        'mutation { shopSign(id: "s1", principal: {id: "ada"}) { id } }',
        'mutation { poke(asking: "ada") }',
    ):
        assert code(await running.execute(document)) == "GRAPHQL_VALIDATION_FAILED"
    changing = running.app.schema.mutation_type
    assert changing is not None
    assert changing.fields["shopSign"].args.keys() == {"id"}


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "text/event-stream"])
@pytest.mark.parametrize("kind", ["expired", "signed by somebody else", "malformed"])
async def test_a_bad_token_is_401_whatever_is_asked(
    running: AppHarness, signing: SigningKey, rotated: SigningKey, accept: str, kind: str
) -> None:
    tokens = {"expired": signing.sign(exp=1), "signed by somebody else": rotated.sign(), "malformed": "x"}
    # Before the document is looked at: it is none.
    response = await running.http.post("/graphql", content=b"{ no json", headers={**bearer(tokens[kind]), "Accept": accept})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert response.json().keys() == {"errors"}
    got = await running.http.get("/graphql", params={"query": "{ me }"}, headers=bearer(tokens[kind]))
    assert got.status_code == 401


async def test_a_planned_query_is_authenticated_too(running: AppHarness, signing: SigningKey) -> None:
    document = '{ shopView(id: "s1") { name } }'
    for _ in range(3):
        assert (await running.execute(document, headers=bearer(signing.sign())))["data"]["shopView"]
        assert code(await running.execute(document, headers=bearer(signing.sign(exp=1)))) == "UNAUTHENTICATED"


async def test_an_issuer_that_is_down_is_503(issuer: Issuer, signing: SigningKey) -> None:
    issuer.status = "500 Oops"
    async with AppHarness(app_of(JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER))) as running:
        response = await running.http.post("/graphql", json={"query": "{ me }"}, headers=bearer(signing.sign()))
        assert response.status_code == 503
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        # Who shows nothing needs no issuer.
        assert await running.execute("{ me }") == {"data": {"me": "hello None of None in []"}}


async def test_allow_with_the_document(running: AppHarness, signing: SigningKey) -> None:
    document = 'mutation { shopRename(id: "s1", name: "New") { id } }'
    assert code(await running.execute(document, headers=bearer(signing.sign(sub="eve")))) == "FORBIDDEN"
    assert code(await running.execute(document)) == "UNAUTHENTICATED"
    shop = await Shop.get("s1")
    assert shop is not None
    assert shop.name == "Ada's"
    assert "errors" not in await running.execute(document, headers=bearer(signing.sign()))
    shop = await Shop.get("s1")
    assert shop is not None
    assert (shop.name, shop.changed_by) == ("New", "ada")


async def test_allow_is_asked_before_anything_is_loaded(running: AppHarness, signing: SigningKey) -> None:
    """CWE-203: whoever may not is not told whether the document is there."""
    document = 'mutation { shopShut(id: "nowhere") { id } }'
    assert code(await running.execute(document)) == "UNAUTHENTICATED"
    assert code(await running.execute(document, headers=bearer(signing.sign()))) == "FORBIDDEN"
    assert CALLS == ["is_staff", "is_staff"]
    assert code(await running.execute(document, headers=bearer(signing.sign(groups=["staff"])))) == "NOT_FOUND"
    assert "shut" not in CALLS


async def test_class_methods_and_mediators(running: AppHarness, signing: SigningKey) -> None:
    assert code(await running.execute('mutation { shopOpen(name: "C") { result } }')) == "UNAUTHENTICATED"
    assert CALLS == []
    headers = bearer(signing.sign())
    assert (await running.execute('mutation { shopOpen(name: "C") { result } }', headers=headers))["data"] == {
        "shopOpen": {"result": "C of ada"}
    }
    merge = 'mutation { merge(oneId: "s1", otherId: "s2") { result } }'
    assert code(await running.execute(merge)) == "UNAUTHENTICATED"
    assert code(await running.execute(merge, headers=bearer(signing.sign(sub="eve")))) == "FORBIDDEN"
    assert (await running.execute(merge, headers=headers))["data"] == {"merge": {"result": "ada: Ada's and Bob's"}}
    assert (await running.execute('mutation { shopWhoever(id: "s1") { result } }'))["data"] == {"shopWhoever": {"result": "None"}}


async def test_cwe_639_an_idempotency_key_is_its_owners(running: AppHarness, signing: SigningKey) -> None:
    document = 'mutation { shopOpen(name: "C") { result } }'

    async def keyed(**claims: Any) -> Any:
        headers = {**bearer(signing.sign(**claims)), "Idempotency-Key": '"k"'}
        return (await running.execute(document, headers=headers))["data"]["shopOpen"]["result"]

    assert await keyed() == "C of ada"
    assert await keyed() == "C of ada"
    assert CALLS == ["open C"]
    assert await keyed(sub="eve") == "C of eve"
    assert await keyed(tenant="t2") == "C of ada"
    assert CALLS == ["open C"] * 3
    assert code(await running.execute(document, headers={"Idempotency-Key": '"k"'})) == "UNAUTHENTICATED"


async def test_a_socket_is_its_principals(running: AppHarness, signing: SigningKey) -> None:
    async with GraphQLWSClient.to_app(running.app) as client:
        await client.init({"token": signing.sign(tenant="t1")})
        assert (await client.execute("{ me }"))["data"] == {"me": "hello ada of t1 in []"}
        id = await client.subscribe("subscription { mine }")
        assert await client.next(id) == {"data": {"mine": "ada"}}
        answer = await client.ping({"bff": {"token": signing.sign(tenant="t1", exp=int(time.time()) + 60)}})
        assert answer["bff"]["taken"] is True
        await client.execute('mutation { shopSign(id: "s1") { id } }')
        await client.send({"type": "ping", "payload": {"bff": {"token": signing.sign(tenant="t2")}}})
        await client.expect_close(4403)
    shop = await Shop.get("s1")
    assert shop is not None
    assert shop.changed_by == "ada@t1"


async def test_a_watch_of_the_harness_may_be_somebodys(running: AppHarness, signing: SigningKey) -> None:
    async with running.watch("subscription { mine }", payload={"token": signing.sign()}) as watching:
        assert await watching.next() == {"data": {"mine": "ada"}}


async def test_revoke_ends_sockets_and_streams_and_refuses_what_comes_after(running: AppHarness, signing: SigningKey) -> None:
    token = signing.sign(tenant="t1")
    watch = 'subscription { shopView(id: "s1") { name } }'
    async with (
        GraphQLWSClient.to_app(running.app) as socket,
        GraphQLWSClient.to_app(running.app) as other,
        GraphQLSSEClient.to_app(running.app, headers=bearer(token)) as client,
        client.stream(watch) as stream,
    ):
        await socket.init({"token": token})
        await other.init({"token": signing.sign(tenant="t2")})
        await socket.next(await socket.subscribe(watch))
        assert (await stream.next())["data"]
        await running.app.revoke(tenant="t1")
        assert (await socket.expect_close(4403)).reason == "Forbidden"
        assert code(await stream.next()) == "UNAUTHENTICATED"
        assert (await other.execute("{ me }"))["data"]
    response = await running.http.post("/graphql", json={"query": "{ me }"}, headers=bearer(token))
    assert response.status_code == 401
    assert (await running.http.get("/readyz")).json()["checks"]["revocations"]["ok"] is True


async def test_revoke_reaches_the_other_processes_of_the_app(issuer: Issuer, signing: SigningKey, tmp_path: Path) -> None:
    settings = Settings(datastore_url=f"sqlite:///{tmp_path / 'bff.db'}", broadcast_url="memory://")
    here, there = (app_of(JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER)) for _ in range(2))
    async with here.running(settings), there.running(settings.model_copy(update={"role": "web"})):
        async with GraphQLWSClient.to_app(there) as client:
            await client.init({"token": signing.sign()})
            await here.revoke(user="ada")
            assert (await client.expect_close(4403)).reason == "Forbidden"
        async with GraphQLWSClient.to_app(there) as client:
            await client.send({"type": "connection_init", "payload": {"token": signing.sign()}})
            assert (await client.expect_close(4403)).reason == "The token was revoked."


async def test_revoke_needs_an_app_that_runs_and_authenticates() -> None:
    app = bff.App(views=[ShopView])
    with pytest.raises(RuntimeError, match="running app"):
        await app.revoke(user="ada")
    async with AppHarness(app):
        with pytest.raises(SettingsError, match="App\\(auth=…\\)"):
            await app.revoke(user="ada")


async def test_over_the_network(issuer: Issuer, signing: SigningKey, listen: Any) -> None:  # noqa: F811
    auth = JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER)
    app = app_of(auth)
    settings = Settings(datastore_url="sqlite://", broadcast_url="memory://")
    async with app.running(settings), listen(app) as (address, _):
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            for token, status in ((signing.sign(), 200), (signing.sign(exp=1), 401), ("x" * 17_000, 401)):
                response = await client.post("/graphql", json={"query": "{ me }"}, headers=bearer(token))
                assert response.status_code == status
        async with GraphQLWSClient.to_url(f"ws://{address}/graphql", headers=bearer(signing.sign())) as socket:
            await socket.init()
            assert (await socket.execute("{ me }"))["data"] == {"me": "hello ada of None in []"}
            await app.revoke(user="ada")
            await socket.expect_close(4403)


async def test_without_auth_everybody_is_anonymous_whatever_they_send() -> None:
    async with AppHarness(app_of(None)) as running:
        assert await running.execute("{ me }", headers=bearer("x")) == {"data": {"me": "hello None of None in []"}}
        assert (
            code(await running.execute('mutation { shopOpen(name: "C") { result } }', headers=bearer("x"))) == "UNAUTHENTICATED"
        )
