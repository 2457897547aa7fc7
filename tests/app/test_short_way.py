"""The short way of a query, in front of a whole application."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from ariadne import QueryType
from starlette.applications import Starlette
from starlette.routing import Mount

import bff
from bff import DomainModel, Settings, Store, ViewModel, field, reference
from bff.model.session import current_session
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

ASKED = {"query": "query ($id: ID!) { boat(id: $id) { id name } }", "variables": {"id": "vega"}}
ANSWER = {"data": {"boat": {"id": "vega", "name": "Vega"}}}


class Hull(DomainModel, collection="hulls"):
    name: str


class BoatStore(Store):
    hull = reference(Hull)


class Boat(ViewModel):
    store: BoatStore

    @field
    def name(self) -> str:
        return self.store.hull.name


def settings(**more: Any) -> Settings:
    return Settings(datastore_url="sqlite://", broadcast_url="memory://", **more)


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/"])
async def test_a_query_is_answered_before_anything_else_is_asked(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = bff.App(views=[Boat])
    async with AppHarness(app, settings=settings(graphql_path=path)) as running:
        await Hull(id="vega", name="Vega").save()
        await running.settled()
        for _ in range(2):
            assert (await running.http.post(path, json=ASKED)).json() == ANSWER

        async def serving(*_: Any) -> None:
            raise AssertionError("it has gone the long way")

        with monkeypatch.context() as patched:
            assert app._served is not None
            patched.setattr(app, "_served", replace(app._served, endpoints=serving))
            answer = await running.http.post(path, json=ASKED)
            assert answer.json() == ANSWER
            assert answer.headers["cache-control"] == "no-store"
        assert (await running.http.post(f"{path}x", json=ASKED)).status_code == 404
        assert (await running.http.get("/healthz")).text == "ok\n"
        hull = await Hull.get("vega")
        assert hull is not None
        hull.name = "Wega"
        await hull.save()
        await running.settled()
        fresh = await running.http.post(path, json={**ASKED, "extensions": {"bff": {"asOf": True}}})
        assert fresh.json()["data"] == {"boat": {"id": "vega", "name": "Wega"}}
        assert "asOf" in fresh.json()["extensions"]["bff"]
    assert app._shortcut is None


async def test_inside_another_application(monkeypatch: pytest.MonkeyPatch) -> None:
    app = bff.App(views=[Boat])
    outer = Starlette(routes=[Mount("/inner", app)])
    async with AppHarness(app, settings=settings()) as running:
        await Hull(id="vega", name="Vega").save()
        await running.settled()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://app.test") as client:
            for _ in range(2):
                assert (await client.post("/inner/graphql", json=ASKED)).json() == ANSWER
            monkeypatch.setattr(app, "_served", None)
            assert (await client.post("/inner/graphql", json=ASKED)).json() == ANSWER


async def test_the_long_way_has_its_session() -> None:
    """Resolvers of one's own go to the app's datastore, the short way tried or not."""
    found: list[Any] = []

    async def count(*_: Any) -> int:
        found.append(current_session())
        return len(found)

    query = QueryType()
    query.set_field("count", count)
    app = bff.App(views=[Boat], type_defs="extend type Query { count: Int! }", bindables=[query])
    async with AppHarness(app, settings=settings()) as running:
        for number in (1, 2, 3):
            answer = await running.http.post("/graphql", json={"query": "{ count }"})
            assert answer.json() == {"data": {"count": number}}
