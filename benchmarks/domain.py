"""The app that is measured: ``bff serve benchmarks.domain:app``. A meeting with 20 tickets is one view of 22 documents."""

from __future__ import annotations

from pydantic import BaseModel

import bff
from bff import DomainModel, Mediator, Ref, Store, ViewModel, field, mutation, reference

__all__ = ["Attendee", "Door", "Meeting", "MeetingSession", "Person", "PersonAgenda", "Room", "Ticket", "app"]


class Room(DomainModel, collection="rooms"):
    """Where people meet."""

    address: str
    latitude: float
    longitude: float


class Meeting(DomainModel, collection="meetings"):
    """A meeting in a room."""

    title: str
    region: str
    room: Ref[Room]
    in_session: bool = False


class Ticket(DomainModel, collection="tickets"):
    """One person's place in one meeting."""

    meeting: Ref[Meeting]
    name: str
    organization: str
    hearing_aid_requested: bool = False
    attending: bool = True


class Person(DomainModel, collection="persons"):
    """Somebody who goes to meetings."""

    name: str
    meetings: list[Ref[Meeting]] = []


class Attendee(BaseModel):
    """Somebody who is here."""

    name: str
    organization: str
    hearing_aid_requested: bool


class MeetingSessionStore(Store):
    meeting = reference(Meeting)
    room = reference(Room, of=lambda s: s.meeting.room)
    tickets = reference(Ticket, where=lambda s: Ticket.meeting == s.meeting.ref, many=True)


class MeetingSession(ViewModel):
    """A meeting as its participants see it."""

    store: MeetingSessionStore

    @field(filterable=True)
    def title(self) -> str:
        return self.store.meeting.title

    @field(filterable=True)
    def region(self) -> str:
        return self.store.meeting.region

    @field
    def address(self) -> str:
        return self.store.room.address

    @field
    def latitude(self) -> float:
        return self.store.room.latitude

    @field
    def longitude(self) -> float:
        return self.store.room.longitude

    @field(filterable=True)
    def in_session(self) -> bool:
        return self.store.meeting.in_session

    @field
    def attending(self) -> list[Attendee]:
        """Everybody who is here, in the order of their tickets."""
        return [
            Attendee(name=ticket.name, organization=ticket.organization, hearing_aid_requested=ticket.hearing_aid_requested)
            for ticket in sorted(self.store.tickets, key=lambda ticket: ticket.id)
            if ticket.attending
        ]

    @field(filterable=True)
    def num_attending(self) -> int:
        return len(self.attending)

    @field
    def num_hearing_aid_requested(self) -> int:
        return sum(attendee.hearing_aid_requested for attendee in self.attending)


class PersonAgendaStore(Store):
    person = reference(Person)


class PersonAgenda(ViewModel):
    """Somebody, and links to their meetings."""

    store: PersonAgendaStore

    @field
    def name(self) -> str:
        return self.store.person.name

    @field
    def meetings(self) -> list[MeetingSession]:
        return [MeetingSession.of(meeting) for meeting in self.store.person.meetings]


class Door(Mediator):
    """Who comes and who goes."""

    @mutation
    async def set_attendance(self, ticket: Ticket, attending: bool) -> MeetingSession:
        """Note that somebody is here, or that they are not."""
        ticket.attending = attending
        return MeetingSession.of(ticket.meeting)


app = bff.App(views=[MeetingSession, PersonAgenda], mediators=[Door])
