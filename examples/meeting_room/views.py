"""What the screens of the meeting room show."""

from __future__ import annotations

from pydantic import BaseModel

from bff.model.field import field
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from meeting_room.domain import Location, Meeting, MeetingStatus, Role, Ticket, User

__all__ = ["Attendee", "MeetingSession", "MeetingSessionStore", "Participant", "UserView", "UserViewStore"]


class Attendee(BaseModel):
    """Somebody who is here."""

    name: str
    organization: str
    hearing_aid_requested: bool


class Participant(BaseModel):
    """Somebody who is registered, here or not."""

    user_id: str
    name: str
    organization: str
    hearing_aid_requested: bool
    role: Role
    attending: bool


class MeetingSessionStore(Store):
    meeting = reference(Meeting)
    location = reference(Location, of=lambda s: s.meeting.location)
    tickets = reference(Ticket, where=lambda s: Ticket.meeting == s.meeting.ref, many=True)
    users = reference(User, of=lambda s: [ticket.user for ticket in s.tickets], many=True)


class MeetingSession(ViewModel):
    """A meeting as its participants see it."""

    store: MeetingSessionStore

    @field(filterable=True)
    def title(self) -> str:
        """What the meeting is about."""
        return self.store.meeting.title

    @field
    def address(self) -> str:
        """Where it takes place."""
        return self.store.location.address

    @field
    def latitude(self) -> float:
        """Degrees north of the equator (WGS 84)."""
        return self.store.location.position.latitude

    @field
    def longitude(self) -> float:
        """Degrees east of Greenwich (WGS 84)."""
        return self.store.location.position.longitude

    @field
    def seats(self) -> int | None:
        """How many people fit in; null where nobody counts."""
        return self.store.location.seats

    @field
    def host(self) -> UserView | None:
        """Who leads it."""
        return next((UserView.of(ticket.user) for ticket in self.store.tickets if ticket.role is Role.HOST), None)

    @field
    def participants(self) -> list[Participant]:
        """Everybody who is registered, by name."""
        users = {user.ref: user for user in self.store.users if user is not None}
        registered = [(ticket, users[ticket.user]) for ticket in self.store.tickets if ticket.user in users]
        people = [
            Participant(
                user_id=user.id,
                name=user.display_name,
                organization=user.organization,
                hearing_aid_requested=user.hearing_aid_requested,
                role=ticket.role,
                attending=ticket.attendance,
            )
            for ticket, user in registered
        ]
        return sorted(people, key=lambda person: (person.name, person.user_id))

    @field
    def attending(self) -> list[Attendee]:
        """Everybody who is here, by name."""
        return [
            Attendee(
                name=person.name,
                organization=person.organization,
                hearing_aid_requested=person.hearing_aid_requested,
            )
            for person in self.participants
            if person.attending
        ]

    @field(filterable=True)
    def num_attending(self) -> int:
        """How many are here."""
        return len(self.attending)

    @field
    def num_hearing_aid_requested(self) -> int:
        """How many of those who are here asked for a hearing aid."""
        return sum(attendee.hearing_aid_requested for attendee in self.attending)

    @field(filterable=True)
    def in_session(self) -> bool:
        """Whether the meeting is going on now."""
        return self.store.meeting.status is MeetingStatus.IN_SESSION

    @in_session.setter
    def in_session(self, value: bool) -> None:
        if value != self.in_session:
            (self.store.meeting.open if value else self.store.meeting.close)()


class UserViewStore(Store):
    user = reference(User)
    tickets = reference(Ticket, where=lambda s: Ticket.user == s.user.ref, many=True)


class UserView(ViewModel):
    """Somebody, and the meetings that they are registered for."""

    store: UserViewStore

    @field
    def name(self) -> str:
        return self.store.user.display_name

    @field(filterable=True)
    def organization(self) -> str:
        return self.store.user.organization

    @field(filterable=True)
    def hearing_aid_requested(self) -> bool:
        return self.store.user.hearing_aid_requested

    @hearing_aid_requested.setter
    def hearing_aid_requested(self, value: bool) -> None:
        self.store.user.hearing_aid_requested = value

    @field
    def meetings(self) -> list[MeetingSession]:
        """The meetings that they hold a ticket for."""
        return [MeetingSession.of(ticket.meeting) for ticket in self.store.tickets]
