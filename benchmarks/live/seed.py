"""Writes the meetings of the live scenarios, and has their views built: ``python -m benchmarks.live.seed <path> <views>``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator

from benchmarks import data
from benchmarks.domain import Meeting, Room, Ticket
from benchmarks.live.app import app
from benchmarks.live.state import marker
from bff import DomainModel
from bff.datastore.port import Set
from bff.settings import Settings

__all__ = ["documents", "seed"]

IN_ONE_COMMIT = 440
SECONDS = 300.0


def documents(view: int) -> Iterator[DomainModel]:
    """The 22 documents of one view."""
    shown = data.meeting(view)
    room = Room(id=f"r-{shown.id}", address=shown.address, latitude=shown.latitude, longitude=shown.longitude)
    meeting = Meeting(id=shown.id, title=marker(view, 0), region=shown.region, room=room.ref, in_session=shown.in_session)
    yield room
    yield meeting
    for one in shown.attendees:
        yield Ticket(
            id=one.id,
            meeting=meeting.ref,
            name=one.name,
            organization=one.organization,
            hearing_aid_requested=one.hearing_aid_requested,
        )


async def seed(path: str, views: int) -> int:
    """How many documents were written."""
    writes = [Set(document.path, document.to_data()) for view in range(views) for document in documents(view)]
    async with app.running(Settings(datastore_url=f"sqlite:///{path}")) as runtime:
        assert runtime.projector is not None, "the default role plays all parts"
        timepoint = 0
        for start in range(0, len(writes), IN_ONE_COMMIT):
            timepoint = (await runtime.datastore.commit(writes[start : start + IN_ONE_COMMIT])).timepoint
        await runtime.projector.wait_for(timepoint, SECONDS)
    return len(writes)


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"documents": asyncio.run(seed(sys.argv[1], int(sys.argv[2])))}) + "\n")
