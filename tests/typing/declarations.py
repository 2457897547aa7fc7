"""What type checkers see of declarations: mypy (strict) and pyright check this file in test_typing.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import assert_type

from pydantic import BaseModel

from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.effect import effect
from bff.model.evaluation import open_for_writing
from bff.model.field import field
from bff.model.find import Find
from bff.model.form import Form, entry
from bff.model.form_draft import creates
from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel


class Role(Enum):
    GUEST = "guest"


class MeetingStatus(Enum):
    NOT_STARTED = "not-started"
    IN_SESSION = "in-session"


class Location(DomainModel, collection="locations"):
    address: str


class User(DomainModel, collection="users"):
    first_name: str
    last_name: str
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
    def check_in(self) -> None: ...


class Meeting(DomainModel, collection="meetings", naming="camel"):
    location: Ref[Location]
    status: MeetingStatus = MeetingStatus.NOT_STARTED
    day: date | None = None

    @mutation(returns="MeetingSession")
    def close(self) -> None: ...

    @mutation
    async def move(self, to: date, *, quietly: bool = False) -> str:
        return ""


class Panel(Meeting):
    topic: str


class MeetingSessionStore(Store):
    meeting = reference(Meeting)
    location = reference(Location, of=lambda s: s.meeting.location)
    tickets = reference(Ticket, where=lambda s: Ticket.meeting == s.meeting.ref, many=True)
    first_ticket = reference(Ticket, where=lambda s: Ticket.where(meeting=s.meeting.ref).order_by(Ticket.role))
    users = reference(User, of=lambda s: [t.user for t in s.tickets], many=True)


class Attendee(BaseModel):
    name: str


class MeetingSession(ViewModel, collection="sessions", max_depth=5):
    store: MeetingSessionStore

    @field
    def address(self) -> str:
        assert_type(self.store, MeetingSessionStore)
        assert_type(self.store.meeting, Meeting)
        assert_type(self.store.location, Location)
        assert_type(self.store.tickets, list[Ticket])
        assert_type(self.store.first_ticket, Ticket)
        assert_type(self.store.users, list[User])
        return self.store.location.address

    @field
    def attending(self) -> list[Attendee]:
        return [Attendee(name=user.display_name) for user in self.store.users]

    @field(deprecated="use attending")
    def number(self) -> int:
        return len(self.attending)

    @field(filterable=True)
    def in_session(self) -> bool:
        return self.store.meeting.status is MeetingStatus.IN_SESSION

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        self.store.meeting.status = MeetingStatus.IN_SESSION

    @field
    def twin(self) -> MeetingSession | None:
        return MeetingSession.of(self.store.meeting)


class Badge(DomainModel, collection="badges"):
    ticket: Ref[Ticket]


class MeetingRoom(Mediator):
    tickets = source(Ticket)
    badges = sink(Badge)

    @tickets.on_create
    async def print_badge(self, ticket: Ticket) -> None:
        self.badges.emit(Badge.new(ticket=ticket.ref))

    @mutation
    async def set_attendance(self, meeting: Meeting, user: User, attending: bool) -> MeetingSession:
        return MeetingSession.of(meeting)


async def models(user: User, ticket: Ticket, panel: Panel) -> None:
    assert_type(await User.get("tijuana"), User | None)
    assert_type(await Panel.get_many(["a"]), list[Panel | None])
    assert_type(await user.save(), User)
    assert_type(User.new(first_name="a", last_name="b"), User)
    assert_type(user.id, str)
    assert_type(user.ref, Ref[User])
    assert_type(panel.ref, Ref[Panel])
    assert_type(User.ref, Callable[[str], Ref[User]])
    assert_type(User.ref("tijuana"), Ref[User])
    assert_type(ticket.user, Ref[User])
    assert_type(await ticket.user.get(), User | None)
    assert_type(await ticket.meeting.get(), Meeting | None)
    assert_type(ticket.role, Role)
    assert_type(ticket.user.model, type[User])
    await Meeting(id="a", location=Location.ref("b")).move(date.today(), quietly=True)
    Ticket(id="a", meeting=Meeting.ref("b"), user=user.ref).check_in()


async def queries() -> None:
    find = User.where(User.first_name == "Jo", hearing_aid_requested=True).order_by(User.last_name).limit(10)
    assert_type(find, Find[User])
    async for user in find.start_after("a"):
        assert_type(user, User)
    assert_type(await find.first(), User | None)
    assert_type(await find.list(), list[User])
    assert_type(Panel.all(), Find[Panel])
    assert_type(User.order_by(User.first_name, descending=True), Find[User])
    assert_type(User.where("firstName", "==", "Jo"), Find[User])
    assert_type(User.where(User.first_name, "in", ["Jo", "Bo"]), Find[User])
    assert_type(Meeting.where((Meeting.status == MeetingStatus.IN_SESSION) | (Meeting.id < "m")), Find[Meeting])


def views(session: MeetingSession, store: MeetingSessionStore) -> None:
    assert_type(session.id, str)
    assert_type(session.address, str)
    assert_type(session.attending, list[Attendee])
    assert_type(session.number, int)
    assert_type(session.in_session, bool)
    assert_type(session.twin, MeetingSession | None)
    assert_type(MeetingSession.of("a"), MeetingSession)
    assert_type(MeetingSession.split_key("a"), tuple[str, ...])
    assert_type(open_for_writing(MeetingSession, "a", store), MeetingSession)
    session.in_session = False
    Catalog.of([MeetingSession], [MeetingRoom], [Panel])


@effect
async def greet(message: Attendee, key: str) -> None: ...


@effect(seconds=3.0)
async def count(number: int, key: str) -> None: ...


class UserForm(Form, path="users/{uid}/userForms/{id}"):
    user = creates(User)

    @entry
    def first_name(self, value: str) -> None:
        self.user.first_name = value
        assert_type(self.principal.id, str | None)

    async def submit(self) -> None:
        assert_type(self.user, User)
        count.send(3, order=self.parameters["uid"])


def effects(attendee: Attendee) -> None:
    greet.send(attendee)
    Catalog.of([], effects=[greet, count], forms=[UserForm])
