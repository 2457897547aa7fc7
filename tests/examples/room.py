"""The meeting room, running in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from meeting_room.app import app
from meeting_room.seed import seed

from bff.datastore.session import DatastoreSession
from bff.model.session import use_session
from bff.runtime import Runtime
from bff.testing.graphql_ws import GraphQLWSClient

__all__ = ["MEETING", "Room", "room_on"]

MEETING = """
fragment Meeting on MeetingSession {
  id version title address latitude longitude inSession numHearingAidRequested
  attending { name organization hearingAidRequested }
  participants { userId name organization hearingAidRequested role attending }
}
"""


class Room:
    """The app and its clients."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient) -> None:
        self.runtime = runtime
        self.http = http

    async def post(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer, errors included."""
        response = await self.http.post("/graphql", json={"query": query, "variables": dict(variables or {})})
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.post(query, variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The one error of an answer."""
        answer = await self.post(query, variables)
        assert len(answer.get("errors", ())) == 1, answer
        error: dict[str, Any] = answer["errors"][0]
        return error

    async def meeting(self, id: str = "meeting_1") -> dict[str, Any]:
        data = await self.data(MEETING + "query ($id: ID!) { meetingSession(id: $id) { ...Meeting } }", {"id": id})
        meeting: dict[str, Any] = data["meetingSession"]
        return meeting

    async def set_attendance(self, user_id: str, attending: bool) -> dict[str, Any]:
        mutation = """
        mutation ($user: ID!, $attending: Boolean!) {
          setAttendance(meetingId: "meeting_1", userId: $user, attending: $attending) { ...Meeting }
        }
        """
        data = await self.data(MEETING + mutation, {"user": user_id, "attending": attending})
        meeting: dict[str, Any] = data["setAttendance"]
        return meeting

    @asynccontextmanager
    async def watching(self, subscription: str, variables: Mapping[str, Any] | None = None) -> AsyncIterator[Watching]:
        """Any subscription, on a socket of its own."""
        async with GraphQLWSClient.to_app(app) as client:
            await client.init()
            yield Watching(client, await client.subscribe(subscription, dict(variables or {})))

    @asynccontextmanager
    async def following(self, id: str = "meeting_1") -> AsyncIterator[Following]:
        """A subscription of its own socket."""
        async with GraphQLWSClient.to_app(app) as client:
            await client.init()
            subscription = MEETING + "subscription ($id: ID!) { meetingSession(id: $id) { ...Meeting } }"
            yield Following(client, await client.subscribe(subscription, {"id": id}))

    async def settled(self) -> None:
        """Return when every document that is written by now is in the views: lists show what is projected."""
        projector = self.runtime.projector
        assert projector is not None
        await projector.wait_for(await self.runtime.datastore.ping())

    @asynccontextmanager
    async def documents(self) -> AsyncIterator[None]:
        """Inside it, ``User.get`` and the like go to the app's own datastore."""
        with use_session(DatastoreSession(self.runtime.datastore)):
            yield


class Watching:
    """A subscription, result after result."""

    def __init__(self, client: GraphQLWSClient, id: str) -> None:
        self.client = client
        self.id = id

    async def next(self) -> dict[str, Any]:
        """The data of the next result."""
        payload = await self.client.next(self.id)
        assert "errors" not in payload, payload
        data: dict[str, Any] = payload["data"]
        return data

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The data of the first result that is as wanted; those before it are skipped."""
        while not wanted(data := await self.next()):
            pass
        return data


class Following:
    """A subscription to one meeting."""

    def __init__(self, client: GraphQLWSClient, id: str) -> None:
        self.client = client
        self.id = id
        self.versions: list[int] = []

    async def next(self) -> dict[str, Any] | None:
        payload = await self.client.next(self.id)
        assert "errors" not in payload, payload
        meeting: dict[str, Any] | None = payload["data"]["meetingSession"]
        if meeting is not None:
            self.versions.append(int(meeting["version"]))
        return meeting

    async def until(self, wanted: Callable[[dict[str, Any] | None], bool]) -> dict[str, Any] | None:
        """The first state that is as wanted; those before it are skipped."""
        while not wanted(meeting := await self.next()):
            pass
        return meeting

    def assert_never_back(self) -> None:
        """What came was newer each time."""
        assert all(before < after for before, after in zip(self.versions, self.versions[1:], strict=False)), self.versions


@asynccontextmanager
async def room_on() -> AsyncIterator[Room]:
    """The app, seeded, with the settings of the environment."""
    async with app.running() as runtime:
        with use_session(DatastoreSession(runtime.datastore)):
            await seed()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield Room(runtime, http)
