"""What takes more than one document: registering somebody, and noting who is here."""

from __future__ import annotations

from bff.model.mediator import Mediator, source
from bff.model.mutation import mutation
from meeting_room.domain import Meeting, NotRegistered, Ticket, User, checked_name
from meeting_room.views import MeetingSession

__all__ = ["MeetingRoom"]


class MeetingRoom(Mediator):
    """The desk at the door."""

    users = source(User)

    @users.on_delete
    async def withdraw(self, user: User) -> None:
        """Give back the tickets of somebody who is gone."""
        async for ticket in Ticket.where(Ticket.user == user.ref):
            await ticket.delete()

    @mutation
    async def set_attendance(self, meeting: Meeting, user: User, attending: bool) -> MeetingSession:
        """Note that somebody is here, or that they are not."""
        ticket = await Ticket.get(Ticket.id_for(meeting, user))
        if ticket is None:
            raise NotRegistered(user.id, meeting.id)
        if attending:
            await ticket.attend(meeting)
        else:
            ticket.attendance = False
        await ticket.save()
        return MeetingSession.of(meeting)

    @mutation
    async def register(
        self,
        meeting: Meeting,
        first_name: str,
        last_name: str,
        organization: str,
        hearing_aid_requested: bool = False,
        attending: bool = True,
    ) -> MeetingSession:
        """Write down somebody new, who is here already unless told otherwise."""
        user = User.new(
            first_name=checked_name(first_name, "firstName"),
            last_name=checked_name(last_name, "lastName"),
            organization=checked_name(organization, "organization"),
            hearing_aid_requested=hearing_aid_requested,
        )
        ticket = Ticket(id=Ticket.id_for(meeting, user), meeting=meeting.ref, user=user.ref)
        if attending:
            await ticket.attend(meeting)
        await user.save()
        await ticket.save()
        return MeetingSession.of(meeting)
