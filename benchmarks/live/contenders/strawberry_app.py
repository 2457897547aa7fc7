"""Strawberry with broadcaster in memory, everything as shipped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import strawberry
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.asgi import GraphQL

from benchmarks.live.contenders.broadcaster import Channels
from benchmarks.live.control import control
from benchmarks.live.state import meeting

__all__ = ["app"]


@strawberry.type
class Attendee:
    name: str
    organization: str
    hearing_aid_requested: bool


@strawberry.type
class MeetingSession:
    id: strawberry.ID
    version: str
    title: str
    region: str
    address: str
    latitude: float
    longitude: float
    in_session: bool
    attending: list[Attendee]
    num_attending: int
    num_hearing_aid_requested: int


def first(view: int) -> MeetingSession:
    made = meeting(view, 0)
    return MeetingSession(
        id=strawberry.ID(made["id"]),
        version=made["version"],
        title=made["title"],
        region=made["region"],
        address=made["address"],
        latitude=made["latitude"],
        longitude=made["longitude"],
        in_session=made["inSession"],
        attending=[
            Attendee(name=one["name"], organization=one["organization"], hearing_aid_requested=one["hearingAidRequested"])
            for one in made["attending"]
        ],
        num_attending=made["numAttending"],
        num_hearing_aid_requested=made["numHearingAidRequested"],
    )


channels = Channels[MeetingSession](first, lambda state, title: replace(state, title=title))


@strawberry.type
class Query:
    @strawberry.field
    def meeting_session(self, id: strawberry.ID) -> MeetingSession | None:
        return channels.present(id)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def meeting_session(self, id: strawberry.ID) -> AsyncGenerator[MeetingSession | None, None]:
        async for state in channels.follow(id):
            yield state


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with channels.broadcast, control(channels.change):
        yield


graphql = GraphQL(strawberry.Schema(query=Query, subscription=Subscription))
app = Starlette(routes=[WebSocketRoute("/graphql", graphql)], lifespan=lifespan)
