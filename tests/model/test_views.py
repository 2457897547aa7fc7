"""Views: what they declare, how their fields are evaluated, how they are written through."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import pytest

from bff.errors import BadUserInput, BuildError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.evaluation import evaluate, open_for_writing
from bff.model.field import field
from bff.model.store import NotLoaded, Store, reference
from bff.model.view_model import ViewModel
from tests.model.meeting_room import (
    Location,
    Meeting,
    MeetingRoom,
    MeetingSession,
    MeetingSessionStore,
    MeetingStatus,
    Ticket,
    User,
    UserView,
)


def loaded(attending: bool = True) -> MeetingSessionStore:
    user = User(id="tijuana", first_name="Tijuana", last_name="Furlong", organization="UCSD", hearing_aid_requested=True)
    return MeetingSessionStore(
        {
            "meeting": Meeting(id="m1", location=Location.ref("l1"), status=MeetingStatus.IN_SESSION),
            "location": Location(id="l1", address="9500 Gilman Drive"),
            "tickets": [Ticket(id="t1", meeting=Meeting.ref("m1"), user=user.ref, attendance=attending)],
            "users": [user],
        }
    )


def test_a_view_says_what_it_is_called() -> None:
    view = MeetingSession.__view__
    assert (view.name, view.collection, view.description) == (
        "MeetingSession",
        "MeetingSession",
        "A meeting as its participants see it.",
    )
    assert (view.query_name, view.list_name, view.update_name, view.input_name) == (
        "meetingSession",
        "meetingSessions",
        "updateMeetingSession",
        "MeetingSessionInput",
    )
    assert (view.max_depth, view.max_documents, view.has_setters) == (4, 100, True)
    assert UserView.__view__.collection == "userViews"
    assert not UserView.__view__.has_setters


def test_a_view_says_what_its_fields_are() -> None:
    fields = MeetingSession.__view__.fields
    assert list(fields) == ["address", "attending", "num_hearing_aid_requested", "in_session", "people"]
    assert fields["num_hearing_aid_requested"].document_name == "numHearingAidRequested"
    assert fields["in_session"].filterable
    assert fields["in_session"].setter_annotation is bool
    assert fields["attending"].description == "Who is here."
    assert fields["people"].deprecated == "use users"
    link = fields["people"].link
    assert link is not None
    assert (link.view, link.many) == (UserView, True)


def test_a_store_says_what_it_reads_and_how_deep() -> None:
    store = MeetingSessionStore.__store__
    assert [(r.name, r.model, r.many, r.level, r.is_root) for r in store.references] == [
        ("meeting", Meeting, False, 1, True),
        ("location", Location, False, 2, False),
        ("tickets", Ticket, True, 2, False),
        ("users", User, True, 3, False),
    ]
    assert (store.depth, [root.name for root in store.roots]) == (3, ["meeting"])


def test_reading_what_is_not_loaded_says_so() -> None:
    read: list[str] = []
    store = MeetingSessionStore({"meeting": Meeting(id="m1", location=Location.ref("l1"))}, read.append)
    assert store.meeting.id == "m1"
    with pytest.raises(NotLoaded, match=r"MeetingSessionStore.tickets is not loaded"):
        _ = store.tickets
    assert read == ["meeting", "tickets"]


def test_fields_are_evaluated_and_say_what_they_read() -> None:
    results = evaluate(MeetingSession, "m1", loaded())
    assert {name: result.value for name, result in results.items()} == {
        "address": "9500 Gilman Drive",
        "attending": [{"name": "Tijuana Furlong", "organization": "UCSD", "hearingAidRequested": True}],
        "num_hearing_aid_requested": 1,
        "in_session": True,
        "people": ["tijuana"],
    }
    assert results["address"].reads == {"location"}
    assert results["num_hearing_aid_requested"].reads == {"tickets", "users"}
    assert results["in_session"].reads == {"meeting"}


def test_a_getter_is_called_once_whoever_uses_it() -> None:
    calls: list[str] = []

    class UserStore(Store):
        user = reference(User)

    class Counted(ViewModel):
        store: UserStore

        @field
        def first(self) -> int:
            return self.second + self.third + self.second

        @field
        def second(self) -> int:
            calls.append("second")
            return self.third + len(self.store.user.first_name)

        @field
        def third(self) -> int:
            calls.append("third")
            return 1

    user = User(id="u", first_name="Jo", last_name="", organization="")
    results = evaluate(Counted, "u", UserStore({"user": user}))
    assert calls == ["second", "third"]
    assert results["first"].value == 7
    assert results["first"].reads == {"user"}
    assert results["third"].reads == frozenset()


def test_a_field_that_is_reused_is_not_called() -> None:
    old = evaluate(MeetingSession, "m1", loaded())
    reuse = {"attending": (old["attending"].value, old["attending"].reads)}
    results = evaluate(MeetingSession, "m1", loaded(attending=False), reuse)
    assert results["attending"] == old["attending"]
    # What uses a reused field gets its value as it was, as a model.
    assert results["num_hearing_aid_requested"].value == 1
    assert results["num_hearing_aid_requested"].reads == {"tickets", "users"}


def test_a_getter_that_raises_is_named() -> None:
    store = loaded()
    broken = MeetingSessionStore({**store._values, "location": None})
    with pytest.raises(BuildError, match=r"MeetingSession.address raised AttributeError: 'NoneType'") as caught:
        evaluate(MeetingSession, "m1", broken)
    assert isinstance(caught.value.__cause__, AttributeError)


def test_a_value_of_another_type_is_refused_with_its_place() -> None:
    store = MeetingSessionStore({**loaded()._values, "location": Location.model_construct(id="l1", address=3)})
    with pytest.raises(BuildError, match=r"MeetingSession.address: expected str, got int 3"):
        evaluate(MeetingSession, "m1", store)


def test_fields_that_use_each_other_are_refused() -> None:
    class UserStore(Store):
        user = reference(User)

    class Circle(ViewModel):
        store: UserStore

        @field
        def a(self) -> int:
            return self.b

        @field
        def b(self) -> int:
            return self.a

    with pytest.raises(BuildError, match=r"Circle.a uses itself \(a → b → a\)"):
        evaluate(Circle, "u", UserStore({}))


def test_a_setter_writes_to_the_documents_and_fields_are_read_anew() -> None:
    store = loaded()
    session = open_for_writing(MeetingSession, "m1", store)
    assert session.in_session
    session.in_session = False  # type: ignore[method-assign, assignment]
    assert store.meeting.status is MeetingStatus.CLOSED
    assert not session.in_session
    assert session.id == "m1"


def test_assigning_what_does_not_fit_is_refused() -> None:
    session: Any = open_for_writing(MeetingSession, "m1", loaded())
    with pytest.raises(TypeError, match=r"MeetingSession.in_session: expected bool, got str 'no'"):
        session.in_session = "no"
    with pytest.raises(AttributeError, match=r"MeetingSession.address has no setter"):
        session.address = "elsewhere"


def test_a_setter_may_have_its_own_name() -> None:
    class UserStore(Store):
        user = reference(User)

    class Profile(ViewModel):
        store: UserStore

        @field
        def organization(self) -> str:
            return self.store.user.organization

        @organization.setter
        def set_organization(self, value: str) -> None:
            self.store.user.organization = value

    assert list(Profile.__view__.fields) == ["organization"]
    user = User(id="u", first_name="", last_name="", organization="UCSD")
    profile = open_for_writing(Profile, "u", UserStore({"user": user}))
    profile.organization = "SDSU"
    assert user.organization == "SDSU"


def test_a_subclass_of_a_view_has_its_fields_and_leaves_it_as_it_is() -> None:
    class Wider(MeetingSession):
        @field
        def topic(self) -> str:
            return "all"

        @MeetingSession.address.setter
        def address(self, value: str) -> None:
            self.store.location.address = value

    assert list(Wider.__view__.fields) == [*MeetingSession.__view__.fields, "topic"]
    assert Wider.__view__.fields["address"].setter is not None
    assert MeetingSession.__view__.fields["address"].setter is None


def test_views_are_pointed_to_by_their_roots() -> None:
    meeting = Meeting(id="m1", location=Location.ref("l1"))
    for root in (meeting, meeting.ref, "m1"):
        handle = MeetingSession.of(root)
        assert handle.id == "m1"
        assert handle == MeetingSession.of("m1")
    assert len({MeetingSession.of("m1"), MeetingSession.of("m1"), UserView.of("m1")}) == 2


def test_a_view_that_is_only_pointed_to_cannot_be_read() -> None:
    handle = MeetingSession.of("m1")
    with pytest.raises(BuildError, match=r"MeetingSession.address cannot be read here: MeetingSession\(m1\) only points"):
        _ = handle.address
    with pytest.raises(BuildError, match=r"MeetingSession.store cannot be read here"):
        _ = handle.store
    with pytest.raises(TypeError, match=r"MeetingSession.of"):
        MeetingSession()


def test_roots_that_are_not_the_views_are_refused() -> None:
    with pytest.raises(BadUserInput, match="meeting is a Meeting, and users/u is none"):
        MeetingSession.of(User.ref("u"))
    with pytest.raises(BadUserInput, match=r"takes 1 roots \(meeting\), not 2"):
        MeetingSession.of("a", "b")
    with pytest.raises(BadUserInput, match="is not a document id"):
        MeetingSession.of("a/b")


class PairStore(Store):
    user = reference(User)
    meeting = reference(Meeting)


class Pair(ViewModel):
    store: PairStore

    @field
    def name(self) -> str:
        return self.store.user.display_name


@pytest.mark.parametrize("ids", [("a", "b"), ("a:b", "c"), ("a", "%3A"), ("%", ":"), ("a%3Ab", "c")])
def test_keys_of_several_roots_come_apart_again(ids: tuple[str, str]) -> None:
    key = Pair.of(*ids).id
    assert Pair.split_key(key) == ids
    assert Pair.__view__.root_paths(key) == (f"users/{ids[0]}", f"meetings/{ids[1]}")


@pytest.mark.parametrize("key", ["a", "a:b:c", ":b", "a:", "a:%41", "a%:b", "", "a/b:c"])
def test_keys_that_are_none_are_refused(key: str) -> None:
    with pytest.raises(BadUserInput):
        Pair.split_key(key)


def test_the_definition_hash_differs_when_what_makes_the_view_differs() -> None:
    def view(bonus: int, deep: bool) -> str:
        class UserStore(Store):
            user = reference(User)
            again = reference(User, of=(lambda s: s.user.ref) if deep else (lambda s: None))

        class Shown(ViewModel):
            store: UserStore

            @field
            def size(self) -> int:
                return len(self.store.user.first_name) + bonus

        return Shown.__view__.definition_hash

    assert view(1, True) == view(1, True)
    assert len({view(1, True), view(2, True), view(1, False)}) == 3


def test_the_definition_hash_covers_the_models_that_are_read() -> None:
    def view(last: bool) -> str:
        if last:

            class Person(DomainModel, collection="people"):
                name: str

                @property
                def shown(self) -> str:
                    return self.name

        else:

            class Person(DomainModel, collection="people"):  # type: ignore[no-redef]
                name: str

                @property
                def shown(self) -> str:
                    return self.name.upper()

        class PersonStore(Store):
            person = reference(Person)

        class Shown(ViewModel):
            store: PersonStore

            @field
            def name(self) -> str:
                return self.store.person.shown

        return Shown.__view__.definition_hash

    assert view(True) != view(False)


def test_the_catalog_holds_everything_that_an_app_is_made_of() -> None:
    catalog = Catalog.of([MeetingSession, UserView], [MeetingRoom])
    assert list(catalog.views) == ["MeetingSession", "UserView"]
    assert set(catalog.models) == {"Meeting", "Location", "Ticket", "User", "Panel", "Badge"}
    assert set(catalog.mutations) == {"meetingClose", "ticketCheckIn", "setAttendance"}
    assert catalog.mutations["meetingClose"].returns is MeetingSession
    assert catalog.mutations["setAttendance"].returns is MeetingSession
    assert catalog.roots_of(Meeting) == (MeetingSession,)
    assert catalog.roots_of(catalog.models["Panel"]) == (MeetingSession,)
    assert catalog.roots_of(User) == (UserView,)
    assert catalog.roots_of(Ticket) == ()


@pytest.mark.parametrize("use", [evaluate, open_for_writing])
def test_what_a_view_was_made_of_is_gone_with_it_without_the_garbage_collector(use: Any) -> None:
    gc.disable()
    try:
        store = loaded()
        meeting = ref(store.meeting)
        made = use(MeetingSession, "m1", store)
        del store
        assert made
        assert (meeting() is None) is (use is evaluate)
        del made
        assert meeting() is None
    finally:
        gc.enable()
