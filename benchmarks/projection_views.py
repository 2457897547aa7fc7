"""What the projection benchmark projects: sessions of 22 documents each, as the meeting room has them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from pydantic import BaseModel

from bff.datastore.port import Datastore, Set
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.types import GeoPoint, Timepoint

__all__ = ["CATALOG", "PEOPLE", "Pass", "Person", "PersonView", "Room", "Session", "SessionView", "documents", "person", "seed"]

PEOPLE = 10
"""Passes and persons of a session. With the session and its room that makes 22 documents."""

SEED_COMMIT = 400


class Role(Enum):
    HOST = "HOST"
    PARTICIPANT = "PARTICIPANT"


class Room(DomainModel, collection="rooms"):
    address: str
    position: GeoPoint
    seats: int | None = None


class Person(DomainModel, collection="people"):
    first_name: str
    last_name: str
    organization: str
    hearing_aid_requested: bool = False


class Session(DomainModel, collection="sessions"):
    title: str
    room: Ref[Room]
    open: bool = True


class Pass(DomainModel, collection="passes"):
    session: Ref[Session]
    person: Ref[Person]
    role: Role = Role.PARTICIPANT
    attendance: bool = True


class Attendee(BaseModel):
    name: str
    organization: str
    hearing_aid_requested: bool


class Participant(BaseModel):
    person_id: str
    name: str
    organization: str
    role: Role
    attending: bool


class SessionStore(Store):
    session = reference(Session)
    room = reference(Room, of=lambda s: s.session.room)
    passes = reference(Pass, where=lambda s: Pass.session == s.session.ref, many=True)
    people = reference(Person, of=lambda s: [one.person for one in s.passes], many=True)


class SessionView(ViewModel):
    store: SessionStore

    @field(filterable=True)
    def title(self) -> str:
        return self.store.session.title

    @field
    def address(self) -> str:
        return self.store.room.address

    @field
    def latitude(self) -> float:
        return self.store.room.position.latitude

    @field
    def seats(self) -> int | None:
        return self.store.room.seats

    @field
    def participants(self) -> list[Participant]:
        people = {person.ref: person for person in self.store.people}
        found = [(one, people[one.person]) for one in self.store.passes if one.person in people]
        return [
            Participant(
                person_id=person.id,
                name=f"{person.first_name} {person.last_name}",
                organization=person.organization,
                role=one.role,
                attending=one.attendance,
            )
            for one, person in found
        ]

    @field
    def attending(self) -> list[Attendee]:
        people = {person.ref: person for person in self.store.people}
        here = [people[one.person] for one in self.store.passes if one.attendance and one.person in people]
        return [
            Attendee(
                name=f"{person.first_name} {person.last_name}",
                organization=person.organization,
                hearing_aid_requested=person.hearing_aid_requested,
            )
            for person in here
        ]

    @field(filterable=True)
    def num_attending(self) -> int:
        return len(self.attending)

    @field(filterable=True)
    def in_session(self) -> bool:
        return self.store.session.open


class PersonStore(Store):
    person = reference(Person)


class PersonView(ViewModel):
    """A view of one document: of what it takes to build and store it, writing is the most."""

    store: PersonStore

    @field
    def name(self) -> str:
        return f"{self.store.person.first_name} {self.store.person.last_name}"

    @field(filterable=True)
    def organization(self) -> str:
        return self.store.person.organization

    @field
    def hearing_aid_requested(self) -> bool:
        return self.store.person.hearing_aid_requested


CATALOG = Catalog.of([SessionView])
"""Without PersonView: each change is to make one view be built."""


def person(session: int, number: int, stamp: int = 0) -> Person:
    """One of the ten people of a session; a different document for every ``stamp``."""
    return Person(
        id=f"p{session}-{number}", first_name="Tijuana", last_name=f"Furlong {number}", organization=f"Organization {stamp}"
    )


def documents(session: int) -> Iterator[DomainModel]:
    """The 22 documents of a session."""
    room = Room(id=f"r{session}", address=f"{session} Gilman Drive, La Jolla, CA", position=GeoPoint(32.88, -117.234), seats=200)
    meeting = Session(id=f"s{session}", title=f"Accessibility Town Hall {session}", room=room.ref)
    yield room
    yield meeting
    for number in range(PEOPLE):
        one = person(session, number)
        yield one
        yield Pass(id=f"t{session}-{number}", session=meeting.ref, person=one.ref, role=Role.PARTICIPANT if number else Role.HOST)


async def seed(datastore: Datastore, sessions: range) -> Timepoint:
    """Store these sessions' documents. When the last of them was."""
    writes: list[Set] = []
    at = 0
    for session in sessions:
        writes += [Set(one.path, one.to_data()) for one in documents(session)]
        if len(writes) >= SEED_COMMIT:
            at = (await datastore.commit(writes)).timepoint
            writes = []
    return (await datastore.commit(writes)).timepoint if writes else at
