"""The meetings that the example begins with: ``python -m meeting_room.seed sqlite:///meeting_room.db``."""

from __future__ import annotations

import argparse
import asyncio
import os

import bff
from bff.model.domain_model import DomainModel
from bff.types import GeoPoint
from meeting_room.domain import Location, Meeting, MeetingStatus, Role, Ticket, User

__all__ = ["documents", "main", "seed"]


def documents() -> list[DomainModel]:
    """What the example begins with."""
    hall = Location(
        id="gilman_drive_9500",
        address="9500 Gilman Drive, La Jolla, CA",
        position=GeoPoint(latitude=32.8801, longitude=-117.2340),
    )
    study = Location(
        id="hopkins_drive_9701",
        address="9701 Hopkins Drive, La Jolla, CA",
        position=GeoPoint(latitude=32.8812, longitude=-117.2376),
        seats=2,
    )
    tijuana = User(id="tijuana", first_name="Tijuana", last_name="Furlong", organization="UCSD", hearing_aid_requested=True)
    thomasina = User(id="thomasina", first_name="Thomasina", last_name="Manes", organization="UCSD")
    joshua = User(id="joshua", first_name="Joshua", last_name="Pendergrast", organization="SDSU", hearing_aid_requested=True)
    ruben = User(id="ruben", first_name="Rubén", last_name="Acosta", organization="Geisel Library")

    town_hall = Meeting(id="meeting_1", title="Accessibility Town Hall", location=hall.ref, status=MeetingStatus.IN_SESSION)
    office_hours = Meeting(id="meeting_2", title="Captioning Office Hours", location=study.ref, status=MeetingStatus.IN_SESSION)
    later = [
        Meeting(id="meeting_3", title="Hearing Loop Installation", location=hall.ref),
        Meeting(id="meeting_4", title="Campus Shuttle Planning", location=hall.ref),
        Meeting(id="meeting_5", title="Library Hours Forum", location=study.ref, status=MeetingStatus.CLOSED),
        Meeting(id="meeting_6", title="Student Orientation", location=hall.ref),
        Meeting(id="meeting_7", title="Quiet Room Design", location=study.ref),
    ]
    tickets = [
        ticket(town_hall, tijuana, Role.HOST, attendance=True),
        ticket(town_hall, thomasina, attendance=True),
        ticket(town_hall, joshua, attendance=True),
        ticket(office_hours, ruben, Role.HOST, attendance=True),
        ticket(office_hours, thomasina),
        ticket(office_hours, joshua),
        *(ticket(meeting, ruben, Role.HOST) for meeting in later),
    ]
    return [hall, study, tijuana, thomasina, joshua, ruben, town_hall, office_hours, *later, *tickets]


def ticket(meeting: Meeting, user: User, role: Role = Role.PARTICIPANT, *, attendance: bool = False) -> Ticket:
    id = Ticket.id_for(meeting, user)
    return Ticket(id=id, meeting=meeting.ref, user=user.ref, role=role, attendance=attendance)


async def seed() -> None:
    """Write what is missing of the example's documents, all at once. What is there already stays as it is."""
    await bff.transaction(write_missing)


async def write_missing() -> None:
    for document in documents():
        if await type(document).get(document.id) is None:
            await document.save()


async def main(url: str) -> None:
    async with bff.connect(url):
        await seed()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write what is missing of the meeting room's documents.")
    parser.add_argument("url", nargs="?", default=os.environ.get("BFF_DATASTORE_URL", "sqlite:///meeting_room.db"))
    asyncio.run(main(parser.parse_args().url))
