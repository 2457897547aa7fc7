"""ETags over views: 304 from versions alone, and never for something else than the client holds."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from ariadne import InterfaceType, ObjectType, QueryType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bff
from bff import DomainModel, Ref, Settings, Store, ViewModel, field, mutation, reference
from bff.datastore.connect import open_datastore
from bff.document import Document
from bff.query import Query
from bff.serving.limits import Limits
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Team(DomainModel, collection="teams"):
    name: str


class Player(DomainModel, collection="players"):
    name: str
    team: Ref[Team] | None = None
    goals: int = 0

    @mutation
    def score(self) -> None:
        self.goals += 1


class TeamStore(Store):
    team = reference(Team)
    players = reference(Player, where=lambda s: Player.team == s.team.ref, many=True)


class PlayerStore(Store):
    player = reference(Player)


class TeamCard(ViewModel):
    store: TeamStore

    @field
    def name(self) -> str:
        return self.store.team.name

    @field
    def players(self) -> list[PlayerCard]:
        return [PlayerCard.of(player) for player in sorted(self.store.players, key=lambda player: player.id)]


class PlayerCard(ViewModel):
    store: PlayerStore

    @field(filterable=True, max_age=3600)
    def name(self) -> str:
        return self.store.player.name

    @field(filterable=True)
    def goals(self) -> int:
        return self.store.player.goals

    @field
    def team(self) -> TeamCard | None:
        return None if self.store.player.team is None else TeamCard.of(self.store.player.team)


class Badge(ViewModel, max_age=60):
    store: TeamStore

    @field
    def text(self) -> str:
        return self.store.team.name.upper()

    @field(max_age=5)
    def size(self) -> int:
        return len(self.store.players)


VIEWS = [TeamCard, PlayerCard, Badge]

ONE = '{ teamCard(id: "t0") { name players { name goals } } }'
DEEP = '{ playerCard(id: "p0") { name team { name players { id name team { name } } } } }'
LIST = "{ playerCards(filter: {goals: {gte: 1}}, orderBy: [{field: GOALS, direction: DESC}], first: 2) "
LIST += "{ edges { cursor node { name team { name } } } pageInfo { hasNextPage endCursor } totalCount } }"
NODE = '{ node(id: "PlayerCard:p1") { id ... on PlayerCard { name goals } __typename } }'
SEVERAL = "query ($id: ID!) { teamCard(id: $id) { version } badge(id: $id) { text size } playerCards { totalCount } }"
QUERIES: list[tuple[str, dict[str, Any]]] = [(ONE, {}), (DEEP, {}), (LIST, {}), (NODE, {}), (SEVERAL, {"id": "t1"})]


asking: ContextVar[bool] = ContextVar("asking", default=False)


class Counting:
    """A datastore that tells how many documents a request has read, with all their fields and with a few."""

    def __init__(self, url: str) -> None:
        self._inner = open_datastore(url)
        self.whole = 0
        self.masked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def __aenter__(self) -> Counting:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._inner.__aexit__(*exc_info)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        async with self._inner.snapshot() as snapshot:
            yield CountingSnapshot(self, snapshot)

    def count(self, documents: Sequence[Document], fields: Sequence[str] | None) -> None:
        if not asking.get():
            return  # the projector's own
        if fields is None:
            self.whole += len(documents)
        else:
            self.masked += len(documents)


class CountingSnapshot:
    def __init__(self, counting: Counting, inner: Any) -> None:
        self._counting = counting
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        documents: list[Document] = await self._inner.get(paths, fields)
        self._counting.count(documents, fields)
        return documents

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        documents: list[Document] = await self._inner.query(query, fields)
        self._counting.count(documents, fields)
        return documents


async def fill() -> None:
    for number in range(2):
        await Team(id=f"t{number}", name=f"Team {number}").save()
    for number in range(4):
        await Player(id=f"p{number}", name=f"Player {number}", team=Team.ref(f"t{number % 2}"), goals=number).save()


@asynccontextmanager
async def running(url: str = "sqlite://", **options: Any) -> AsyncIterator[tuple[AppHarness, Counting]]:
    counting = Counting(url)
    own = {name: options.pop(name) for name in ("type_defs", "bindables", "views") if name in options}
    app = bff.App(**{"views": VIEWS, **own}, datastore=counting)
    async with AppHarness(app, settings=Settings(datastore_url=url, **options)) as harness:
        await fill()
        if harness.runtime.projector is not None:
            await harness.settled()
        yield harness, counting


async def get(harness: AppHarness, query: str, variables: dict[str, Any] | None = None, tag: str | None = None) -> httpx.Response:
    headers = {} if tag is None else {"if-none-match": tag}
    parameters = {"query": query, "variables": json.dumps(variables or {})}
    token = asking.set(True)
    try:
        return await harness.http.get("/graphql", params=parameters, headers=headers)
    finally:
        asking.reset(token)


@pytest.mark.parametrize(("query", "variables"), QUERIES)
async def test_a_304_reads_versions_and_no_document(datastore_url: str, query: str, variables: dict[str, Any]) -> None:
    async with running(datastore_url) as (harness, counting):
        first = await get(harness, query, variables)
        assert first.status_code == 200
        assert "errors" not in first.json(), first.json()
        tag = first.headers["etag"]
        assert tag.startswith('W/"')
        counting.whole = counting.masked = 0
        second = await get(harness, query, variables, tag)
        assert (second.status_code, second.content) == (304, b"")
        assert counting.whole == 0
        assert counting.masked > 0
        for name in ("etag", "cache-control", "vary"):
            assert second.headers[name] == first.headers[name]
        assert first.headers["vary"] == "Accept, Accept-Encoding, Authorization, Cookie"


async def test_an_etag_changes_with_what_it_is_of(datastore_url: str) -> None:
    async with running(datastore_url) as (harness, _):
        tags = {(await get(harness, query, variables)).headers["etag"] for query, variables in QUERIES}
        assert len(tags) == len(QUERIES), "one query's ETag is not another's"
        before = (await get(harness, DEEP)).headers["etag"]
        other = await get(harness, ONE, tag=before)
        assert other.status_code == 200, "an ETag of another query says nothing"
        team = await Team.get("t0")
        assert team is not None
        team.name = "Renamed"
        await team.save()
        await harness.settled()
        changed = await get(harness, DEEP, tag=before)
        assert changed.status_code == 200
        assert changed.json()["data"]["playerCard"]["team"]["name"] == "Renamed"
        assert changed.headers["etag"] != before


async def test_one_list_of_several_etags_and_strong_ones() -> None:
    async with running() as (harness, _):
        tag = (await get(harness, ONE)).headers["etag"]
        for sent in (f'"a", {tag} ,W/"b"', tag.removeprefix("W/"), f"{tag},{tag}"):
            assert (await get(harness, ONE, tag=sent)).status_code == 304
        assert (await get(harness, ONE, tag="*")).status_code == 304, "whatever it is"
        lines = [("if-none-match", '"a"'), ("if-none-match", tag)]
        assert (await harness.http.get("/graphql", params={"query": ONE}, headers=lines)).status_code == 304
        for sent in ("nonsense", '""', ",", 'W/"x"'):
            assert (await get(harness, ONE, tag=sent)).status_code == 200


async def test_an_etag_of_another_process_is_found_out_by_executing(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'games.db'}"
    async with running(url) as (harness, _):
        tag = (await get(harness, DEEP)).headers["etag"]
    counting = Counting(url)
    async with AppHarness(bff.App(views=VIEWS, datastore=counting), settings=Settings(datastore_url=url)) as harness:  # type: ignore[arg-type]
        await harness.settled()
        counting.whole = 0
        assert (await get(harness, DEEP, tag=tag)).status_code == 304
        assert counting.whole > 0
        counting.whole = 0
        assert (await get(harness, DEEP, tag=tag)).status_code == 304
        assert counting.whole == 0, "now it is known here, too"


async def test_remembered_etags_are_bounded() -> None:
    async with running(limits={"cached_etags": 1}) as (harness, counting):
        tags = [(await get(harness, query)).headers["etag"] for query in (ONE, DEEP)]
        counting.whole = 0
        assert (await get(harness, DEEP, tag=tags[1])).status_code == 304
        assert counting.whole == 0
        assert (await get(harness, ONE, tag=tags[0])).status_code == 304
        assert counting.whole > 0


async def test_what_is_absent_is_looked_for_again() -> None:
    """That no view is stored does not say that there is none: one that is asked for is built."""
    async with running(role="web") as (harness, _):
        query = '{ playerCard(id: "new") { name } }'
        absent = await get(harness, query)
        assert absent.json() == {"data": {"playerCard": None}}
        assert (await get(harness, query, tag=absent.headers["etag"])).status_code == 304
        await Player(id="new", name="New").save()
        present = await get(harness, query, tag=absent.headers["etag"])
        assert present.json() == {"data": {"playerCard": {"name": "New"}}}


async def test_a_persisted_query_has_one_by_post() -> None:
    async with running() as (harness, counting):
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(ONE.encode()).hexdigest()}}
        plain = await harness.http.post("/graphql", json={"query": ONE})
        assert "etag" not in plain.headers
        assert plain.headers["cache-control"] == "no-store"
        registered = await harness.http.post("/graphql", json={"query": ONE, "extensions": extensions})
        tag = registered.headers["etag"]
        token = asking.set(True)
        again = await harness.http.post("/graphql", json={"extensions": extensions}, headers={"if-none-match": tag})
        asking.reset(token)
        assert (again.status_code, counting.whole) == (304, 0)
        assert counting.masked > 0


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        "{ byHand }",
        '{ teamCard(id: "t0") { name shout } }',
        '{ teamCard(id: "t0") { players { name } } }',
        "{ byHandTeam { name } }",
        '{ node(id: "t0") { ... on TeamCard { shout } } }',
        'fragment F on TeamCard { shout } query { playerCard(id: "p0") { team { ...F } } }',
        '{ playerCard(id: "\\u0000/") { name } }',
    ],
)
async def test_what_is_not_only_stored_views_has_none(query: str) -> None:
    by_hand, team = QueryType(), ObjectType("TeamCard")
    by_hand.set_field("byHand", lambda *_: 1)
    by_hand.set_field("byHandTeam", lambda *_: TeamCard.of("t0"))
    team.set_field("shout", lambda source, _: source["name"].upper())
    team.set_field("players", lambda *_: [])
    type_defs = "extend type Query { byHand: Int byHandTeam: TeamCard } extend type TeamCard { shout: String }"
    async with running(type_defs=type_defs, bindables=[by_hand, team]) as (harness, _):
        response = await get(harness, query)
        assert "etag" not in response.headers
        assert response.headers["cache-control"] == "no-store"
        beside = await get(harness, '{ teamCard(id: "t0") { name } }')
        assert "etag" in beside.headers


async def test_a_type_that_is_told_by_hand_has_none() -> None:
    node = InterfaceType("Node", lambda value, *_: value.view)
    async with running(bindables=[node]) as (harness, _):
        assert "etag" not in (await get(harness, NODE)).headers
        assert "etag" in (await get(harness, ONE)).headers


async def test_fragments_are_looked_at_once() -> None:
    """Where each spreads the next one twice, what is selected doubles at each step."""
    fragments = [f"fragment F{number} on TeamCard {{ ...F{number + 1} ...F{number + 1} }}" for number in range(40)]
    text = '{ teamCard(id: "t0") { ...F0 } } ' + " ".join(fragments) + " fragment F40 on TeamCard { name }"
    async with running(limits=Limits(query_pairs=1_000_000)) as (harness, _), asyncio.timeout(10):
        assert "etag" in (await get(harness, text)).headers


async def test_what_extensions_ask_for_is_answered_anew() -> None:
    async with running() as (harness, _):
        response = await harness.http.get("/graphql", params={"query": ONE, "extensions": '{"bff": {"asOf": true}}'})
        assert "etag" not in response.headers


async def test_mutations_have_none() -> None:
    async with running() as (harness, _):
        text = 'mutation { playerScore(id: "p0") { committedAt } }'
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}
        response = await harness.http.post("/graphql", json={"query": text, "extensions": extensions})
        assert "errors" not in response.json()
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers


@pytest.mark.parametrize(
    ("query", "control"),
    [
        ('{ playerCard(id: "p0") { name } }', "private, max-age=3600"),
        ('{ playerCard(id: "p0") { id version __typename name } }', "private, max-age=3600"),
        ('{ playerCard(id: "p0") { name goals } }', "private, no-cache"),
        ('{ playerCard(id: "p0") { id } }', "private, no-cache"),
        ('{ playerCard(id: "nobody") { name } }', "private, no-cache"),
        ('{ badge(id: "t0") { text } playerCard(id: "nobody") { name } }', "private, no-cache"),
        ('{ badge(id: "t0") { id text } }', "private, max-age=60"),
        ('{ badge(id: "t0") { text size } }', "private, max-age=5"),
        ('{ badge(id: "t0") { id } }', "private, max-age=60"),
        ('{ badge(id: "t0") { text } playerCard(id: "p0") { name } }', "private, max-age=60"),
        ("{ badges { edges { node { text } } } }", "private, max-age=60"),
        ("{ playerCards { edges { node { name } } } }", "private, no-cache"),
        ('{ playerCard(id: "p0") { name team { id } } }', "private, no-cache"),
        ('{ node(id: "Badge:t0") { ... on Badge { text } } }', "private, max-age=60"),
    ],
)
async def test_the_smallest_age_counts(query: str, control: str) -> None:
    async with running() as (harness, _):
        response = await get(harness, query)
        assert "errors" not in response.json(), response.json()
        assert response.headers["cache-control"] == control


async def test_it_is_the_same_whatever_the_encoding() -> None:
    async with running() as (harness, _):
        tags = set()
        for encoding in ("identity", "gzip", "br"):
            response = await harness.http.get(
                "/graphql",
                params={"query": "{ playerCards { edges { node { id name version } cursor } } }" + " " * 10},
                headers={"accept-encoding": encoding},
            )
            tags.add(response.headers["etag"])
        assert len(tags) == 1


def test_an_age_changes_no_definition() -> None:
    def declared(age: int | None) -> str:
        class Aged(ViewModel, max_age=age):
            store: TeamStore

            @field(max_age=age)
            def name(self) -> str:
                return self.store.team.name

        return Aged.__view__.definition_hash

    assert declared(None) == declared(60)


changes = st.one_of(
    st.tuples(st.just("rename team"), st.integers(0, 2), st.integers(0, 3)),
    st.tuples(st.just("rename player"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("goals"), st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("move"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("drop player"), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("drop team"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("look"), st.just(0), st.just(0)),
)


async def change(kind: str, which: int, value: int) -> None:
    team, player = f"t{which}", f"p{which}"
    match kind:
        case "rename team":
            await Team(id=team, name=f"Team {value}").save()
        case "rename player" | "goals" | "move":
            found = await Player.get(player) or Player(id=player, name="new")
            if kind == "rename player":
                found.name = f"Player {value}"
            elif kind == "goals":
                found.goals = value
            else:
                found.team = None if value == 3 else Team.ref(f"t{value}")
            await found.save()
        case "drop player" | "drop team":
            dropped = await (Player.get(player) if kind == "drop player" else Team.get(team))
            if dropped is not None:
                await dropped.delete()


@pytest.mark.parametrize("role", ["all", "web"])
def test_whenever_304_is_answered_the_client_holds_what_an_execution_gives(role: str) -> None:
    """With a projector, and where views are only ever built when they are asked for and missing."""
    seen = {200: 0, 304: 0}

    async def live(steps: list[tuple[str, int, int]]) -> None:
        async with running(role=role) as (harness, _):
            held: dict[str, tuple[str, bytes]] = {}
            for kind, which, value in steps:
                await change(kind, which, value)
                if role == "all":
                    await harness.settled()
                for query, variables in QUERIES:
                    before = held.get(query)
                    response = await get(harness, query, variables, None if before is None else before[0])
                    executed = await get(harness, query, variables)
                    seen[response.status_code] += 1
                    if response.status_code == 304:
                        assert before is not None
                        assert before[1] == executed.content
                    elif "etag" in response.headers:
                        assert response.content == executed.content
                        held[query] = response.headers["etag"], response.content
                        assert before is None or before[1] != response.content or before[0] != response.headers["etag"]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(changes, min_size=1, max_size=8))
    def run(steps: list[tuple[str, int, int]]) -> None:
        asyncio.run(live(steps))

    run()
    assert seen[304] > 0
    assert seen[200] > 0
