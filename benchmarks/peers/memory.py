"""The peers' data: prepared objects, lists prepared by region, links resolved to the objects themselves."""

from __future__ import annotations

from collections import defaultdict

from benchmarks import prepared
from benchmarks.prepared import Object

__all__ = ["MEETINGS", "PERSONS", "region", "set_attendance"]

MEETINGS = prepared.meetings()
PERSONS = {
    id: {**person, "meetings": [MEETINGS[meeting] for meeting in person["meetings"]]} for id, person in prepared.persons().items()
}
BY_REGION: dict[str, list[Object]] = defaultdict(list)
for _meeting in MEETINGS.values():
    BY_REGION[_meeting["region"]].append(_meeting)
REGISTERED = {id: list(zip(meeting["tickets"], meeting["attending"], strict=True)) for id, meeting in MEETINGS.items()}
AWAY: dict[str, set[str]] = {id: set() for id in MEETINGS}


def region(name: str, first: int) -> Object:
    """A connection: the first so many meetings of a region."""
    found = BY_REGION[name]
    page = found[:first]
    return {
        "edges": [{"cursor": meeting["cursor"], "node": meeting} for meeting in page],
        "pageInfo": {
            "hasNextPage": len(found) > len(page),
            "hasPreviousPage": False,
            "startCursor": page[0]["cursor"],
            "endCursor": page[-1]["cursor"],
        },
    }


def set_attendance(ticket: str, attending: bool) -> Object:
    """The meeting as it is then. In memory alone: nothing is durable, nobody is told."""
    id = ticket.partition("-")[0]
    meeting, away = MEETINGS[id], AWAY[id]
    (away.discard if attending else away.add)(ticket)
    meeting["attending"] = [attendee for holder, attendee in REGISTERED[id] if holder not in away]
    meeting["numAttending"] = len(meeting["attending"])
    meeting["numHearingAidRequested"] = sum(attendee["hearingAidRequested"] for attendee in meeting["attending"])
    return meeting
