# mypy: ignore-errors
"""Every mistake in a DomainModel fails where it is declared, and says the class, the field and the remedy."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest
from pydantic import Field

from bff.errors import DeclarationError
from bff.model.domain_model import DomainModel
from bff.model.naming import Naming
from bff.model.ref import Ref
from tests.model.meeting_room import Meeting, User, UserView
from tests.model.mistakes import Declare, Mistakes, refused

mistake = Mistakes()


T = TypeVar("T")


@mistake('City: a DomainModel needs a collection, e.g. class City(DomainModel, collection="citys")')
def missing_collection() -> Any:
    class City(DomainModel):
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


@pytest.mark.parametrize("name", ["path", "ref", "where", "get", "save", "all", "limit", "copy", "json", "is_new", "_stored"])
def test_a_field_that_hides_what_every_model_has_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"City.{name}: '{name}' is a name of DomainModel's own; rename the field"):
        type(DomainModel)("City", (DomainModel,), {"__annotations__": {name: str}, "__module__": __name__}, collection="cities")


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


class Plain:
    pass


def city(namespace: dict[str, Any], **keywords: Any) -> None:
    type(DomainModel)("City", (DomainModel,), {"__module__": __name__, **namespace}, **keywords)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"collection": "a/b"}, "collection='a/b' is the path of a document"),
        ({"collection": "a//b"}, "collection='a//b' is no path of a collection; choose a plain word"),
        (
            {"collection": "_bff_views"},
            "collection='_bff_views': collections that begin with _bff are bff's own; rename it",
        ),
        ({"collection": 3}, 'collection=3 is no str, e.g. collection="users"'),
        (
            {"collection": "cities", "naming": "kebab"},
            'naming=\'kebab\' is none of "camel", "snake" and Naming(name, to_document, to_python)',
        ),
    ],
    ids=str,
)
def test_a_keyword_of_a_model_is_refused(keywords: dict[str, Any], message: str) -> None:
    refused(lambda: city({"__annotations__": {"name": str}}, **keywords), f"City: {message}")


@pytest.mark.parametrize(
    ("name", "annotation", "message"),
    [
        ("tags", set[str], "set[str] cannot be stored; use list[…]"),
        ("thing", Plain, "Plain cannot be stored; there are: str, int, float, bool"),
        ("mayor", User, "a DomainModel is a document of its own; store a Ref[User]"),
        ("view", UserView, "a ViewModel is what clients read, and is not stored in a domain document"),
        ("key", int | str, "int | str cannot be told apart when stored; make each a pydantic model, or use one type"),
        ("id", str, "every document has an id, a str; remove the annotation"),
        ("obj_type", str, "no document field can be named 'objType'; rename it"),
        (
            "line_2",
            str,
            "'line_2' becomes 'line2' in documents, which reads back as 'line2'; rename it 'line2', or choose another",
        ),
    ],
)
def test_a_field_of_a_model_is_refused(name: str, annotation: Any, message: str) -> None:
    refused(lambda: city({"__annotations__": {name: annotation}}, collection="cities"), f"City.{name}: {message}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Field(alias="n"), "City.name: an alias names nothing here; choose naming= for the model, or rename the field"),
        (Field(exclude=True), "City.name: every field is stored; make it a PrivateAttr instead of exclude=True"),
    ],
    ids=["alias", "exclude"],
)
def test_an_option_of_a_field_is_refused(given: Any, message: str) -> None:
    refused(lambda: city({"__annotations__": {"name": str}, "name": given}, collection="cities"), message)


@mistake.each
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Declare, message: str) -> None:
    refused(declare, message)
