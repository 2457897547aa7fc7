"""Who may see a view is enforced wherever it could be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from bff.datastore.port import Datastore
from bff.live.restricted_hub import RestrictedHub
from bff.projection.audience import Audience
from bff.settings import Settings
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.app.clinic import PEOPLE, Patient, PatientFile, Ward, clinic
from tests.app.watched_reads import WatchedReads

pytestmark = pytest.mark.anyio

FILE = "query File($id: ID!) { patientFile(id: $id) { id name insurance } }"
FILES = "query Files($first: Int, $after: String) { patientFiles(first: $first, after: $after, orderBy: [{field: AGE, direction: ASC}]) { totalCount edges { node { id } } pageInfo { hasNextPage endCursor } } }"  # noqa: E501
BOARD = 'query { wardBoard(id: "w") { name files { id name insurance } first { id } } }'
EVERYBODY = (None, "ann", "bob", "cy", "dee")

SEEN_BY = {
    "doctor": {"ann"},
    "tenant": {"ann", "bob"},
    "nurses": {"bob"},
    "signed-in": {"ann", "bob", "cy", "dee"},
    "everybody": {None, "ann", "bob", "cy", "dee"},
    "nobody": set(),
}


def bearer(who: str | None) -> dict[str, str]:
    return {} if who is None else {"Authorization": f"Bearer {who}"}


@asynccontextmanager
async def running(datastore_url: str) -> AsyncIterator[AppHarness]:
    """One patient for each kind of readers, by its name, all of them in one ward."""
    settings = Settings(datastore_url=datastore_url, broadcast_url="memory://")
    async with AppHarness(clinic(), settings=settings) as run:
        ward = Ward(id="w", name="West")
        patients = [
            Patient(id=kind, name=f"name of {kind}", age=age, doctor="ann", clinic="north", ward=ward.ref, seen_by=kind)
            for age, kind in enumerate(SEEN_BY)
        ]
        await ward.save()
        for patient in patients:
            await patient.save()
        await run.settled()
        yield run


async def ask(run: AppHarness, who: str | None, query: str, **variables: Any) -> Any:
    result = await run.execute(query, variables, headers=bearer(who))
    assert "errors" not in result, result
    return result["data"]


async def listed(run: AppHarness, who: str | None) -> list[str]:
    return [edge["node"]["id"] for edge in (await ask(run, who, FILES))["patientFiles"]["edges"]]


@pytest.mark.parametrize("again", ["first", "cached"])
async def test_a_file_by_its_id(datastore_url: str, again: str) -> None:
    async with running(datastore_url) as run:
        for _ in range(3 if again == "cached" else 1):
            for who in EVERYBODY:
                for kind, readers in SEEN_BY.items():
                    found = (await ask(run, who, FILE, id=kind))["patientFile"]
                    assert (found is not None) == (who in readers), (who, kind)
                    if found is not None:
                        assert found["name"] == f"name of {kind}"
                        assert found["insurance"] == (f"policy of name of {kind}" if who == "bob" else None)


async def test_a_file_that_may_not_be_read_is_answered_as_one_that_is_not_there(datastore_url: str) -> None:
    async with running(datastore_url) as run:
        hidden = await run.http.post("/graphql", json={"query": FILE, "variables": {"id": "doctor"}}, headers=bearer("cy"))
        absent = await run.http.post("/graphql", json={"query": FILE, "variables": {"id": "nowhere"}}, headers=bearer("cy"))
        assert hidden.content == absent.content


class Reads(WatchedReads):
    """Notes which documents each batched read asks for."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.made: list[list[str]] = []

    def asked(self, paths: Sequence[str]) -> None:
        self.made.append(list(paths))

    def of(self, key: str) -> list[list[str]]:
        """The reads of the view of this key since the last were asked for; the key is called ``key`` here."""
        made, self.made = self.made, []
        return [[path.replace(key, "key") for path in paths if key in path] for paths in made if f"PatientFile/{key}" in paths]


NODE = "query Node($id: ID!) { node(id: $id) { id } }"
BY_HAND = 'query File($id: ID!) { patientFile(id: $id) { id } __type(name: "Query") { name } }'
WATCH_FILE = "subscription File($id: ID!) { patientFile(id: $id) { id } }"


async def test_what_is_hidden_is_looked_for_as_what_is_not_there(datastore_url: str) -> None:
    """CWE-208: the same reads, in the same order, whether or not this process knows the hidden view already."""
    reads = Reads(datastore_url)
    app = clinic()
    app.datastore = cast("Datastore", reads)
    async with AppHarness(app, settings=Settings(datastore_url=datastore_url)) as run:
        for kind in ("cold", "warm"):
            await Patient(id=kind, name=kind, age=1, doctor="ann", clinic="north").save()
        await run.settled()
        assert (await ask(run, "ann", FILE, id="warm"))["patientFile"] is not None

        async def cost(query: str, key: str, view: str = "") -> list[list[str]]:
            reads.of(key)
            built = run.runtime.views.builder.built.total()
            [found] = [one for name, one in (await ask(run, "cy", query, id=view + key)).items() if name != "__type"]
            assert found is None
            assert run.runtime.views.builder.built.total() == built + (key == "absent")
            return reads.of(key)

        async def watched(key: str) -> list[list[str]]:
            reads.of(key)
            async with run.watch(WATCH_FILE, {"id": key}, payload={"token": "cy"}) as states:
                assert (await states.next())["data"] == {"patientFile": None}
            return reads.of(key)

        async def subscribed(key: str) -> list[list[str]]:
            assert run.runtime.hub is not None
            reads.of(key)
            hub = RestrictedHub(run.runtime.hub, run.runtime.views, Audience.of(PEOPLE["cy"]))
            async with hub.subscribe(PatientFile, key) as states:
                assert not (await anext(aiter(states))).exists
            return reads.of(key)

        looked_for = await cost(FILE, "absent")
        assert looked_for == [["PatientFile/key"], ["PatientFile/key", "_bff_views/PatientFile:key", "patients/key"]]
        assert await cost(FILE, "cold") == looked_for
        for key in ("cold", "warm", "absent"):
            assert await cost(FILE, key) == looked_for, key
            assert await cost(NODE, key, "PatientFile:") == looked_for, key
            assert await cost(BY_HAND, key) == looked_for, key
            assert await watched(key) == looked_for, key
            assert await subscribed(key) == looked_for, key


@pytest.mark.parametrize("again", ["first", "cached"])
async def test_lists_count_and_page_what_may_be_read(datastore_url: str, again: str) -> None:
    async with running(datastore_url) as run:
        for _ in range(3 if again == "cached" else 1):
            for who in EVERYBODY:
                expected = [kind for kind, readers in SEEN_BY.items() if who in readers]
                page = (await ask(run, who, FILES))["patientFiles"]
                assert [edge["node"]["id"] for edge in page["edges"]] == expected
                assert page["totalCount"] == len(expected)
                assert await _paged(run, who) == expected


async def _paged(run: AppHarness, who: str | None) -> list[str]:
    """All pages of two: each is full but the last."""
    found: list[str] = []
    after = None
    while True:
        page = (await ask(run, who, FILES, first=2, after=after))["patientFiles"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        assert len(page["edges"]) == 2
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("again", ["first", "cached"])
async def test_links_and_nodes(datastore_url: str, again: str) -> None:
    async with running(datastore_url) as run:
        for _ in range(3 if again == "cached" else 1):
            for who in EVERYBODY:
                board = (await ask(run, who, BOARD))["wardBoard"]
                seen = {kind for kind, readers in SEEN_BY.items() if who in readers}
                assert {one["id"] for one in board["files"]} == seen
                assert all((one["insurance"] is not None) == (who == "bob") for one in board["files"])
                node = (await ask(run, who, '{ node(id: "PatientFile:tenant") { id } }'))["node"]
                assert (node is not None) == (who in SEEN_BY["tenant"])


@asynccontextmanager
async def subscribed(run: AppHarness, who: str | None, query: str) -> AsyncIterator[tuple[GraphQLWSClient, str]]:
    async with GraphQLWSClient.to_app(run.app, headers=bearer(who)) as client:
        await client.init()
        yield client, await client.subscribe(query)


async def give(id: str, **changed: Any) -> None:
    patient = await Patient.get(id)
    for name, value in changed.items():
        setattr(patient, name, value)
    await patient.save()


WATCH = 'subscription { patientFile(id: "doctor") { id name insurance } }'


async def test_losing_access_ends_a_subscription_with_forbidden(datastore_url: str) -> None:
    async with running(datastore_url) as run, subscribed(run, "ann", WATCH) as (client, id):
        assert (await client.next(id))["data"]["patientFile"]["name"] == "name of doctor"
        await give("doctor", doctor="cy", name="a secret")
        with pytest.raises(OperationFailed) as ended:
            await client.next(id)
        [error] = ended.value.errors
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert "secret" not in str(error)


async def test_a_subscription_shows_nothing_until_its_view_may_be_read(datastore_url: str) -> None:
    async with running(datastore_url) as run, subscribed(run, "cy", WATCH) as (client, id):
        assert (await client.next(id))["data"] == {"patientFile": None}
        await give("doctor", name="not for cy")
        await run.settled()
        await give("doctor", doctor="cy", name="for cy")
        assert (await client.next(id))["data"]["patientFile"]["name"] == "for cy"


async def test_a_live_list_loses_what_may_be_read_no_longer(datastore_url: str) -> None:
    query = "subscription { patientFiles(orderBy: [{field: AGE, direction: ASC}]) { kind id node { id name insurance } page { edges { node { id insurance } } } } }"  # noqa: E501
    async with running(datastore_url) as run, subscribed(run, "ann", query) as (client, id):
        page = (await client.next(id))["data"]["patientFiles"]["page"]
        assert [edge["node"] for edge in page["edges"]] == [
            {"id": kind, "insurance": None} for kind in ("doctor", "tenant", "signed-in", "everybody")
        ]
        await give("tenant", seen_by="nobody", name="a secret")
        event = await client.next(id)
        assert event["data"]["patientFiles"] == {"kind": "REMOVED", "id": "tenant", "node": None, "page": None}
        await give("tenant", seen_by="tenant")
        event = await client.next(id)
        assert event["data"]["patientFiles"]["kind"] == "ADDED"
        assert event["data"]["patientFiles"]["node"]["insurance"] is None


async def test_links_of_a_subscription_come_and_go(datastore_url: str) -> None:
    query = 'subscription { wardBoard(id: "w") { files { id } } }'
    async with running(datastore_url) as run, subscribed(run, "ann", query) as (client, id):

        def ids(event: dict[str, Any]) -> Sequence[str]:
            return [one["id"] for one in event["data"]["wardBoard"]["files"]]

        assert sorted(ids(await client.next(id))) == ["doctor", "everybody", "signed-in", "tenant"]
        await give("tenant", seen_by="nobody")
        assert sorted(ids(await client.next(id))) == ["doctor", "everybody", "signed-in"]
        await give("nobody", seen_by="doctor")
        assert sorted(ids(await client.next(id))) == ["doctor", "everybody", "nobody", "signed-in"]


async def test_what_a_mutation_answers_and_tells_is_what_may_be_read(datastore_url: str) -> None:
    async with running(datastore_url) as run:
        query = 'mutation { patientHandOver(id: "doctor", doctor: "cy") { id name } }'
        result = await run.execute(query, headers=bearer("ann"))
        assert result["data"] is None
        assert "name of doctor" not in str(result)
        # What she may not read any more is nothing to be told of either.
        assert all(one["view"] != "PatientFile" for one in result["extensions"]["bff"]["affects"])


async def test_an_etag_is_good_for_its_audience_alone(datastore_url: str) -> None:
    async with running(datastore_url) as run:
        query = {"query": 'query { patientFile(id: "doctor") { name } }'}
        seen = await run.http.get("/graphql", params=query, headers=bearer("ann"))
        assert "name of doctor" in seen.text
        etag = seen.headers["ETag"]
        again = await run.http.get("/graphql", params=query, headers={**bearer("ann"), "If-None-Match": etag})
        assert again.status_code == 304
        other = await run.http.get("/graphql", params=query, headers={**bearer("cy"), "If-None-Match": etag})
        assert other.status_code == 200
        assert other.json() == {"data": {"patientFile": None}}
        assert "Authorization" in other.headers["Vary"]


async def test_somebody_who_is_nobody_we_know_is_refused(datastore_url: str) -> None:
    async with running(datastore_url) as run:
        response = await run.http.post("/graphql", json={"query": BOARD}, headers=bearer("mallory"))
        assert response.status_code == 401
        with pytest.raises((OperationFailed, Exception)):
            async with subscribed(run, "mallory", WATCH) as (client, id):
                await client.next(id)
