# mypy: ignore-errors
"""Every mistake in a declaration fails where it is declared, and says the class, the field and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import Field

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from bff.model.naming import Naming
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from tests.model.meeting_room import Location, Meeting, MeetingRoom, MeetingSession, MeetingSessionStore, Ticket, User, UserView

T = TypeVar("T")

MISTAKES: list[tuple[Callable[[], Any], str]] = []


def mistake(message: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def add(declare: Callable[[], Any]) -> Callable[[], Any]:
        MISTAKES.append((declare, message))
        return declare

    return add


# --- DomainModel ---


@mistake('City: a DomainModel needs a collection, e.g. class City(DomainModel, collection="citys")')
def missing_collection() -> Any:
    class City(DomainModel):
        name: str


@mistake("City: collection='a/b' is the path of a document")
def collection_that_is_a_document() -> Any:
    class City(DomainModel, collection="a/b"):
        name: str


@mistake("City: collection='a//b' is no path of a collection; choose a plain word")
def collection_that_is_no_path() -> Any:
    class City(DomainModel, collection="a//b"):
        name: str


@mistake("City: collection='_bff_views': collections that begin with _bff are bff's own; rename it")
def collection_that_is_reserved() -> Any:
    class City(DomainModel, collection="_bff_views"):
        name: str


@mistake('City: collection=3 is no str, e.g. collection="users"')
def collection_that_is_no_text() -> Any:
    class City(DomainModel, collection=3):
        name: str


@mistake("Symposium: it shares the collection 'meetings' with Meeting; remove collection=")
def subclass_with_another_collection() -> Any:
    class Symposium(Meeting, collection="symposia"):
        topic: str


@mistake("Symposium: it shares the naming of Meeting; remove naming=")
def subclass_with_another_naming() -> Any:
    class Symposium(Meeting, naming="snake"):
        topic: str


@mistake("Both: its parents are documents of two collections, meetings and users; keep one of them")
def parents_of_two_collections() -> Any:
    class Both(Meeting, User):
        pass


@mistake('City: naming=\'kebab\' is none of "camel", "snake" and Naming(name, to_document, to_python)')
def naming_that_is_none() -> Any:
    class City(DomainModel, collection="cities", naming="kebab"):
        name: str


@mistake("City.line_2: 'line_2' becomes 'line2' in documents, which reads back as 'line2'; rename it 'line2', or choose another")
def name_that_does_not_convert_back() -> Any:
    class City(DomainModel, collection="cities"):
        line_2: str


@mistake("City.line_2: 'line_2' becomes 'line2' in documents, which reads back as 'line2'")
def two_fields_of_one_document_name() -> Any:
    class City(DomainModel, collection="cities"):
        line2: str
        line_2: str


@mistake(
    "City.name: 'name' becomes 'x' in documents, which reads back as 'y'; rename it 'y', or choose another naming= for the model"
)
def naming_that_does_not_convert_back() -> Any:
    class City(DomainModel, collection="cities", naming=Naming("bad", lambda name: "x", lambda name: "y")):
        name: str


@mistake("City.population: a field needs an annotation, e.g. population: int = …")
def field_without_annotation() -> Any:
    class City(DomainModel, collection="cities"):
        name: str
        population = 3


@mistake("City.tags: set[str] cannot be stored; use list[…]")
def field_of_an_unsupported_type() -> Any:
    class City(DomainModel, collection="cities"):
        tags: set[str]


class Plain:
    pass


@mistake("City.thing: Plain cannot be stored; there are: str, int, float, bool")
def field_of_a_plain_class() -> Any:
    class City(DomainModel, collection="cities"):
        thing: Plain


@mistake("City.mayor: a DomainModel is a document of its own; store a Ref[User]")
def field_of_another_document() -> Any:
    class City(DomainModel, collection="cities"):
        mayor: User


@mistake("City.view: a ViewModel is what clients read, and is not stored in a domain document")
def field_of_a_view() -> Any:
    class City(DomainModel, collection="cities"):
        view: UserView


@mistake("City.key: int | str cannot be told apart when stored; make each a pydantic model, or use one type")
def field_of_an_ambiguous_union() -> Any:
    class City(DomainModel, collection="cities"):
        key: int | str


@mistake("City.id: every document has an id, a str; remove the annotation")
def own_id() -> Any:
    class City(DomainModel, collection="cities"):
        id: str


@pytest.mark.parametrize("name", ["path", "ref", "where", "get", "save", "all", "limit", "copy", "json", "is_new", "_stored"])
def test_a_field_that_hides_what_every_model_has_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"City.{name}: '{name}' is a name of DomainModel's own; rename the field"):
        type(DomainModel)("City", (DomainModel,), {"__annotations__": {name: str}, "__module__": __name__}, collection="cities")


@mistake("City.obj_type: no document field can be named 'objType'; rename it")
def reserved_document_name() -> Any:
    class City(DomainModel, collection="cities"):
        obj_type: str


@mistake("City.name: an alias names nothing here; choose naming= for the model, or rename the field")
def field_with_an_alias() -> Any:
    class City(DomainModel, collection="cities"):
        name: str = Field(alias="n")


@mistake("City.name: every field is stored; make it a PrivateAttr instead of exclude=True")
def field_that_is_excluded() -> Any:
    class City(DomainModel, collection="cities"):
        name: str = Field(exclude=True)


@mistake("Box: a DomainModel cannot be generic; declare a class for each type")
def generic_model() -> Any:
    class Box(DomainModel, Generic[T], collection="boxes"):
        content: T


@mistake("Ticket.user: a Ref names the DomainModel that it points to, e.g. Ref[User]")
def ref_to_nothing() -> Any:
    class Ticket(DomainModel, collection="tickets"):
        user: Ref


@mistake("City: 'City' uses the name 'Nowhere', which is not defined; import it, spell it as its class is")
def name_that_stays_unknown() -> Any:
    class City(DomainModel, collection="cities"):
        mayor: Ref[Nowhere]  # noqa: F821

    return City.__document__


@mistake("DomainModel: it has no documents; subclass it, with collection=")
def no_model_at_all() -> Any:
    return DomainModel.__document__


# --- Mutations ---


@mistake("Meeting.close: the parameter 'when' needs an annotation, e.g. when: str")
def parameter_without_annotation() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when) -> None: ...


@mistake("Meeting.close: *names cannot become GraphQL arguments; name each parameter")
def parameters_of_any_number() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, *names: str) -> None: ...


@mistake("Meeting.close: **names cannot become GraphQL arguments; name each parameter")
def parameters_of_any_name() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, **names: str) -> None: ...


@mistake("Meeting.close: when is passed by name; remove the / from the parameters")
def parameter_by_position() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when: str, /) -> None: ...


@mistake("Meeting.close: a @mutation is a method; take self")
def mutation_without_self() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close() -> None: ...


@mistake("Meeting.close: a @mutation is a method or a classmethod; take self, or cls and @classmethod")
def static_mutation() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @staticmethod
        @mutation
        def close(when: int) -> None: ...

    return Meeting.__document__.mutations


@mistake("@mutation is for methods: put it on a def")
def mutation_on_a_property() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        @property
        def close(self) -> None: ...


@mistake("Meeting.close(tags): set[str] cannot be stored; use list[…]")
def parameter_of_an_unsupported_type() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, tags: set[str]) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(view): clients cannot give a UserView; take its id as a str, or a DomainModel")
def parameter_that_is_a_view() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, view: UserView) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: the argument id is the document's own; rename the parameter")
def parameter_named_id() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, id: str) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: two parameters become the argument 'userId'; rename one")
def parameters_of_one_name() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, user: User, user_id: str) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(_why): '_why' begins with an underscore")
def private_parameter() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, _why: str) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(__why): names that begin with two underscores are reserved by GraphQL")
def parameter_reserved_by_graphql() -> Any:
    namespace: dict[str, Any] = {}
    exec("def close(self, __why: str) -> None: ...", namespace)
    close = mutation(namespace["close"])
    close.__module__ = __name__
    meeting: Any = type(DomainModel)("Meeting", (DomainModel,), {"close": close, "__module__": __name__}, collection="meetings")
    return meeting.__document__.mutations


@mistake("Meeting.close(when): the default is not of its type: expected int, got str 'now'")
def default_of_another_type() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when: int = "now") -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(when): the default is None, which the annotation does not allow; annotate … | None")
def default_that_is_none() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when: int = None) -> None: ...  # noqa: RUF013

    return Meeting.__document__.mutations


@mistake("Meeting.owner: clients never see a User as it is; return a ViewModel")
def mutation_that_returns_a_document() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def owner(self) -> User: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: 'Sesion' uses the name 'Sesion', which is not defined")
def mutation_that_returns_what_is_unknown() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation(returns="Sesion")
        def close(self) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: 'close!' is no GraphQL name")
def mutation_with_a_name_that_is_none() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation(name="close!")
        def close(self) -> None: ...

    return Meeting.__document__.mutations


@mistake(
    "Talk.close: it overrides the mutation meetingClose of Meeting with other parameters; keep them, or call the method otherwise"
)
def override_with_other_parameters() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self) -> None: ...

    class Talk(Meeting):
        @mutation
        def close(self, when: int) -> None: ...

    return Talk.__document__.mutations


@mistake("Meeting.end: close is called 'finish' too; give one a name=")
def two_mutations_of_one_name() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation(name="finish")
        def close(self) -> None: ...

        @mutation(name="finish")
        def end(self) -> None: ...

    return Meeting.__document__.mutations


# --- Store ---


@mistake("Empty: it reads nothing; give it a root, e.g. meeting = reference(Meeting)")
def empty_store() -> Any:
    class Empty(Store):
        pass


@mistake("MeetingStore: no reference is a root, so that views have no key; add one")
def store_without_root() -> Any:
    class MeetingStore(Store):
        tickets = reference(Ticket, where=lambda s: Ticket.attendance == True, many=True)  # noqa: E712


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


# --- ViewModel ---


@mistake("MeetingView: it needs a store, e.g. store: MeetingStore")
def view_without_a_store() -> Any:
    class MeetingView(ViewModel):
        @field
        def name(self) -> str:
            return ""


@mistake("MeetingView: it has no fields; write @field over a method, e.g. def address(self) -> str")
def view_without_fields() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore


@mistake("MeetingView.store: <class 'int'> is no Store; annotate a subclass of it, e.g. store: MeetingStore")
def view_with_a_store_that_is_none() -> Any:
    class MeetingView(ViewModel):
        store: int

        @field
        def name(self) -> str:
            return ""


@mistake("MeetingView.name: a @field needs a return annotation, e.g. -> str")
def getter_without_annotation() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self):
            return ""


@mistake("MeetingView.name: a getter cannot be async: its documents are loaded already; remove async, and read self.store")
def async_getter() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        async def name(self) -> str:
            return ""


@mistake("MeetingView.names: a getter returns its value; return a list instead of yielding")
def generating_getter() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def names(self) -> list[str]:
            yield ""


@mistake("MeetingView.name: a getter takes self and nothing else")
def getter_with_parameters() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self, language: str) -> str:
            return ""


@mistake("MeetingView.name: @field goes over a def")
def field_over_a_property() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        @staticmethod
        def name() -> str:
            return ""


@mistake("'filterable': @field is for methods; its options have names: @field(filterable=True)")
def field_with_a_positional_option() -> Any:
    field("filterable")


@mistake("MeetingView.name: it returns None, which tells nobody anything")
def getter_that_returns_none() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> None: ...


@mistake("MeetingView.tags: set[str] cannot be stored; use list[…]")
def getter_of_an_unsupported_type() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def tags(self) -> set[str]:
            return set()


@mistake("MeetingView.meeting: a DomainModel is a document of its own; give clients a pydantic model, or a ViewModel")
def getter_of_a_document() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def meeting(self) -> Meeting:
            return self.store.meeting


@mistake("MeetingView.name: the fields of a view are getters; write @field over def name(self) -> …")
def field_without_a_getter() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore
        name: str

        @field
        def other(self) -> str:
            return ""


@pytest.mark.parametrize("name", ["id", "version", "store", "of", "split_key"])
def test_a_field_that_hides_what_every_view_has_is_refused(name: str) -> None:
    def getter(self: Any) -> str:
        return ""

    namespace = {
        "__annotations__": {} if name == "store" else {"store": MeetingSessionStore},
        name: field(getter),
        "__module__": __name__,
    }
    with pytest.raises(DeclarationError, match=f"MeetingView.{name}: '{name}' is a name of ViewModel's own; rename the field"):
        type("MeetingView", (ViewModel,), namespace)


@mistake("MeetingView._name: '_name' begins with an underscore, which is for what clients cannot see; rename it")
def private_field() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def _name(self) -> str:
            return ""


@mistake("MeetingView.__name: names that begin with two underscores are reserved by GraphQL")
def field_reserved_by_graphql() -> Any:
    def getter(self: Any) -> str:
        return ""

    type(
        "MeetingView",
        (ViewModel,),
        {"__annotations__": {"store": MeetingSessionStore}, "__name": field(getter), "__module__": __name__},
    )


@mistake("MeetingView.line_2: 'line_2' becomes 'line2' in documents, which reads back as 'line2'")
def view_name_that_does_not_convert_back() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def line_2(self) -> str:
            return ""


@mistake("MeetingView.größe: 'größe' is no GraphQL name")
def field_that_graphql_cannot_name() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def größe(self) -> int:
            return 0


@mistake("MeetingView.name: the setter's parameter needs an annotation, e.g. value: str")
def setter_without_annotation() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> str:
            return ""

        @name.setter
        def set_name(self, value) -> None: ...


@mistake("MeetingView.name: a setter takes self and the value: def set_…(self, value: bool) -> None")
def setter_without_value() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> str:
            return ""

        @name.setter
        def set_name(self) -> None: ...


@mistake("MeetingView.name: a setter cannot be async: it changes what is loaded; remove async")
def async_setter() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> str:
            return ""

        @name.setter
        async def set_name(self, value: str) -> None: ...


@mistake("MeetingView.user: clients cannot give a view; let the setter take an id, a str")
def setter_of_a_view() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def user(self) -> UserView:
            return UserView.of("a")

        @user.setter
        def set_user(self, value: UserView) -> None: ...


@mistake("MeetingView.attending: only single values, lists of them, and links can be filtered by; remove filterable=True")
def field_that_cannot_be_filtered_by() -> Any:
    from tests.model.meeting_room import Attendee

    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field(filterable=True)
        def attending(self) -> Attendee: ...

    return MeetingView.__view__.fields


@mistake("MeetingView: a ViewModel knows no depth=; it knows collection=, name=, max_depth=, max_documents=, max_age=")
def view_with_an_unknown_keyword() -> Any:
    class MeetingView(ViewModel, depth=3):
        pass


@mistake("MeetingView: max_depth=0 allows nothing; give a number above 0")
def view_without_depth() -> Any:
    class MeetingView(ViewModel, max_depth=0):
        pass


@mistake("MeetingView: collection='_bff_x': collections that begin with _bff are bff's own; rename it")
def view_in_a_reserved_collection() -> Any:
    class MeetingView(ViewModel, collection="_bff_x"):
        pass


@mistake("MeetingView: collection='a/b': 'a/b' is not a document id")
def view_in_no_collection() -> Any:
    class MeetingView(ViewModel, collection="a/b"):
        pass


@mistake("MeetingView: 'Meeting View' is no GraphQL name")
def view_with_a_name_that_is_none() -> Any:
    class MeetingView(ViewModel, name="Meeting View"):
        pass


@mistake("MeetingView: 'Sesion' uses the name 'Sesion', which is not defined")
def view_of_a_name_that_stays_unknown() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> Sesion:  # noqa: F821
            return ""

    return MeetingView.__view__.fields


# --- Mediator ---


@mistake("Room: a Mediator knows no name=; remove it")
def mediator_with_a_keyword() -> Any:
    class Room(Mediator, name="x"):
        pass


@mistake("Room: a Mediator is made without arguments; let __init__ take self only")
def mediator_with_arguments() -> Any:
    class Room(Mediator):
        def __init__(self, size: int) -> None: ...


@mistake("Room.tickets: source(<class 'int'>): name a DomainModel")
def source_of_no_documents() -> Any:
    class Room(Mediator):
        tickets = source(int)


@mistake("Room.badges: sink(<class 'int'>): name a DomainModel")
def sink_of_no_documents() -> Any:
    class Room(Mediator):
        badges = sink(int)


@mistake("Room.tickets: nothing reacts to it; write @tickets.on_change over a method, or remove it")
def source_without_triggers() -> Any:
    class Room(Mediator):
        tickets = source(Ticket)


@mistake("Room.greet: a trigger takes self and the document: def …(self, ticket: Ticket) -> None")
def trigger_without_a_document() -> Any:
    class Room(Mediator):
        tickets = source(Ticket)

        @tickets.on_create
        def greet(self) -> None: ...


@mistake("on_create is for methods: put it on a def")
def trigger_on_no_method() -> Any:
    class Room(Mediator):
        tickets = source(Ticket)
        greet = tickets.on_create(3)


@mistake("Room.greet: its source is not in this class; write tickets = source(Ticket) in it")
def trigger_of_another_source() -> Any:
    elsewhere = source(Ticket)

    class Room(Mediator):
        @elsewhere.on_create
        def greet(self, ticket: Ticket) -> None: ...


@mistake("Room.enter: a @mutation of a Mediator is a method; take self")
def classmethod_of_a_mediator() -> Any:
    class Room(Mediator):
        @classmethod
        @mutation
        def enter(cls) -> None: ...

    return Room.__mediator__.mutations


# --- Catalog ---


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


@mistake("Invitation.accept: UserView is not keyed by a Invitation, so nothing tells which one to answer with")
def catalog_of_a_mutation_whose_view_has_another_root() -> Any:
    class Invitation(DomainModel, collection="invitations"):
        user: Ref[User]

        @mutation(returns=UserView)
        def accept(self) -> None: ...

    Catalog.of([UserView], models=[Invitation])


def test_annotated_parameters_are_described() -> None:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, why: Annotated[str, Field(description="the reason")] = "") -> None: ...

    [close] = Meeting.__document__.mutations
    assert close.parameters[0].description == "the reason"


# --- All of them ---


@pytest.mark.parametrize(("declare", "message"), MISTAKES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert message in str(caught.value)
