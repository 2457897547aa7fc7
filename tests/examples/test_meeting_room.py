"""The meeting room, whole, on every datastore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType
from meeting_room import page
from meeting_room.app import app
from meeting_room.domain import Location, Meeting, Ticket, User
from meeting_room.seed import seed

from tests.examples.room import MEETING, Room, room_on

pytestmark = pytest.mark.anyio

TIJUANA = {"name": "Tijuana Furlong", "organization": "UCSD", "hearingAidRequested": True}
THOMASINA = {"name": "Thomasina Manes", "organization": "UCSD", "hearingAidRequested": False}
JOSHUA = {"name": "Joshua Pendergrast", "organization": "SDSU", "hearingAidRequested": True}

REGISTER = (
    MEETING
    + """
mutation ($first: String!, $last: String!, $organization: String!, $aid: Boolean, $attending: Boolean) {
  register(
    meetingId: "meeting_1", firstName: $first, lastName: $last, organization: $organization,
    hearingAidRequested: $aid, attending: $attending
  ) { ...Meeting }
}
"""
)


@pytest.fixture
async def room(datastore_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    monkeypatch.setenv("BFF_DATASTORE_URL", datastore_url)
    async with room_on() as running:
        yield running


@pytest.fixture
async def live_room(datastore_url: str, broadcast_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """The room on each datastore with each broadcast."""
    monkeypatch.setenv("BFF_DATASTORE_URL", datastore_url)
    monkeypatch.setenv("BFF_BROADCAST_URL", broadcast_url)
    async with room_on() as running:
        yield running


def is_here(meeting: dict[str, Any] | None, name: str) -> bool:
    return meeting is not None and name in [attendee["name"] for attendee in meeting["attending"]]


async def test_the_view_is_what_the_seed_says(room: Room) -> None:
    """One query gives the whole page, computed from four collections."""
    meeting = await room.meeting()
    assert meeting["version"].isdecimal()
    assert {name: value for name, value in meeting.items() if name not in {"version", "participants"}} == {
        "id": "meeting_1",
        "title": "Accessibility Town Hall",
        "address": "9500 Gilman Drive, La Jolla, CA",
        "latitude": 32.8801,
        "longitude": -117.234,
        "inSession": True,
        "numHearingAidRequested": 2,
        "attending": [JOSHUA, THOMASINA, TIJUANA],
    }
    assert meeting["participants"] == [
        {"userId": "joshua", **JOSHUA, "role": "PARTICIPANT", "attending": True},
        {"userId": "thomasina", **THOMASINA, "role": "PARTICIPANT", "attending": True},
        {"userId": "tijuana", **TIJUANA, "role": "HOST", "attending": True},
    ]


async def test_a_meeting_that_does_not_exist_is_null(room: Room) -> None:
    assert await room.meeting("nobody_knows_it") is None


async def test_attendance_that_is_set_is_answered_and_queried(room: Room) -> None:
    """A mutation answers with the view as it is right after the commit, and so does every query from then on."""
    before = await room.meeting()
    answered = await room.set_attendance("joshua", False)
    assert answered["attending"] == [THOMASINA, TIJUANA]
    assert answered["numHearingAidRequested"] == 1
    assert int(answered["version"]) > int(before["version"])
    assert await room.meeting() == answered


async def test_attendance_that_stays_the_same_is_no_change(room: Room) -> None:
    before = await room.meeting()
    assert await room.set_attendance("joshua", True) == before


async def test_somebody_without_a_ticket_cannot_attend(room: Room) -> None:
    async with room.documents():
        await User(id="stranger", first_name="A", last_name="Stranger", organization="UCLA").save()
    mutation = 'mutation ($user: ID!) { setAttendance(meetingId: "meeting_1", userId: $user, attending: true) { id } }'
    error = await room.error(mutation, {"user": "stranger"})
    assert error["extensions"]["code"] == "NOT_REGISTERED"
    assert error["message"] == "stranger is not registered for meeting meeting_1"
    assert (await room.error(mutation, {"user": "nobody"}))["extensions"]["code"] == "NOT_FOUND"


async def test_everybody_who_looks_sees_a_change(live_room: Room) -> None:
    """The present state first, then strictly newer ones."""
    async with live_room.following() as one, live_room.following() as other:
        for following in (one, other):
            assert is_here(await following.next(), "Thomasina Manes")
        changed = await live_room.set_attendance("thomasina", False)
        for following in (one, other):
            assert await following.until(lambda meeting: not is_here(meeting, "Thomasina Manes")) == changed
        await live_room.set_attendance("thomasina", True)
        for following in (one, other):
            await following.until(lambda meeting: is_here(meeting, "Thomasina Manes"))
            following.assert_never_back()


async def test_a_change_of_any_document_reaches_the_view(room: Room) -> None:
    """Whatever the view read: a user's name, the location's address; written past GraphQL, by anybody."""
    async with room.following() as following:
        assert is_here(await following.next(), "Joshua Pendergrast")
        async with room.documents():
            joshua = await User.get("joshua")
            assert joshua is not None
            joshua.last_name = "Pendergrass"
            await joshua.save()
        await following.until(lambda meeting: is_here(meeting, "Joshua Pendergrass"))
        async with room.documents():
            location = await Location.get("gilman_drive_9500")
            assert location is not None
            location.address = "Price Center, La Jolla, CA"
            await location.save()
        await following.until(lambda meeting: meeting is not None and meeting["address"] == "Price Center, La Jolla, CA")
        following.assert_never_back()


async def test_somebody_who_registers_is_here(room: Room) -> None:
    async with room.following() as following:
        await following.next()
        names = {"first": " Marlee ", "last": "Beverly", "organization": "CSULB"}
        meeting = (await room.data(REGISTER, {**names, "aid": True, "attending": True}))["register"]
        assert meeting["numHearingAidRequested"] == 3
        assert {"name": "Marlee Beverly", "organization": "CSULB", "hearingAidRequested": True} in meeting["attending"]
        await following.until(lambda seen: is_here(seen, "Marlee Beverly"))


async def test_somebody_may_register_ahead_and_check_in_later(room: Room) -> None:
    names = {"first": "Marlee", "last": "Beverly", "organization": "CSULB"}
    meeting = (await room.data(REGISTER, {**names, "aid": False, "attending": False}))["register"]
    [marlee] = [person for person in meeting["participants"] if person["name"] == "Marlee Beverly"]
    assert not marlee["attending"]
    assert len(meeting["attending"]) == 3

    async with room.following() as following:
        await following.next()
        ticket = f"meeting_1-{marlee['userId']}"
        await room.data("mutation ($id: ID!) { ticketCheckIn(id: $id) { __typename } }", {"id": ticket})
        await following.until(lambda seen: is_here(seen, "Marlee Beverly"))


@pytest.mark.parametrize(("wrong", "field"), [({"first": "  "}, "firstName"), ({"organization": "x" * 101}, "organization")])
async def test_a_registration_that_is_wrong_is_refused(room: Room, wrong: dict[str, str], field: str) -> None:
    names = {"first": "Marlee", "last": "Beverly", "organization": "CSULB", "aid": False, "attending": True}
    error = await room.error(REGISTER, {**names, **wrong})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert field in error["message"]
    assert len((await room.meeting())["participants"]) == 3


async def test_many_who_register_at_once_are_all_here(room: Room) -> None:
    async def register(number: int) -> None:
        names = {"first": f"Visitor {number:02}", "last": "Of Many", "organization": "CSULB"}
        await room.data(REGISTER, {**names, "aid": False, "attending": True})

    async with room.following() as following:
        await asyncio.gather(*(register(number) for number in range(12)))
        seen = await following.until(lambda meeting: meeting is not None and len(meeting["attending"]) == 15)
        assert seen == await room.meeting()
        following.assert_never_back()


async def test_a_meeting_is_closed_and_opened(room: Room) -> None:
    close = 'mutation { meetingClose(id: "meeting_1") { inSession } }'
    open = 'mutation { meetingOpen(id: "meeting_1") { inSession } }'
    async with room.following() as following:
        await following.next()
        assert await room.data(close) == {"meetingClose": {"inSession": False}}
        await following.until(lambda meeting: meeting is not None and not meeting["inSession"])

        error = await room.error(close)
        assert error["extensions"]["code"] == "MEETING_NOT_OPEN"
        assert error["message"] == "meeting meeting_1 is not in session"

        assert await room.data(open) == {"meetingOpen": {"inSession": True}}
        await following.until(lambda meeting: meeting is not None and meeting["inSession"])
        assert (await room.error(open))["extensions"]["code"] == "MEETING_ALREADY_OPEN"


async def test_nobody_checks_in_to_a_meeting_that_is_over(room: Room) -> None:
    await room.data('mutation { meetingClose(id: "meeting_1") { id } }')
    error = await room.error('mutation { ticketCheckIn(id: "meeting_1-joshua") { __typename } }')
    assert error["extensions"]["code"] == "MEETING_CLOSED"


async def test_a_view_is_written_through_its_setters(room: Room) -> None:
    """The setter changes the document that the field is read from; setting what is so already is no error."""
    update = """
    mutation ($value: Boolean!) { updateMeetingSession(id: "meeting_1", input: {inSession: $value}) { inSession } }
    """
    for value in (False, False, True):
        assert await room.data(update, {"value": value}) == {"updateMeetingSession": {"inSession": value}}

    async with room.following() as following:
        await following.next()
        update = 'mutation { updateUserView(id: "thomasina", input: {hearingAidRequested: true}) { hearingAidRequested } }'
        assert await room.data(update) == {"updateUserView": {"hearingAidRequested": True}}
        await following.until(lambda meeting: meeting is not None and meeting["numHearingAidRequested"] == 3)


async def test_somebody_who_is_deleted_gives_back_their_tickets(room: Room) -> None:
    """The mediator reacts to the deletion; the view follows both."""
    mediation, datastore = room.runtime.mediation, room.runtime.datastore
    assert mediation is not None
    await mediation.wait_for(await datastore.ping())
    async with room.following() as following, room.documents():
        await following.next()
        tijuana = await User.get("tijuana")
        assert tijuana is not None
        await tijuana.delete()
        seen = await following.until(lambda meeting: not is_here(meeting, "Tijuana Furlong"))
        assert seen is not None
        assert len(seen["participants"]) == 2
        await mediation.wait_for(await datastore.ping())
        assert await Ticket.get("meeting_1-tijuana") is None


async def test_a_meeting_that_is_deleted_is_null_to_those_who_look(room: Room) -> None:
    async with room.following() as following:
        assert await following.next() is not None
        async with room.documents():
            meeting = await Meeting.get("meeting_1")
            assert meeting is not None
            await meeting.delete()
        assert await following.until(lambda seen: seen is None) is None
    assert await room.meeting() is None


async def test_seeding_again_changes_nothing_that_is_there(room: Room) -> None:
    changed = await room.set_attendance("joshua", False)
    async with room.documents():
        await seed()
    assert await room.meeting() == changed


async def test_the_page_is_served_beside_graphql(room: Room) -> None:
    for path in ("/", "/plain"):
        served = await room.http.get(path)
        assert served.status_code == 200
        assert served.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in served.headers["content-security-policy"]
    assert (await room.http.get("/assets/plain.js")).headers["content-type"].startswith("text/javascript")
    for path in ("/assets/nothing.js", "/assets/..%2Findex.html", "/assets/%2e%2e%2f%2e%2e%2fpackage.json", "/src/main.tsx"):
        assert (await room.http.get(path)).status_code == 404


async def test_where_the_page_was_not_built_the_plain_one_is_served(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Node there is a page too, and it says what it is; once the other one is built, it takes its place."""
    monkeypatch.setattr(page, "BUILT", tmp_path)
    assert "This is the plain page" in (await room.http.get("/")).text

    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-abc.js").write_text("export {};")
    (tmp_path / "index.html").write_text("the built one")
    assert (await room.http.get("/")).text == "the built one"
    assert "immutable" in (await room.http.get("/assets/index-abc.js")).headers["cache-control"]
    assert (await room.http.get("/assets/plain.css")).headers["cache-control"] == "no-cache"


def test_the_schema_is_what_clients_rely_on() -> None:
    def signature(kind: str, name: str) -> str:
        owner = app.schema.type_map[kind]
        assert isinstance(owner, GraphQLObjectType)
        field = owner.fields[name]
        arguments = ", ".join(f"{argument}: {of.type}" for argument, of in field.args.items())
        return f"{name}({arguments}): {field.type}" if arguments else f"{name}: {field.type}"

    assert signature("Query", "meetingSession") == "meetingSession(id: ID!): MeetingSession"
    assert signature("Subscription", "meetingSession") == "meetingSession(id: ID!): MeetingSession"
    assert signature("Mutation", "setAttendance") == (
        "setAttendance(meetingId: ID!, userId: ID!, attending: Boolean!): MeetingSession!"
    )
    assert signature("Mutation", "meetingClose") == "meetingClose(id: ID!): MeetingSession!"
    assert signature("MeetingSession", "attending") == "attending: [Attendee!]!"
    assert signature("MeetingSession", "numHearingAidRequested") == "numHearingAidRequested: Int!"
    assert app.schema.type_map["MeetingSession"].description == "A meeting as its participants see it."
