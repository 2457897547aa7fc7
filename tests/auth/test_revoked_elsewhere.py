"""Who is revoked through one process is out of all of them: real processes, on every datastore (CWE-613)."""

from __future__ import annotations

import asyncio
import signal
import time

import httpx
import pytest

from bff.connection import connect
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient
from tests.auth.served_gate import Gate, token
from tests.serve import BffServer

pytestmark = pytest.mark.anyio

APP = "tests.auth.served_gate:app"
WATCH = 'subscription { gateView(id: "g1") { name } }'


def bearer(of: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of}"}


async def status(server: BffServer, of: str) -> int:
    async with httpx.AsyncClient(timeout=30) as http:
        body = {"query": '{ gateView(id: "g1") { name } }'}
        return (await http.post(f"{server.url}/graphql", json=body, headers=bearer(of))).status_code


async def revoke(server: BffServer, user: str) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        body = {"query": "mutation ($user: String!) { revoke(user: $user) }", "variables": {"user": user}}
        answer = await http.post(f"{server.url}/graphql", json=body)
    assert answer.json() == {"data": {"revoke": True}}


def socket_of(server: BffServer, of: str) -> GraphQLWSClient:
    url = server.url.replace("http:", "ws:")
    return GraphQLWSClient.to_url(f"{url}/graphql", headers=bearer(of), timeout=30)


async def test_cwe_613_revoked_in_one_process_is_out_of_all(datastore_url: str) -> None:
    """Open sockets and streams end; one that was frozen ends them when it goes on; one that starts lets nobody in."""
    async with connect(datastore_url):
        await Gate(id="g1", name="north").save()
    issued = time.time() - 5
    ada, bob, eve = (token(user, issued) for user in ("ada", "bob", "eve"))
    here, there = servers = [BffServer(APP, datastore_url) for _ in range(2)]
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        async with (
            socket_of(here, ada) as near,
            socket_of(there, ada) as far,
            socket_of(there, bob) as other,
            GraphQLSSEClient.to_url(f"{there.url}/graphql", headers=bearer(ada)) as events,
            events.stream(WATCH) as stream,
        ):
            for client in (near, far, other):
                await client.init()
                assert (await client.next(await client.subscribe(WATCH)))["data"] == {"gateView": {"name": "north"}}
            assert (await stream.next())["data"] == {"gateView": {"name": "north"}}
            await revoke(here, "ada")
            for client in (near, far):
                assert (await client.expect_close(4403)).reason == "Forbidden"
            assert (await stream.next())["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            newer = token("ada", time.time() + 1)
            assert [await status(there, of) for of in (ada, bob, newer)] == [401, 200, 200]

            there.signal(signal.SIGSTOP)
            await revoke(here, "bob")
            there.signal(signal.SIGCONT)
            assert (await other.expect_close(4403)).reason == "Forbidden"
        for server in servers:
            server.kill()
        await asyncio.to_thread(there.start)
        assert [await status(there, of) for of in (ada, bob, eve)] == [401, 401, 200]
    finally:
        for server in servers:
            server.kill()
