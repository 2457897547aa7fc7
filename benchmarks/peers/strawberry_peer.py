"""Strawberry: as shipped, or with ``BENCH_CACHES=1`` with every cache it offers (``ParserCache``, ``ValidationCache``)."""

import os

import strawberry
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks.peers import memory
from benchmarks.prepared import Object

__all__ = ["app"]

# No `from __future__ import annotations` here: Strawberry reads the annotations as they stand.


@strawberry.type
class Attendee:
    name: str
    organization: str
    hearing_aid_requested: bool


@strawberry.type
class MeetingSession:
    id: strawberry.ID
    title: str
    region: str
    address: str
    latitude: float
    longitude: float
    in_session: bool
    num_attending: int
    num_hearing_aid_requested: int
    attending: list[Attendee]


@strawberry.type
class PersonAgenda:
    id: strawberry.ID
    name: str
    meetings: list[MeetingSession]


@strawberry.type
class MeetingSessionEdge:
    cursor: str
    node: MeetingSession


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class MeetingSessionConnection:
    edges: list[MeetingSessionEdge]
    page_info: PageInfo


@strawberry.input
class StringFilter:
    eq: str | None = None


@strawberry.input
class MeetingSessionFilter:
    region: StringFilter | None = None


def session(meeting: Object) -> MeetingSession:
    return MeetingSession(
        id=strawberry.ID(meeting["id"]),
        title=meeting["title"],
        region=meeting["region"],
        address=meeting["address"],
        latitude=meeting["latitude"],
        longitude=meeting["longitude"],
        in_session=meeting["inSession"],
        num_attending=meeting["numAttending"],
        num_hearing_aid_requested=meeting["numHearingAidRequested"],
        attending=[
            Attendee(
                name=attendee["name"],
                organization=attendee["organization"],
                hearing_aid_requested=attendee["hearingAidRequested"],
            )
            for attendee in meeting["attending"]
        ],
    )


MEETINGS = {id: session(meeting) for id, meeting in memory.MEETINGS.items()}
PERSONS = {
    id: PersonAgenda(
        id=strawberry.ID(id), name=person["name"], meetings=[MEETINGS[meeting["id"]] for meeting in person["meetings"]]
    )
    for id, person in memory.PERSONS.items()
}
EDGES = {id: MeetingSessionEdge(cursor=memory.MEETINGS[id]["cursor"], node=meeting) for id, meeting in MEETINGS.items()}


@strawberry.type
class Query:
    @strawberry.field
    def meeting_session(self, id: strawberry.ID) -> MeetingSession | None:
        return MEETINGS.get(id)

    @strawberry.field
    def meeting_sessions(self, filter: MeetingSessionFilter, first: int) -> MeetingSessionConnection:
        assert filter.region is not None
        assert filter.region.eq is not None
        found = memory.BY_REGION[filter.region.eq]
        edges = [EDGES[meeting["id"]] for meeting in found[:first]]
        return MeetingSessionConnection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=len(found) > len(edges),
                has_previous_page=False,
                start_cursor=edges[0].cursor,
                end_cursor=edges[-1].cursor,
            ),
        )

    @strawberry.field
    def person_agenda(self, id: strawberry.ID) -> PersonAgenda | None:
        return PERSONS.get(id)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def set_attendance(self, ticket_id: strawberry.ID, attending: bool) -> MeetingSession:
        changed = session(memory.set_attendance(ticket_id, attending))
        MEETINGS[changed.id] = changed
        return changed


CACHES = [ParserCache, ValidationCache] if os.environ.get("BENCH_CACHES") == "1" else []

app = GraphQL(strawberry.Schema(Query, Mutation, extensions=CACHES))
