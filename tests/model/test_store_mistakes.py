# mypy: ignore-errors
"""Every mistake in a Store fails where it is declared, and says the class, the field and the remedy."""

from __future__ import annotations

from typing import Any

from bff.model.field import field
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from tests.model.meeting_room import Location, Meeting, MeetingSession, Ticket, User
from tests.model.mistakes import Declare, Mistakes, refused

mistake = Mistakes()


@mistake("Empty: it reads nothing; give it a root, e.g. meeting = reference(Meeting)")
def empty_store() -> Any:
    class Empty(Store):
        pass


@mistake("MeetingStore: no reference is a root, so that views have no key; add one")
def store_without_root() -> Any:
    class MeetingStore(Store):
        tickets = reference(Ticket, where=lambda s: Ticket.attendance == True, many=True)  # noqa: E712


@mistake("MeetingStore.tickets: Ticket has no field 'meting'; it has id, meeting")
def store_that_names_a_field_that_is_not_there() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, where=lambda s: Ticket.where(meting=s.meeting.ref), many=True)


@mistake("MeetingStore.tickets: Ticket has no document field 'meting'")
def store_that_orders_by_a_field_that_is_not_there() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, where=lambda s: Ticket.where(meeting=s.meeting.ref).order_by("meting"), many=True)


@mistake("MeetingStore.tickets: Ticket has no field 'meting'")
def store_that_compares_an_attribute_that_is_not_there() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, where=lambda s: Ticket.meting == s.meeting.ref, many=True)


@mistake("MeetingStore.meeting: an annotation alone reads nothing; write meeting = reference(…)")
def store_with_an_annotation() -> Any:
    class MeetingStore(Store):
        meeting: Meeting


@mistake("MeetingStore.location: of= gives a Ref and where= a query; keep one of them")
def store_with_of_and_where() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        location = reference(Location, of=lambda s: s.meeting.location, where=lambda s: Location.address == "")


@mistake("MeetingStore.meetings: many=True needs of= or where=")
def store_with_many_roots() -> Any:
    class MeetingStore(Store):
        meetings = reference(Meeting, many=True)


@mistake("): reference a DomainModel")
def store_of_no_documents() -> Any:
    class MeetingStore(Store):
        meeting = reference(MeetingSession)


@mistake("MeetingStore: a Store knows no depth=; it knows max_depth=")
def store_with_an_unknown_keyword() -> Any:
    class MeetingStore(Store, depth=3):
        meeting = reference(Meeting)


@mistake("MeetingStore.location: of= takes a function of the store")
def store_of_a_value() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        location = reference(Location, of="meeting.location")


@mistake("MeetingStore.location: the function of of= takes one argument, the store: lambda s: …")
def store_of_a_function_of_two() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        location = reference(Location, of=lambda s, t: s.meeting.location)


@mistake("MeetingStore.location: MeetingStore has no reference 'meting'; it has meeting, location")
def store_that_reads_what_is_not_there() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        location = reference(Location, of=lambda s: s.meting.location)


@mistake("MeetingStore.location: Meeting has no 'place'; it has id, location, status")
def store_that_reads_what_the_model_has_not() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        location = reference(Location, of=lambda s: s.meeting.place)


@mistake("MeetingStore.a: it depends on itself (a → b → a); let one of them read something else")
def store_with_a_cycle() -> Any:
    class MeetingStore(Store):
        root = reference(Meeting)
        a = reference(Meeting, of=lambda s: s.b.ref)
        b = reference(Meeting, of=lambda s: s.a.ref)


@mistake("MeetingStore.a: it depends on itself (a → a)")
def store_that_reads_itself() -> Any:
    class MeetingStore(Store):
        root = reference(Meeting)
        a = reference(Meeting, of=lambda s: s.a.ref)


@mistake("MeetingStore.tickets: of= gives Refs, not a query; write where=")
def store_with_a_query_as_of() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, of=lambda s: Ticket.meeting == s.meeting.ref, many=True)


@mistake("MeetingStore.tickets: where= gives a condition or a Find, not ")
def store_with_a_ref_as_where() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, where=lambda s: True, many=True)


@mistake("MeetingStore.tickets: it reads Ticket, and its where= asks Meeting; name one model")
def store_with_a_condition_on_another_model() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, where=lambda s: Meeting.location == s.meeting.location, many=True)


@mistake("MeetingStore.users: of= gives a list; write many=True")
def store_with_many_for_one() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        tickets = reference(Ticket, where=lambda s: Ticket.meeting == s.meeting.ref, many=True)
        users = reference(User, of=lambda s: [t.user for t in s.tickets])


@mistake("MeetingStore.users: with many=True, of= gives a list of Refs")
def store_with_one_for_many() -> Any:
    class MeetingStore(Store):
        meeting = reference(Meeting)
        users = reference(User, of=lambda s: User.ref("a"), many=True)


class Deep(Store):
    a = reference(Meeting)
    b = reference(Meeting, of=lambda s: s.a.ref)
    c = reference(Meeting, of=lambda s: s.b.ref)
    d = reference(Meeting, of=lambda s: s.c.ref)
    e = reference(Meeting, of=lambda s: s.d.ref)


@mistake(
    "Deep.e: it is on level 5, and Shown allows 4: each level is one more read after the other; store a Ref nearer to the root"
)
def store_that_is_too_deep() -> Any:
    class Shown(ViewModel):
        store: Deep

        @field
        def name(self) -> str:
            return ""


def test_the_depth_can_be_raised_on_the_view_and_on_the_store() -> None:
    class Shown(ViewModel, max_depth=5):
        store: Deep

        @field
        def name(self) -> str:
            return ""

    class Deeper(Deep, max_depth=6):
        f = reference(Meeting, of=lambda s: s.e.ref)

    class ShownToo(ViewModel):
        store: Deeper

        @field
        def name(self) -> str:
            return ""

    assert (Shown.__view__.max_depth, ShownToo.__view__.max_depth, Deeper.__store__.depth) == (5, 6, 6)


@mistake.each
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Declare, message: str) -> None:
    refused(declare, message)
