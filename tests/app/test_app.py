"""bff.App: declarations in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from ariadne import QueryType
from graphql import GraphQLResolveInfo
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

import bff
from bff import DeclarationError, DomainModel, Settings, Store, ViewModel, field, reference
from bff.errors import SettingsError
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Bird(DomainModel, collection="birds"):
    name: str
    wingspan: float = 0.0


class BirdStore(Store):
    bird = reference(Bird)


class BirdView(ViewModel):
    store: BirdStore

    @field
    def name(self) -> str:
        return self.store.bird.name

    @field
    def ratio(self) -> float:
        return 1 / self.store.bird.wingspan


IN_MEMORY = Settings(datastore_url="sqlite://")


async def test_hand_written_sdl_and_resolvers_extend_the_schema(datastore_url: str) -> None:
    query = QueryType()

    @query.field("birdNames")
    async def bird_names(_: object, info: GraphQLResolveInfo) -> list[str]:
        assert isinstance(info.context, bff.Context)
        return [bird.name async for bird in Bird.order_by(Bird.name)]

    app = bff.App(views=[BirdView], type_defs="extend type Query { birdNames: [String!]! }", bindables=[query])
    async with AppHarness(app, settings=Settings(datastore_url=datastore_url)) as running:
        await Bird(id="a", name="Wren").save()
        await Bird(id="b", name="Auk").save()
        assert await running.execute("{ birdNames }") == {"data": {"birdNames": ["Auk", "Wren"]}}


async def test_routes_of_ones_own_see_the_datastore() -> None:
    async def count(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len([bird async for bird in Bird.all()])))

    async with AppHarness(bff.App(views=[BirdView], routes=[Route("/count", count)])) as running:
        await Bird(id="a", name="Wren").save()
        assert (await running.http.get("/count")).text == "1"
        assert (await running.http.get("/nowhere")).status_code == 404


async def test_graphql_is_where_the_settings_say() -> None:
    settings = Settings(datastore_url="sqlite://", graphql_path="/api/graphql")
    async with AppHarness(bff.App(views=[BirdView]), settings=settings) as running:
        assert await running.execute("{ __typename }") == {"data": {"__typename": "Query"}}
        assert (await running.http.post("/graphql", json={"query": "{ __typename }"})).status_code == 404


async def test_a_process_that_only_projects_serves_its_health_and_nothing_else() -> None:
    settings = Settings(datastore_url="sqlite://", role="projector")
    async with AppHarness(bff.App(views=[BirdView]), settings=settings) as running:
        await running.settled()
        ready = (await running.http.get("/readyz")).json()
        assert ready["ready"] is True
        assert "projector" in ready["checks"]
        assert "hub" not in ready["checks"]
        assert (await running.http.post("/graphql", json={"query": "{ __typename }"})).status_code == 404


async def test_a_web_process_over_memory_relays_for_itself() -> None:
    settings = Settings(datastore_url="sqlite://", role="web", broadcast_url="memory://")
    async with AppHarness(bff.App(views=[BirdView]), settings=settings) as running:
        assert running.runtime.relay is not None
        assert running.runtime.projector is None
        with pytest.raises(RuntimeError, match="without one"):
            await running.settled()


async def test_a_view_that_cannot_be_built_is_shown_and_keeps_its_last_good_value(datastore_url: str) -> None:
    async with AppHarness(bff.App(views=[BirdView]), settings=Settings(datastore_url=datastore_url)) as running:
        await Bird(id="a", name="Wren", wingspan=2).save()
        await Bird(id="never", name="Kiwi").save()
        await running.settled()
        bird = await Bird.get("a")
        assert bird is not None
        bird.wingspan = 0
        await bird.save()
        await running.settled()

        answer = await running.execute('{ good: birdView(id: "a") { ratio } }')
        assert answer == {"data": {"good": {"ratio": 0.5}}}
        bad = await running.execute('{ birdView(id: "never") { ratio } }')
        assert bad["data"] == {"birdView": None}
        [error] = bad["errors"]
        assert error["extensions"]["code"] == "BUILD_FAILED"
        assert "division" not in str(bad), "what a getter raised never reaches a client"

        ready = (await running.http.get("/readyz")).json()
        assert ready["ready"] is True, "one view that fails takes nothing else down"
        failures = {failure["key"]: failure["error"] for failure in ready["checks"]["projector"]["failures"]}
        assert set(failures) == {"a", "never"}
        assert "BirdView.ratio" in failures["a"]
        assert "ZeroDivisionError" in failures["a"]

        bird.wingspan = 4
        await bird.save()
        await running.settled()
        assert await running.execute('{ birdView(id: "a") { ratio } }') == {"data": {"birdView": {"ratio": 0.25}}}
        ready = (await running.http.get("/readyz")).json()
        assert [failure["key"] for failure in ready["checks"]["projector"]["failures"]] == ["never"]


async def test_without_a_lifespan_it_says_so() -> None:
    app = bff.App(views=[BirdView])

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match="lifespan"):
        await app({"type": "http"}, receive, send)


async def lifespan(app: bff.App) -> list[Message]:
    """What an app says to a server that starts it and stops it."""

    async def messages() -> AsyncIterator[Message]:
        yield {"type": "lifespan.startup"}
        yield {"type": "lifespan.shutdown"}

    incoming, sent = messages(), []

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, incoming.__anext__, send)
    return sent


async def test_the_lifespan_starts_and_stops_it() -> None:
    sent = await lifespan(bff.App(views=[BirdView], settings=IN_MEMORY))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"datastore_url": "mysql://x"}, "is no datastore"),
        ({"broadcast_url": "nonsense://x"}, "nonsense"),
        ({"datastore_url": "firestore://p?emulator=127.0.0.1:1"}, "127.0.0.1:1"),
        ({"broadcast_url": "redis://127.0.0.1:1"}, "127.0.0.1:1"),
    ],
)
async def test_what_is_not_there_at_the_start_is_one_clear_message(settings: dict[str, str], message: str) -> None:
    sent = await lifespan(bff.App(views=[BirdView], settings=Settings(**{"datastore_url": "sqlite://", **settings})))
    [failed] = sent
    assert failed["type"] == "lifespan.startup.failed"
    assert message in failed["message"]
    assert "Traceback" not in failed["message"]


def test_two_views_of_one_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match="BirdView"):
        bff.App(views=[BirdView, type("BirdView", (ViewModel,), {"__annotations__": {"store": BirdStore}})])


@pytest.mark.parametrize("type_defs", ["extend type Query { broken: Nowhere }", "type {", "extend type Query { birdView: Int }"])
def test_sdl_that_does_not_fit_is_refused(type_defs: str) -> None:
    with pytest.raises(DeclarationError):
        bff.App(views=[BirdView], type_defs=type_defs)


def test_settings_that_are_wrong_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from bff.settings import load_settings

    monkeypatch.setenv("BFF_ROLE", "boss")
    monkeypatch.setenv("BFF_BUILDS_AT_ONCE", "0")
    with pytest.raises(SettingsError, match=r"role \(BFF_ROLE\).*builds_at_once \(BFF_BUILDS_AT_ONCE\)"):
        load_settings()


def test_a_setting_that_is_misspelt_is_told_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from bff.settings import load_settings

    for name in ("BFF_DATASTORE_ULR", "BFF_SENTRY_DSN", "BFF_TEST_REQUIRE_ALL", "BFF_DRAIN_SECONDS"):
        monkeypatch.setenv(name, "1")
    with caplog.at_level("WARNING", "bff.settings"):
        assert load_settings().drain_seconds == 1
    told = [record.getMessage() for record in caplog.records]
    assert sorted(told) == [
        "BFF_DATASTORE_ULR is no setting of bff, and decides nothing: did you mean BFF_DATASTORE_URL?",
    ]
