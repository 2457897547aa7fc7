"""ETags over views: 304 from versions alone, and never for something else than the client holds."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from ariadne import InterfaceType, ObjectType, QueryType

import bff
from bff import Settings
from bff.serving.limits import Limits
from bff.testing.harness import AppHarness
from tests.app.league import DEEP, NODE, ONE, QUERIES, VIEWS, Counting, Player, Team, TeamCard, asking, get, running

pytestmark = pytest.mark.anyio


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
