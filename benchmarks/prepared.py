"""What the peers answer from: the data as objects in memory, named as GraphQL names them.

``python -m benchmarks.prepared <path>`` writes it as JSON, for the peers on Node.js.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import data

__all__ = ["Object", "cursor", "meetings", "persons"]

Object: TypeAlias = dict[str, Any]


def cursor(id: str) -> str:
    """As long as bff's."""
    return base64.urlsafe_b64encode(f'0{{"o":"c34eb9609365","v":["{id}"]}}'.encode()).decode().rstrip("=")


def meetings() -> dict[str, Object]:
    """By id, in the order of the ids."""
    return {
        meeting.id: {
            "id": meeting.id,
            "title": meeting.title,
            "region": meeting.region,
            "address": meeting.address,
            "latitude": meeting.latitude,
            "longitude": meeting.longitude,
            "inSession": meeting.in_session,
            "numAttending": len(meeting.attendees),
            "numHearingAidRequested": sum(attendee.hearing_aid_requested for attendee in meeting.attendees),
            "attending": [
                {
                    "name": attendee.name,
                    "organization": attendee.organization,
                    "hearingAidRequested": attendee.hearing_aid_requested,
                }
                for attendee in meeting.attendees
            ],
            "cursor": cursor(meeting.id),
            "tickets": [attendee.id for attendee in meeting.attendees],
        }
        for meeting in data.meetings()
    }


def persons() -> dict[str, Object]:
    """By id. Their ``meetings`` are ids."""
    return {person.id: {"id": person.id, "name": person.name, "meetings": list(person.meetings)} for person in data.persons()}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"meetings": list(meetings().values()), "persons": list(persons().values())}))
    sys.stdout.write("{}\n")
