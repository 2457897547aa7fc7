"""A small app that the tests of the model share."""

from __future__ import annotations

from enum import Enum

from pydantic import BaseModel

from bff.errors import DomainError
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel


class Role(Enum):
    SPEAKER = "speaker"
    GUEST = "guest"


class MeetingStatus(Enum):
    NOT_STARTED = "not-started"
    IN_SESSION = "in-session"
    CLOSED = "closed"


class MeetingNotOpen(DomainError):
    """The meeting is not in session."""


class Location(DomainModel, collection="locations"):
    address: str


class User(DomainModel, collection="users"):
    first_name: str
    last_name: str
    organization: str
    hearing_aid_requested: bool = False

    @property
    def display_name(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Ticket(DomainModel, collection="tickets"):
    meeting: Ref[Meeting]
    user: Ref[User]
    role: Role = Role.GUEST
    attendance: bool = False

    @mutation
    def check_in(self) -> None:
        """Let somebody in."""
        self.attendance = True


class Meeting(DomainModel, collection="meetings"):
    location: Ref[Location]
    status: MeetingStatus = MeetingStatus.NOT_STARTED

    @mutation(returns="MeetingSession")
    def close(self) -> None:
        """End the meeting for everybody."""
        if self.status is not MeetingStatus.IN_SESSION:
            raise MeetingNotOpen(self.id)
        self.status = MeetingStatus.CLOSED


class Panel(Meeting):
    topic: str = "all"

    def close(self) -> None:
        self.topic = "closed"
        super().close()


class Badge(DomainModel, collection="badges"):
    ticket: Ref[Ticket]


class MeetingSessionStore(Store):
    meeting = reference(Meeting)
    location = reference(Location, of=lambda s: s.meeting.location)
    tickets = reference(Ticket, where=lambda s: Ticket.meeting == s.meeting.ref, many=True)
    users = reference(User, of=lambda s: [t.user for t in s.tickets], many=True)


class Attendee(BaseModel):
    name: str
    organization: str
    hearing_aid_requested: bool


class MeetingSession(ViewModel):
    """A meeting as its participants see it."""

    store: MeetingSessionStore

    @field
    def address(self) -> str:
        return self.store.location.address

    @field
    def attending(self) -> list[Attendee]:
        """Who is here."""
        here = {ticket.user for ticket in self.store.tickets if ticket.attendance}
        return [
            Attendee(name=u.display_name, organization=u.organization, hearing_aid_requested=u.hearing_aid_requested)
            for u in self.store.users
            if u.ref in here
        ]

    @field
    def num_hearing_aid_requested(self) -> int:
        return sum(a.hearing_aid_requested for a in self.attending)

    @field(filterable=True)
    def in_session(self) -> bool:
        return self.store.meeting.status is MeetingStatus.IN_SESSION

    @in_session.setter
    def in_session(self, value: bool) -> None:
        self.store.meeting.status = MeetingStatus.IN_SESSION if value else MeetingStatus.CLOSED

    @field(deprecated="use users")
    def people(self) -> list[UserView]:
        return [UserView.of(user) for user in self.store.users]


class UserViewStore(Store):
    user = reference(User)


class UserView(ViewModel, collection="userViews"):
    store: UserViewStore

    @field
    def name(self) -> str:
        return self.store.user.display_name


class MeetingRoom(Mediator):
    """The room."""

    tickets = source(Ticket)
    badges = sink(Badge)

    @tickets.on_create
    async def print_badge(self, ticket: Ticket) -> None:
        self.badges.emit(Badge(id=ticket.id, ticket=ticket.ref))

    @mutation
    async def set_attendance(self, meeting: Meeting, user: User, attending: bool) -> MeetingSession:
        """Say who is here."""
        ticket = await Ticket.where(Ticket.meeting == meeting.ref, user=user.ref).first()
        if ticket is not None:
            ticket.attendance = attending
            await ticket.save()
        return MeetingSession.of(meeting)
