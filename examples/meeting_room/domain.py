"""The domain of the meeting room: what is true, and what people may do about it."""

from __future__ import annotations

from enum import Enum

from bff.errors import BadUserInput, DomainError
from bff.model.domain_model import DomainModel
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.types import GeoPoint

__all__ = [
    "Location",
    "Meeting",
    "MeetingAlreadyOpen",
    "MeetingClosed",
    "MeetingNotOpen",
    "MeetingStatus",
    "NotRegistered",
    "Role",
    "RoomFull",
    "Ticket",
    "User",
]

MAX_NAME_LENGTH = 100


class MeetingNotOpen(DomainError):
    """Only a meeting that is in session can be closed."""

    def __init__(self, meeting_id: str) -> None:
        super().__init__(f"meeting {meeting_id} is not in session")


class MeetingAlreadyOpen(DomainError):
    """A meeting that is in session cannot be opened again."""

    def __init__(self, meeting_id: str) -> None:
        super().__init__(f"meeting {meeting_id} is in session already")


class MeetingClosed(DomainError):
    """Nobody checks in once a meeting is over."""

    def __init__(self, meeting_id: str) -> None:
        super().__init__(f"meeting {meeting_id} is over")


class NotRegistered(DomainError):
    """Attendance is noted on a ticket, and this person has none for this meeting."""

    def __init__(self, user_id: str, meeting_id: str) -> None:
        super().__init__(f"{user_id} is not registered for meeting {meeting_id}")


class RoomFull(DomainError):
    """Everybody who is here has a seat, and there are no more."""

    def __init__(self, title: str, seats: int) -> None:
        super().__init__(f"all {seats} seats of {title} are taken")


class Role(Enum):
    """What somebody does in a meeting."""

    HOST = "HOST"
    PARTICIPANT = "PARTICIPANT"


class MeetingStatus(Enum):
    """How far a meeting is."""

    NOT_STARTED = "NOT_STARTED"
    IN_SESSION = "IN_SESSION"
    CLOSED = "CLOSED"


class Location(DomainModel, collection="locations"):
    """Where people meet."""

    address: str
    position: GeoPoint
    seats: int | None = None
    """How many people fit in; nobody counts them where it is None."""


class User(DomainModel, collection="users"):
    """Somebody who goes to meetings."""

    first_name: str
    last_name: str
    organization: str
    hearing_aid_requested: bool = False

    @property
    def display_name(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Meeting(DomainModel, collection="meetings"):
    """A meeting at a place."""

    title: str
    location: Ref[Location]
    status: MeetingStatus = MeetingStatus.NOT_STARTED

    @mutation(returns="MeetingSession")
    def open(self) -> None:
        """Begin the meeting, or continue one that was closed."""
        if self.status is MeetingStatus.IN_SESSION:
            raise MeetingAlreadyOpen(self.id)
        self.status = MeetingStatus.IN_SESSION

    @mutation(returns="MeetingSession")
    def close(self) -> None:
        """End the meeting for everybody."""
        if self.status is not MeetingStatus.IN_SESSION:
            raise MeetingNotOpen(self.id)
        self.status = MeetingStatus.CLOSED

    async def seat_one_more(self) -> None:
        """Raises RoomFull where everybody who is here takes up all seats.

        It counts inside the unit of work that the arrival is written in: of two who come for the last seat at once, one gets it.
        """
        location = await self.location.get()
        if location is None or location.seats is None:
            return
        here = [ticket async for ticket in Ticket.where(Ticket.meeting == self.ref, attendance=True)]
        if len(here) >= location.seats:
            raise RoomFull(self.title, location.seats)


class Ticket(DomainModel, collection="tickets"):
    """One person's place in one meeting. Its id is made of theirs, so that nobody is registered twice."""

    meeting: Ref[Meeting]
    user: Ref[User]
    role: Role = Role.PARTICIPANT
    attendance: bool = False

    @staticmethod
    def id_for(meeting: Meeting, user: User) -> str:
        return f"{meeting.id}-{user.id}"

    @mutation
    async def check_in(self) -> None:
        """Note that the holder has arrived."""
        meeting = await self.meeting.get()
        if meeting is None or meeting.status is MeetingStatus.CLOSED:
            raise MeetingClosed(self.meeting.id)
        await self.attend(meeting)

    async def attend(self, meeting: Meeting) -> None:
        """The holder is in the room from now on. Raises RoomFull where there is no seat for them."""
        if not self.attendance:
            await meeting.seat_one_more()
        self.attendance = True


def checked_name(value: str, field: str) -> str:
    """The text without blanks around it. Raises BadUserInput where it is empty or too long."""
    text = value.strip()
    if not text:
        raise BadUserInput(f"{field} must not be empty", [field])
    if len(text) > MAX_NAME_LENGTH:
        raise BadUserInput(f"{field} is longer than {MAX_NAME_LENGTH} characters", [field])
    return text
