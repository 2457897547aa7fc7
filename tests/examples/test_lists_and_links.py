"""The meeting room's lists and live windows, its links from view to view, and the last seat, which one of two gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from meeting_room.domain import Location, Meeting, MeetingStatus, Ticket

from tests.examples.room import Room, Watching, room_on

pytestmark = pytest.mark.anyio

BY_TITLE = [
    "Accessibility Town Hall",
    "Campus Shuttle Planning",
    "Captioning Office Hours",
    "Hearing Loop Installation",
    "Library Hours Forum",
    "Quiet Room Design",
    "Student Orientation",
]

PAGE = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: MeetingSessionFilter) {
  meetingSessions(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: [{field: TITLE}]) {
    edges { cursor node { id title inSession numAttending host { id name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
LISTED = """{
  meetingSessions(
    filter: {inSession: {eq: true}}, orderBy: [{field: NUM_ATTENDING, direction: DESC}, {field: TITLE}], first: 5
  ) { edges { node { id } } }
}"""
SET_ATTENDANCE = """
mutation ($meeting: ID!, $user: ID!, $attending: Boolean!) {
  setAttendance(meetingId: $meeting, userId: $user, attending: $attending) { id numAttending seats }
}
"""


@pytest.fixture
async def room(datastore_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    monkeypatch.setenv("BFF_DATASTORE_URL", datastore_url)
    async with room_on() as running:
        await running.settled()
        yield running


@pytest.fixture
async def live_room(datastore_url: str, broadcast_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """The room on each datastore with each broadcast."""
    monkeypatch.setenv("BFF_DATASTORE_URL", datastore_url)
    monkeypatch.setenv("BFF_BROADCAST_URL", broadcast_url)
    async with room_on() as running:
        await running.settled()
        yield running


def titles(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["title"] for edge in page["edges"]]


async def test_meetings_are_paged_forwards_and_backwards(room: Room) -> None:
    """A cursor stands for a place in the order: what is added before it moves nobody to another page."""
    first = (await room.data(PAGE, {"first": 3}))["meetingSessions"]
    assert titles(first) == BY_TITLE[:3]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)

    async with room.documents():
        hall = Location.ref("gilman_drive_9500")
        await Meeting(id="meeting_8", title="A meeting before them all", location=hall).save()
    await room.settled()

    second = (await room.data(PAGE, {"first": 3, "after": first["pageInfo"]["endCursor"]}))["meetingSessions"]
    assert titles(second) == BY_TITLE[3:6]
    third = (await room.data(PAGE, {"first": 3, "after": second["pageInfo"]["endCursor"]}))["meetingSessions"]
    assert titles(third) == BY_TITLE[6:]
    assert third["pageInfo"]["hasNextPage"] is False

    back = (await room.data(PAGE, {"last": 3, "before": third["pageInfo"]["startCursor"]}))["meetingSessions"]
    assert back["edges"] == second["edges"]


async def test_meetings_are_filtered(room: Room) -> None:
    async def listed(filter: dict[str, Any]) -> list[str]:
        return titles((await room.data(PAGE, {"filter": filter}))["meetingSessions"])

    assert await listed({"inSession": {"eq": True}}) == ["Accessibility Town Hall", "Captioning Office Hours"]
    assert await listed({"title": {"gte": "C", "lt": "C\uffff"}}) == ["Campus Shuttle Planning", "Captioning Office Hours"]
    assert await listed({"inSession": {"eq": True}, "numAttending": {"gte": 2}}) == ["Accessibility Town Hall"]
    assert await listed({"or": [{"title": {"eq": "Student Orientation"}}, {"numAttending": {"eq": 1}}]}) == [
        "Captioning Office Hours",
        "Student Orientation",
    ]


async def test_a_list_follows_links_from_view_to_view(room: Room) -> None:
    """A field that returns a ViewModel is a link: the host of each meeting, and what else they host."""
    page = (await room.data(PAGE, {"first": 3}))["meetingSessions"]
    assert [edge["node"]["host"]["name"] for edge in page["edges"]] == ["Tijuana Furlong", "Rubén Acosta", "Rubén Acosta"]

    query = '{ meetingSession(id: "meeting_2") { host { name meetings { id title host { id } } } } }'
    host = (await room.data(query))["meetingSession"]["host"]
    assert host["name"] == "Rubén Acosta"
    assert {meeting["id"] for meeting in host["meetings"]} == {f"meeting_{number}" for number in range(2, 8)}
    assert all(meeting["host"]["id"] == "ruben" for meeting in host["meetings"])


async def test_a_user_links_to_their_meetings(room: Room) -> None:
    query = '{ userView(id: "tijuana") { id name organization hearingAidRequested meetings { id address inSession } } }'
    assert (await room.data(query))["userView"] == {
        "id": "tijuana",
        "name": "Tijuana Furlong",
        "organization": "UCSD",
        "hearingAidRequested": True,
        "meetings": [{"id": "meeting_1", "address": "9500 Gilman Drive, La Jolla, CA", "inSession": True}],
    }


async def test_a_meeting_without_a_host_links_to_nobody(room: Room) -> None:
    async with room.documents():
        ticket = await Ticket.get("meeting_3-ruben")
        assert ticket is not None
        await ticket.delete()
    await room.settled()
    assert await room.data('{ meetingSession(id: "meeting_3") { host { id } } }') == {"meetingSession": {"host": None}}


async def test_the_last_seat_is_taken_once(room: Room) -> None:
    """Two come for it at the same time: one is here, the other is told so, and the view counts two."""

    async def come(user: str) -> dict[str, Any]:
        return await room.post(SET_ATTENDANCE, {"meeting": "meeting_2", "user": user, "attending": True})

    answers = await asyncio.gather(come("thomasina"), come("joshua"))
    [refused] = [answer for answer in answers if answer.get("errors")]
    assert refused["errors"][0]["extensions"]["code"] == "ROOM_FULL"
    assert refused["errors"][0]["message"] == "all 2 seats of Captioning Office Hours are taken"
    [seated] = [answer for answer in answers if not answer.get("errors")]
    assert seated["data"]["setAttendance"] == {"id": "meeting_2", "numAttending": 2, "seats": 2}
    assert await room.data('{ meetingSession(id: "meeting_2") { numAttending } }') == {"meetingSession": {"numAttending": 2}}


async def test_a_full_room_seats_whoever_has_a_seat(room: Room) -> None:
    """To note that somebody is here who is here already is no change, and a seat that is given up can be taken."""

    async def attend(user: str, attending: bool) -> dict[str, Any]:
        return await room.post(SET_ATTENDANCE, {"meeting": "meeting_2", "user": user, "attending": attending})

    for user in ("joshua", "joshua"):
        assert (await attend(user, True))["data"]["setAttendance"]["numAttending"] == 2
    error = await room.error('mutation { ticketCheckIn(id: "meeting_2-thomasina") { __typename } }')
    assert error["extensions"]["code"] == "ROOM_FULL"
    register = """
    mutation { register(meetingId: "meeting_2", firstName: "A", lastName: "B", organization: "C", attending: true) { id } }
    """
    assert (await room.error(register))["extensions"]["code"] == "ROOM_FULL"
    async with room.documents():
        assert len(await Ticket.where(Ticket.meeting == Meeting.ref("meeting_2")).list()) == 3
    await attend("ruben", False)
    assert (await attend("thomasina", True))["data"]["setAttendance"]["numAttending"] == 2


IN_SESSION = """
subscription {
  meetingSessions(
    filter: {inSession: {eq: true}}, orderBy: [{field: NUM_ATTENDING, direction: DESC}, {field: TITLE}], first: 5
  ) {
    kind id previous next
    node { id title numAttending host { name } }
    page { edges { node { id title numAttending } } }
  }
}
"""


class Window:
    """The keys of a live list, as a page keeps them: by what its events say."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self.keys: list[str] = []
        self.kinds: list[str] = []

    async def apply(self) -> dict[str, Any]:
        change: dict[str, Any] = (await self._watching.next())["meetingSessions"]
        kind, key = change["kind"], change["id"]
        self.kinds.append(kind)
        if kind == "CURRENT":
            self.keys = [edge["node"]["id"] for edge in change["page"]["edges"]]
        elif kind == "REMOVED":
            self.keys.remove(key)
        elif kind in {"ADDED", "MOVED"}:
            self.keys = [other for other in self.keys if other != key]
            self.keys.insert(0 if change["previous"] is None else self.keys.index(change["previous"]) + 1, key)
        return change

    async def until(self, *keys: str) -> None:
        while self.keys != [*keys]:
            await self.apply()


async def test_the_meetings_in_session_are_a_live_window(live_room: Room) -> None:
    """They come, change, move and go: what its events make of a page is what a query gives."""
    async with live_room.watching(IN_SESSION) as watching:
        window = Window(watching)
        current = await window.apply()
        assert [edge["node"]["numAttending"] for edge in current["page"]["edges"]] == [3, 1]
        assert window.keys == ["meeting_1", "meeting_2"]

        await live_room.set_attendance("joshua", False)
        assert (await window.apply())["node"] == {
            "id": "meeting_1",
            "title": "Accessibility Town Hall",
            "numAttending": 2,
            "host": {"name": "Tijuana Furlong"},
        }
        await live_room.data('mutation { meetingOpen(id: "meeting_6") { id } }')
        await window.until("meeting_1", "meeting_2", "meeting_6")
        for user in ("thomasina", "tijuana"):
            await live_room.set_attendance(user, False)
        await window.until("meeting_2", "meeting_1", "meeting_6")
        await live_room.data('mutation { meetingClose(id: "meeting_2") { id } }')
        await window.until("meeting_1", "meeting_6")
        assert window.kinds[:3] == ["CURRENT", "MODIFIED", "ADDED"]
        assert {"MOVED", "REMOVED"} <= {*window.kinds}

        await live_room.settled()
        assert [edge["node"]["id"] for edge in (await live_room.data(LISTED))["meetingSessions"]["edges"]] == window.keys


async def test_a_subscription_follows_its_links(live_room: Room) -> None:
    """A person's own view does not change when one of their meetings begins; what they look at does."""
    query = 'subscription { userView(id: "ruben") { version meetings { id inSession } } }'

    def in_session(data: dict[str, Any]) -> set[str]:
        return {meeting["id"] for meeting in data["userView"]["meetings"] if meeting["inSession"]}

    async with live_room.watching(query) as watching:
        before = await watching.next()
        assert in_session(before) == {"meeting_2"}
        await live_room.data('mutation { meetingOpen(id: "meeting_6") { id } }')
        after = await watching.until(lambda data: in_session(data) == {"meeting_2", "meeting_6"})
        assert after["userView"]["version"] == before["userView"]["version"]


async def test_a_meeting_that_is_closed_leaves_the_list_of_those_in_session(room: Room) -> None:
    filter = {"filter": {"inSession": {"eq": True}}}
    await room.data('mutation { meetingClose(id: "meeting_1") { id } }')
    await room.settled()
    assert titles((await room.data(PAGE, filter))["meetingSessions"]) == ["Captioning Office Hours"]
    async with room.documents():
        meeting = await Meeting.get("meeting_1")
        assert meeting is not None
        assert meeting.status is MeetingStatus.CLOSED
