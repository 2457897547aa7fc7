# mypy: ignore-errors
"""What an app cannot declare together is refused, and says the class, the field and the remedy."""

from __future__ import annotations

from typing import Any

from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.form import Form, entry
from bff.model.mediator import Mediator
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from tests.model.meeting_room import Meeting, MeetingRoom, MeetingSession, MeetingSessionStore, User, UserView
from tests.model.mistakes import Declare, Mistakes, refused

mistake = Mistakes()


def another_view(name: str, **keywords: Any) -> Any:
    def label(self: Any) -> str:
        return ""

    annotations = {"store": keywords.pop("store", MeetingSessionStore)}
    namespace = {"__annotations__": annotations, "label": field(label), "__module__": __name__, "__qualname__": name}
    return type(ViewModel)(name, (ViewModel,), namespace, **keywords)


@mistake("views=[…]: <class 'tests.model.meeting_room.Meeting'> is no ViewModel class")
def catalog_of_models() -> Any:
    Catalog.of([Meeting])


@mistake("views=[…]: UserView is in it twice; remove one")
def catalog_of_one_view_twice() -> Any:
    Catalog.of([UserView, UserView])


@mistake("UserView: two ViewModel classes have this name, tests.model.meeting_room.UserView and")
def catalog_of_two_views_of_one_name() -> Any:
    Catalog.of([UserView, another_view("UserView", collection="others")])


@mistake("Shows: its query 'shows' is that of Show too; rename the view, or give it name=")
def catalog_of_queries_of_one_name() -> Any:
    Catalog.of([another_view("Show"), another_view("Shows")])


@mistake("Node: its query 'node' is that of the query for any node too")
def catalog_with_a_reserved_query() -> Any:
    Catalog.of([another_view("Node")])


@mistake("Second: its collection 'same' is that of First too; give it another collection=")
def catalog_of_views_in_one_collection() -> Any:
    Catalog.of([another_view("First", collection="same"), another_view("Second", collection="same")])


@mistake("Mine: its collection 'meetings' is that of Meeting too; give it another collection=")
def catalog_of_a_view_among_documents() -> Any:
    Catalog.of([another_view("Mine", collection="meetings")])


@mistake("MeetingSession.people: it links to UserView, which is not among the views; add it: App(views=[…])")
def catalog_without_a_view_that_is_linked_to() -> Any:
    Catalog.of([MeetingSession])


@mistake("Meeting.close: it returns MeetingSession, which is not among the views; add it: App(views=[…])")
def catalog_without_a_view_that_is_returned() -> Any:
    Catalog.of([UserView], [MeetingRoom])


@mistake("the collection 'users' is that of User too; rename it, or make one a subclass of the other")
def catalog_of_two_models_in_one_collection() -> Any:
    class Visitor(DomainModel, collection="users"):
        name: str

    Catalog.of([UserView], models=[User, Visitor])


@mistake("User: two DomainModel classes have this name")
def catalog_of_two_models_of_one_name() -> Any:
    other: Any = type(DomainModel)("User", (DomainModel,), {"__module__": "elsewhere"}, collection="others")
    Catalog.of([UserView], models=[User, other])


@mistake("Room.close: Meeting.close is called 'meetingClose' too; give one a name=")
def catalog_of_two_mutations_of_one_name() -> Any:
    class Room(Mediator):
        @mutation(name="meetingClose")
        def close(self) -> None: ...

    Catalog.of([MeetingSession, UserView], [Room])


@mistake("Room.update: updateMeetingSession is what updates MeetingSession; give it a name=")
def catalog_of_a_mutation_that_updates_a_view() -> Any:
    class Room(Mediator):
        @mutation(name="updateMeetingSession")
        def update(self) -> None: ...

    Catalog.of([MeetingSession, UserView], [Room])


@mistake("Invitation.accept: UserView is not keyed by a Invitation, so nothing tells which UserView to answer with")
def catalog_of_a_mutation_whose_view_has_another_root() -> Any:
    class Invitation(DomainModel, collection="invitations"):
        user: Ref[User]

        @mutation(returns=UserView)
        def accept(self) -> None: ...

    Catalog.of([UserView], models=[Invitation])


@mistake("Guest.invite: it is of no document, so nothing tells which GuestView to answer with; return GuestView.of(…)")
def catalog_of_a_classmethod_that_says_not_which_view() -> Any:
    class Guest(DomainModel, collection="invited"):
        name: str

        @mutation(returns="GuestView")
        @classmethod
        async def invite(cls, name: str):
            return cls.new(name=name)

    class GuestStore(Store):
        guest = reference(Guest)

    class GuestView(ViewModel):
        store: GuestStore

        @field
        def name(self) -> str:
            return self.store.guest.name

    Catalog.of([GuestView])


@mistake(
    "CityForm: path='users/{user_id}/forms/{id}': a document of it can be one of NameForm, 'users/{uid}/forms/{id}'; change one"
)
def catalog_of_forms_of_one_path() -> Any:
    class NameForm(Form, path="users/{uid}/forms/{id}"):
        @entry
        def name(self, value: str) -> None: ...

    class CityForm(Form, path="users/{user_id}/forms/{id}"):
        @entry
        def city(self, value: str) -> None: ...

    Catalog.of([], forms=[NameForm, CityForm])


@mistake.each
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Declare, message: str) -> None:
    refused(declare, message)
