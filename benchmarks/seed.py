"""Writes the benchmark's documents into a SQLite file, and has their views built: ``python -m benchmarks.seed <path>``."""

from __future__ import annotations

import asyncio
import json
import sys

import bff
from benchmarks import data
from benchmarks.domain import Meeting, Person, Room, Ticket, app
from bff import DomainModel
from bff.settings import Settings
from bff.testing.harness import AppHarness

__all__ = ["documents", "seed"]

IN_ONE_COMMIT = 400


def documents() -> list[DomainModel]:
    """A meeting is 22 of them; a person is one."""
    found: list[DomainModel] = []
    for meeting in data.meetings():
        room = Room(id=f"r-{meeting.id}", address=meeting.address, latitude=meeting.latitude, longitude=meeting.longitude)
        here = Meeting(id=meeting.id, title=meeting.title, region=meeting.region, room=room.ref, in_session=meeting.in_session)
        found += [room, here]
        found += [
            Ticket(
                id=attendee.id,
                meeting=here.ref,
                name=attendee.name,
                organization=attendee.organization,
                hearing_aid_requested=attendee.hearing_aid_requested,
            )
            for attendee in meeting.attendees
        ]
    found += [
        Person(id=person.id, name=person.name, meetings=[Meeting.ref(id) for id in person.meetings]) for person in data.persons()
    ]
    return found


async def seed(path: str) -> int:
    """How many documents were written."""
    everything = documents()
    async with AppHarness(app, settings=Settings(datastore_url=f"sqlite:///{path}"), timeout=120) as running:
        for start in range(0, len(everything), IN_ONE_COMMIT):
            part = everything[start : start + IN_ONE_COMMIT]

            async def write(part: list[DomainModel] = part) -> None:
                for document in part:
                    await document.save()

            await bff.transaction(write)
        await running.settled()
    return len(everything)


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"documents": asyncio.run(seed(sys.argv[1]))}) + "\n")
