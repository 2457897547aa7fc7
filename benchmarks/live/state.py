"""What every contender of the live scenarios shows: a meeting of `benchmarks.data`, 2 kB of JSON; its title says which change.

What a peer keeps in memory and sends is, but for the version, what bff reads from its view of `benchmarks.domain`.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks import data

__all__ = ["OPERATION", "SDL", "VIEWS", "key", "marker", "meeting", "number_of"]

VIEWS = 1_000
"""How many there are at most."""

OPERATION = (
    "subscription Live($id: ID!) { meetingSession(id: $id) { id version title region address latitude longitude inSession"
    " attending { name organization hearingAidRequested } numAttending numHearingAidRequested } }"
)

SDL = """
type Attendee { name: String! organization: String! hearingAidRequested: Boolean! }
type MeetingSession {
  id: ID! version: String! title: String! region: String! address: String! latitude: Float! longitude: Float! inSession: Boolean!
  attending: [Attendee!]! numAttending: Int! numHearingAidRequested: Int!
}
type Query { meetingSession(id: ID!): MeetingSession }
type Subscription { meetingSession(id: ID!): MeetingSession }
"""


def marker(view: int, change: int) -> str:
    """The title: `subscribers.c` reads which view it is of, which change it shows, and the monotonic nanosecond of that."""
    return f"view {view:04} change {change:010} at {time.monotonic_ns():019}"


def key(view: int) -> str:
    return f"m{view:06}"


def number_of(id: str) -> int:
    """``m000007`` → 7."""
    return int(id[1:])


def meeting(view: int, change: int) -> dict[str, Any]:
    """A state of one view, its fields in the order of `OPERATION`."""
    shown = data.meeting(view)
    attending = [
        {"name": one.name, "organization": one.organization, "hearingAidRequested": one.hearing_aid_requested}
        for one in shown.attendees
    ]
    return {
        "id": shown.id,
        "version": f"{time.time_ns() // 1000}",
        "title": marker(view, change),
        "region": shown.region,
        "address": shown.address,
        "latitude": shown.latitude,
        "longitude": shown.longitude,
        "inSession": shown.in_session,
        "attending": attending,
        "numAttending": len(attending),
        "numHearingAidRequested": sum(one.hearing_aid_requested for one in shown.attendees),
    }
