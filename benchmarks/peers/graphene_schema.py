"""The schema in graphene, answering from the prepared objects: for Ariadne to serve."""

from __future__ import annotations

from typing import Any

import graphene
from graphene.types.resolver import dict_resolver

from benchmarks.peers import memory
from benchmarks.prepared import Object

__all__ = ["SCHEMA"]


class Attendee(graphene.ObjectType):
    class Meta:
        default_resolver = dict_resolver

    name = graphene.String(required=True)
    organization = graphene.String(required=True)
    hearingAidRequested = graphene.Boolean(required=True)  # noqa: N815 - as the prepared objects name it


class MeetingSession(graphene.ObjectType):
    class Meta:
        default_resolver = dict_resolver

    id = graphene.ID(required=True)
    title = graphene.String(required=True)
    region = graphene.String(required=True)
    address = graphene.String(required=True)
    latitude = graphene.Float(required=True)
    longitude = graphene.Float(required=True)
    inSession = graphene.Boolean(required=True)  # noqa: N815
    numAttending = graphene.Int(required=True)  # noqa: N815
    numHearingAidRequested = graphene.Int(required=True)  # noqa: N815
    attending = graphene.List(graphene.NonNull(Attendee), required=True)


class PersonAgenda(graphene.ObjectType):
    class Meta:
        default_resolver = dict_resolver

    id = graphene.ID(required=True)
    name = graphene.String(required=True)
    meetings = graphene.List(graphene.NonNull(MeetingSession), required=True)


class MeetingSessionEdge(graphene.ObjectType):
    class Meta:
        default_resolver = dict_resolver

    cursor = graphene.String(required=True)
    node = graphene.Field(MeetingSession, required=True)


class PageInfo(graphene.ObjectType):
    class Meta:
        default_resolver = dict_resolver

    hasNextPage = graphene.Boolean(required=True)  # noqa: N815
    hasPreviousPage = graphene.Boolean(required=True)  # noqa: N815
    startCursor = graphene.String()  # noqa: N815
    endCursor = graphene.String()  # noqa: N815


class MeetingSessionConnection(graphene.ObjectType):
    class Meta:
        default_resolver = dict_resolver

    edges = graphene.List(graphene.NonNull(MeetingSessionEdge), required=True)
    pageInfo = graphene.Field(PageInfo, required=True)  # noqa: N815


class StringFilter(graphene.InputObjectType):
    eq = graphene.String()


class MeetingSessionFilter(graphene.InputObjectType):
    region = graphene.Field(StringFilter)


class Query(graphene.ObjectType):
    meeting_session = graphene.Field(MeetingSession, id=graphene.ID(required=True))
    meeting_sessions = graphene.Field(
        MeetingSessionConnection, filter=graphene.Argument(MeetingSessionFilter), first=graphene.Int(), required=True
    )
    person_agenda = graphene.Field(PersonAgenda, id=graphene.ID(required=True))

    @staticmethod
    def resolve_meeting_session(_: Any, info: Any, id: str) -> Object | None:
        return memory.MEETINGS.get(id)

    @staticmethod
    def resolve_meeting_sessions(_: Any, info: Any, filter: Any, first: int) -> Object:
        return memory.region(filter["region"]["eq"], first)

    @staticmethod
    def resolve_person_agenda(_: Any, info: Any, id: str) -> Object | None:
        return memory.PERSONS.get(id)


class SetAttendance(graphene.Mutation):
    class Arguments:
        ticket_id = graphene.ID(required=True)
        attending = graphene.Boolean(required=True)

    Output = graphene.NonNull(MeetingSession)

    @staticmethod
    def mutate(_: Any, info: Any, ticket_id: str, attending: bool) -> Object:
        return memory.set_attendance(ticket_id, attending)


class Mutation(graphene.ObjectType):
    set_attendance = SetAttendance.Field()


SCHEMA = graphene.Schema(query=Query, mutation=Mutation)
