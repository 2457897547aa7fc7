"""The data of the benchmarks, made by rule: the same for bff, which stores it, and for its peers, which hold it in memory.

Every value of one kind is as long as any other of its kind, so that all answers to one operation are of the same length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ATTENDEES", "MEETINGS", "PERSONS", "REGIONS", "Attendee", "Meeting", "Person", "meetings", "persons"]

MEETINGS = 240
ATTENDEES = 20
PERSONS = 100
REGIONS = ("north", "south", "plain", "coast")
LINKED = 20

FIRST = ("Tijuana", "Desmond", "Camille", "Leopold", "Rosanna", "Solomon")
LAST = ("Furlong", "Manning", "Ostrava", "Pereira", "Quintal", "Rosetti", "Sanders")
HOUSES = ("Geisel Lib.", "UCSD Health", "Price Forum", "Scripps Inst")


@dataclass(frozen=True, slots=True)
class Attendee:
    id: str
    name: str
    organization: str
    hearing_aid_requested: bool


@dataclass(frozen=True, slots=True)
class Meeting:
    id: str
    title: str
    region: str
    address: str
    latitude: float
    longitude: float
    in_session: bool
    attendees: Sequence[Attendee]


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    meetings: Sequence[str]


def meetings(count: int = MEETINGS, attendees: int = ATTENDEES) -> list[Meeting]:
    """The first ``count`` of them. Their ids are in order."""
    return [meeting(number, attendees) for number in range(count)]


def meeting(number: int, attendees: int = ATTENDEES) -> Meeting:
    return Meeting(
        id=f"m{number:06}",
        title=f"Accessibility Town Hall {number:06}",
        region=REGIONS[number % len(REGIONS)],
        address=f"{9000 + number % 1000} Gilman Drive, La Jolla, CA",
        latitude=round(32.8801 + number % 8 / 1000, 4),
        longitude=round(-117.2341 - number % 8 / 1000, 4),
        in_session=True,
        attendees=[attendee(number, place) for place in range(attendees)],
    )


def attendee(number: int, place: int) -> Attendee:
    return Attendee(
        id=f"m{number:06}-t{place:02}",
        name=f"{FIRST[(number + place) % len(FIRST)]} {LAST[(number * 3 + place) % len(LAST)]} {place:02}",
        organization=HOUSES[(number + place) % len(HOUSES)][:11],
        # As many in each meeting, so that answers are of one length.
        hearing_aid_requested=(number + place) % 4 == 0,
    )


def persons(count: int = PERSONS) -> list[Person]:
    """Each with links to 20 meetings, which no other has in the same order."""
    return [
        Person(
            id=f"p{number:06}",
            name=f"{FIRST[number % len(FIRST)]} {LAST[number % len(LAST)]}",
            meetings=[f"m{(number * 7 + place * 11) % MEETINGS:06}" for place in range(LINKED)],
        )
        for number in range(count)
    ]
