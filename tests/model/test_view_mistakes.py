# mypy: ignore-errors
"""Every mistake in a ViewModel fails where it is declared, and says the class, the field and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from bff.errors import DeclarationError
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.view_model import ViewModel
from tests.model.meeting_room import Meeting, MeetingSessionStore, UserView
from tests.model.mistakes import Declare, Mistakes, refused

mistake = Mistakes()


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


@mistake("MeetingView.close: a view is what clients read; put the @mutation on a DomainModel or a Mediator")
def view_with_a_mutation() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> str:
            return ""

        @mutation
        def close(self) -> None: ...


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


@mistake("MeetingView: 'Sesion' uses the name 'Sesion', which is not defined")
def view_of_a_name_that_stays_unknown() -> Any:
    class MeetingView(ViewModel):
        store: MeetingSessionStore

        @field
        def name(self) -> Sesion:  # noqa: F821
            return ""

    return MeetingView.__view__.fields


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("depth", 3, "a ViewModel knows no depth=; it knows collection=, name=, max_depth=, max_documents=, max_age="),
        ("max_depth", 0, "max_depth=0 allows nothing; give a number above 0"),
        ("collection", "_bff_x", "collection='_bff_x': collections that begin with _bff are bff's own; rename it"),
        ("collection", "a/b", "collection='a/b': 'a/b' is not a document id"),
        ("name", "Meeting View", "'Meeting View' is no GraphQL name"),
    ],
)
def test_a_keyword_of_a_view_is_refused(keyword: str, value: Any, message: str) -> None:
    refused(
        lambda: type(ViewModel)("MeetingView", (ViewModel,), {"__module__": __name__}, **{keyword: value}),
        f"MeetingView: {message}",
    )


@mistake.each
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Declare, message: str) -> None:
    refused(declare, message)
