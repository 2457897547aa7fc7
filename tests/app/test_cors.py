"""Pages of other origins that may use an app: their browsers are told so (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from typing import Any

import pytest

from bff import App, DomainModel, Settings, Store, ViewModel, field, reference
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

PAGE = "https://app.example.com"
EVIL = "https://evil.example"


class Buoy(DomainModel, collection="buoys"):
    name: str


class BuoyStore(Store):
    buoy = reference(Buoy)


class BuoyView(ViewModel):
    store: BuoyStore

    @field
    def name(self) -> str:
        return self.store.buoy.name


QUERY: dict[str, Any] = {"query": '{ buoyView(id: "b") { name } }'}


def settings(*allowed: str) -> Settings:
    return Settings(datastore_url="sqlite://", broadcast_url="memory://", allowed_origins=allowed)


@pytest.mark.parametrize("origin", [PAGE, EVIL])
async def test_a_page_reads_what_it_may(origin: str) -> None:
    async with AppHarness(App(views=[BuoyView]), settings=settings(f"{PAGE}/")) as run:
        await Buoy(id="b", name="Bell").save()
        await run.settled()
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        preflight = await run.http.options("/graphql", headers=asked)
        assert (preflight.headers.get("access-control-allow-origin") == PAGE) == (origin == PAGE)
        # More than once: what is answered in a shorter way is answered so as well.
        for _ in range(3):
            response = await run.http.post("/graphql", json=QUERY, headers={"Origin": origin})
            assert response.headers.get("access-control-allow-origin") == (PAGE if origin == PAGE else None)
            assert response.json() == {"data": {"buoyView": {"name": "Bell"}}}
            assert "Origin" in response.headers["Vary"] or origin == EVIL


async def test_without_allowed_origins_nobody_is_told_anything() -> None:
    async with AppHarness(App(views=[BuoyView]), settings=settings()) as run:
        response = await run.http.post("/graphql", json=QUERY, headers={"Origin": PAGE})
        assert "access-control-allow-origin" not in response.headers
