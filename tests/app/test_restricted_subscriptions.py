"""Subscriptions to a view with readers say the same by a plan and by graphql-core, over each transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bff.live.sight import Sight
from bff.model.readers import READERS
from bff.principal import Principal
from bff.projection.audience import Audience
from bff.projection.stored_view import MOST_PARTS, StoredView
from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.app.clinic import PEOPLE, Patient, PatientFile
from tests.app.test_readers import bearer, give, running
from tests.transports import TRANSPORTS

pytestmark = pytest.mark.anyio

Says = Callable[[], Awaitable[dict[str, Any]]]

ASKED: dict[str, dict[str, Any]] = {"a plan": {}, "graphql-core": {"bff": {}}}
"""Who asks for versions is answered by graphql-core."""

CASES = [(transport, by) for transport in TRANSPORTS for by in ASKED]


def query(id: str) -> str:
    return f'subscription {{ file: patientFile(id: "{id}") {{ id n: name insurance }} }}'


def shown(id: str, name: str, insurance: str | None = None) -> dict[str, Any]:
    return {"data": {"file": {"id": id, "n": name, "insurance": insurance}}}


NONE = {"data": {"file": None}}
FORBIDDEN = {
    "errors": [
        {
            "message": "this PatientFile may no longer be read",
            "locations": [{"line": 1, "column": 16}],
            "path": ["file"],
            "extensions": {"code": "FORBIDDEN"},
        }
    ]
}


@asynccontextmanager
async def subscribed(run: AppHarness, transport: str, by: str, who: str | None, id: str) -> AsyncIterator[Says]:
    """What is said next, without what only one of the two says beside it."""
    asked, headers = ASKED[by], bearer(who)

    def plain(result: dict[str, Any]) -> dict[str, Any]:
        if "errors" in result:
            return {"errors": result["errors"]}
        return {"data": result["data"]}

    if transport == "graphql-transport-ws":
        async with GraphQLWSClient.to_app(run.app, headers=headers) as socket:
            await socket.init()
            operation = await socket.subscribe(query(id), extensions=asked)

            async def said() -> dict[str, Any]:
                try:
                    return plain(await socket.next(operation))
                except OperationFailed as failed:
                    return {"errors": failed.errors}

            yield said
    elif transport == "multipart":
        async with GraphQLMultipartClient.to_app(run.app) as parts:
            parts.http.headers.update(headers)
            async with parts.stream(query(id), extensions=asked) as parted:

                async def part() -> dict[str, Any]:
                    came = await parted.part()
                    return plain(came.get("payload") or came)

                yield part
    else:
        async with GraphQLSSEClient.to_app(run.app) as client:
            client.http.headers.update(headers)
            if transport == "event stream":
                async with client.stream(query(id), extensions=asked) as stream:

                    async def event() -> dict[str, Any]:
                        return plain(await stream.next())

                    yield event
            else:
                async with client.single_connection() as single:
                    operation = await single.subscribe(query(id), extensions=asked)

                    async def of_many() -> dict[str, Any]:
                        return plain(await single.next(operation))

                    yield of_many


@pytest.mark.parametrize(("transport", "by"), CASES)
async def test_nothing_until_it_may_be_seen_then_states_then_forbidden(transport: str, by: str) -> None:
    async with running("sqlite://") as run, subscribed(run, transport, by, "cy", "doctor") as said:
        assert await said() == NONE
        await give("doctor", name="not for cy")
        await run.settled()
        await give("doctor", doctor="cy", name="for cy")
        assert await said() == shown("doctor", "for cy")
        await give("doctor", clinic="south", name="with the policy")
        assert await said() == shown("doctor", "with the policy", "policy of with the policy")
        await give("doctor", doctor="ann", name="a secret")
        assert await said() == FORBIDDEN


@pytest.mark.parametrize(("transport", "by"), CASES)
async def test_who_may_not_see_a_view_does_not_learn_that_it_comes_and_goes(transport: str, by: str) -> None:
    async with running("sqlite://") as run, subscribed(run, transport, by, "dee", "new") as said:
        assert await said() == NONE
        for name in ("hidden", "hidden again"):
            patient = Patient(id="new", name=name, age=1, doctor="ann", clinic="north")
            await patient.save()
            await run.settled()
            await patient.delete()
            await run.settled()
        await Patient(id="new", name="for all", age=1, doctor="ann", clinic="north", seen_by="everybody").save()
        assert await said() == shown("new", "for all")
        # What was seen and is gone is gone; what has its id later is another one's.
        gone = await Patient.get("new")
        assert gone is not None
        await gone.delete()
        assert await said() == NONE
        await Patient(id="new", name="a secret", age=1, doctor="ann", clinic="north").save()
        await run.settled()
        await give("new", seen_by="signed-in", name="for dee")
        assert await said() == shown("new", "for dee")


async def test_a_planned_one_has_no_task_and_is_given_up(datastore_url: str) -> None:
    async with running(datastore_url) as run:
        assert run.runtime.hub is not None
        async with subscribed(run, "graphql-transport-ws", "a plan", "ann", "doctor") as said:
            assert await said() == shown("doctor", "name of doctor")
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("operation ")]
            assert run.runtime.hub.subscriptions == 1
            await give("doctor", doctor="cy")
            assert await said() == FORBIDDEN
            assert run.runtime.hub.subscriptions == 0, "who may see it no longer looks no longer"


@pytest.mark.parametrize("since", ["hidden", "absent"])
async def test_resuming_does_not_tell_what_may_not_be_seen_from_what_is_not_there(since: str) -> None:
    """Who says to have seen a state is told that there is none, whether there is one or not, with the same version."""
    id = "doctor" if since == "hidden" else "nowhere"
    async with running("sqlite://") as run, GraphQLSSEClient.to_app(run.app) as client:
        client.http.headers.update(bearer("cy"))
        async with client.stream(query(id), last_event_id="5") as stream:
            assert (await stream.next())["data"] == NONE["data"]
            assert stream.last_event_id == "0-gone"


async def test_who_resumes_and_has_lost_it_is_shown_that_there_is_nothing() -> None:
    async with running("sqlite://") as run, GraphQLSSEClient.to_app(run.app) as client:
        client.http.headers.update(bearer("ann"))
        async with client.stream(query("doctor")) as stream:
            assert (await stream.next())["data"] == shown("doctor", "name of doctor")["data"]
        held = stream.last_event_id
        assert held is not None
        await give("doctor", doctor="cy")
        await run.settled()
        async with client.stream(query("doctor"), last_event_id=held) as stream:
            assert (await stream.next())["data"] == NONE["data"]
            held = stream.last_event_id
        await give("doctor", doctor="ann", name="hers again")
        await run.settled()
        async with client.stream(query("doctor"), last_event_id=held) as stream:
            assert (await stream.next())["data"] == shown("doctor", "hers again")["data"]


def file(version: int, readers: list[Any], policy: list[str]) -> StoredView:
    [hidden] = PatientFile.__view__.restricted.values()
    document: Any = {"id": "p", "version": version, "name": "Pat", "insurance": "i", READERS: readers, hidden: policy}
    return StoredView("PatientFile", "p", version, document)


def test_all_who_may_see_the_same_are_given_the_same_object() -> None:
    state = file(1, ["tenant:north", "user:dee"], ["group:north/billing"])
    of = {who: Audience.of(principal).shown(PatientFile, state) for who, principal in PEOPLE.items()}
    assert of["bob"] is state
    assert of["ann"] is of["dee"]
    assert of["ann"].document is not None
    assert of["ann"].document["insurance"] is None
    assert of["cy"].document is None
    assert state.document is not None
    assert state.document["insurance"] == "i"
    # What a part was written as is not what the whole was, and whoever weighs the whole learns of it.
    of["ann"].texts["key"] = b"without"
    assert state.texts == {}
    assert state.texts.last == b"without"
    assert state.texts.length == len(b"without")


def test_so_many_parts_of_a_state_are_remembered() -> None:
    state = file(1, ["public"], [])
    first = state.without(("f0",))
    for number in range(MOST_PARTS):
        state.without((f"f{number}",))
    assert state.without(("f0",)) is first
    state.without(("another",))
    assert state.texts.parts is not None
    assert len(state.texts.parts) == MOST_PARTS
    assert state.without(("f0",)) is not first


@pytest.mark.parametrize("readers", [None, "public", 5, {"public": 1}, [5, ["public"], {}]])
def test_readers_that_are_none_are_nobody(readers: Any) -> None:
    state = file(1, readers, [])
    for principal in (*PEOPLE.values(), Principal()):
        assert Audience.of(principal).shown(PatientFile, state).document is None


def test_nothing_is_shown_once_and_it_has_no_time() -> None:
    sight = Sight(PatientFile, Audience.of(PEOPLE["ann"]))
    hidden, gone = file(5, ["user:cy"], []), StoredView("PatientFile", "p", 6, None)
    assert sight.of(hidden) == StoredView("PatientFile", "p", 0, None)
    assert sight.of(gone) is None
    assert sight.of(file(7, ["user:cy"], [])) is None
    assert Sight(PatientFile, Audience.of(PEOPLE["ann"])).of(gone) == StoredView("PatientFile", "p", 0, None)
