"""The meeting that the example begins with: ``python -m meeting_room.seed sqlite:///meeting_room.db``."""

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
    location = Location(
        id="gilman_drive_9500",
        address="9500 Gilman Drive, La Jolla, CA",
        position=GeoPoint(latitude=32.8801, longitude=-117.2340),
    )
    meeting = Meeting(
        id="meeting_1",
        title="Accessibility Town Hall",
        location=location.ref,
        status=MeetingStatus.IN_SESSION,
    )
    users = [
        User(id="tijuana", first_name="Tijuana", last_name="Furlong", organization="UCSD", hearing_aid_requested=True),
        User(id="thomasina", first_name="Thomasina", last_name="Manes", organization="UCSD"),
        User(id="joshua", first_name="Joshua", last_name="Pendergrast", organization="SDSU", hearing_aid_requested=True),
    ]
    tickets = [
        Ticket(
            id=Ticket.id_for(meeting, user),
            meeting=meeting.ref,
            user=user.ref,
            role=Role.HOST if user.id == "tijuana" else Role.PARTICIPANT,
            attendance=True,
        )
        for user in users
    ]
    return [location, meeting, *users, *tickets]


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
