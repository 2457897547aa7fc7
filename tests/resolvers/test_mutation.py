"""Mutations: validated, in one unit of work, answered with what is so after the commit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.datastore.session import DatastoreSession
from bff.errors import BadUserInput, DatastoreUnavailable, NotFound, OutcomeUnknown
from bff.model.session import use_session
from bff.resolvers.arguments import python_value
from tests.resolvers.conftest import World
from tests.resolvers.library import Author, Book, Ebook, NoCopyLeft, Paper

pytestmark = pytest.mark.anyio


async def stored(world: World, id: str) -> Book:
    with use_session(DatastoreSession(world.datastore)):
        book = await Book.get(id)
    assert book is not None
    return book


async def test_a_domain_method_answers_the_view_as_it_is_after_the_commit(world: World) -> None:
    before = await world.ask('{ bookPage(id: "wild") { version title } }')
    data = await world.ask(
        'mutation { bookRetitle(id: "wild", title: "Wilder", note: "!") { id version title note author { name } } }'
    )
    after = data["bookRetitle"]
    assert int(after.pop("version")) > int(before["bookPage"]["version"])
    assert after == {"id": "wild", "title": "Wilder", "note": "!", "author": {"name": "Ursula K. Le Guin"}}
    assert (await stored(world, "wild")).title == "Wilder"
    assert (await world.ask('{ bookPage(id: "wild") { title } }'))["bookPage"]["title"] == "Wilder"


async def test_without_a_view_it_answers_a_payload(world: World) -> None:
    data = await world.ask('mutation { bookLend(id: "dispossessed") { __typename id committedAt } }')
    payload = data["bookLend"]
    assert (payload["__typename"], payload["id"]) == ("BookPayload", "dispossessed")
    page = await world.ask('{ bookPage(id: "dispossessed") { version } }')
    assert int(page["bookPage"]["version"]) >= int(payload["committedAt"])


async def test_a_domain_error_changes_nothing_and_reaches_the_client(world: World) -> None:
    error = await world.refused('mutation { bookLend(id: "dispossessed", times: 3) { id } }')
    assert isinstance(error, NoCopyLeft)
    assert error.code == "NO_COPY_LEFT"
    assert (await stored(world, "dispossessed")).lent == 0


async def test_a_subclass_overrides_its_mutation(world: World) -> None:
    await world.ask('mutation { bookLend(id: "solaris", times: 7) { id } }')
    assert (await stored(world, "solaris")).lent == 7


async def test_a_method_may_be_async_and_take_and_return_nested_models(world: World) -> None:
    data = await world.ask(
        """mutation ($copies: [PaperOrEbookInput!]!) {
             bookRestock(id: "wild", copies: $copies, at: "2026-02-01T10:00:00Z", patience: "PT12H") {
               id committedAt result { ... on Paper { shelf lentOut } ... on Ebook { size links } }
             }
           }""",
        copies=[{"paper": {"shelf": "B2", "lentOut": True}}, {"ebook": {"size": 3}}],
    )
    assert data["bookRestock"]["result"] == [{"shelf": "B2", "lentOut": True}, {"size": 3, "links": []}]
    book = await stored(world, "wild")
    assert book.copies == [Paper(shelf="B2", lent_out=True), Ebook(size=3)]
    assert book.added.isoformat() == "2026-02-01T22:00:00+00:00"
    assert book.note == "restocked for Ursula K. Le Guin"


async def test_integers_of_64_bits_go_in_and_out(world: World) -> None:
    source = 'mutation ($grams: BigInt!) { bookWeigh(id: "wild", grams: $grams) { result } }'
    assert (await world.ask(source, grams=5_000_000_000))["bookWeigh"]["result"] == 5_000_000_001
    assert (await world.ask(source, grams="9223372036854775806"))["bookWeigh"]["result"] == "9223372036854775807"


async def test_a_class_method_makes_a_document(world: World) -> None:
    data = await world.ask(
        """mutation { bookAcquire(title: "Fiasco", authorId: "lem") {
             id title author { name } foundAt { latitude longitude }
           } }"""
    )
    made = data["bookAcquire"]
    assert (made["title"], made["author"]["name"]) == ("Fiasco", "Stanisław Lem")
    assert made["foundAt"] == {"latitude": 1.5, "longitude": 2.5}
    assert (await stored(world, made["id"])).title == "Fiasco"


async def test_a_mediator_is_given_documents_and_answers_a_view(world: World) -> None:
    data = await world.ask('mutation { attribute(bookId: "wild", toId: "lem") { id author { id name } } }')
    assert data["attribute"] == {"id": "wild", "author": {"id": "lem", "name": "Stanisław Lem"}}


async def test_a_mediator_is_given_a_list_and_answers_a_list(world: World) -> None:
    data = await world.ask('mutation { renameAll(authorIds: ["lem", "le-guin"]) { id name } }')
    assert data["renameAll"] == [
        {"id": "lem", "name": "Dr. Stanisław Lem"},
        {"id": "le-guin", "name": "Dr. Ursula K. Le Guin"},
    ]


async def test_a_mediator_answers_a_value(world: World) -> None:
    data = await world.ask("mutation { all: count { result } poetry: count(genre: POETRY) { __typename result } }")
    assert data == {"all": {"result": 3}, "poetry": {"__typename": "CountPayload", "result": 1}}


async def test_a_parameter_may_have_any_name(world: World) -> None:
    data = await world.ask('mutation { describe(info: "a", attribute: "b", arguments: "c", named: "d") { result } }')
    assert data == {"describe": {"result": "a b c d"}}


async def test_what_a_mediator_emits_is_saved(world: World) -> None:
    data = await world.ask('mutation { enrol(name: "Joshua") { result } }')
    key = f"{data['enrol']['result']}:wild"
    assert (await world.ask("query ($id: ID!) { loan(id: $id) { text } }", id=key))["loan"] == {
        "text": "Joshua reads Wild Angels"
    }


async def test_an_optional_document_and_an_optional_view(world: World) -> None:
    data = await world.ask('mutation { a: optional { id } b: optional(bookId: "wild") { id } c: optional(bookId: null) { id } }')
    assert data == {"a": None, "b": {"id": "wild"}, "c": None}


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ('mutation { bookLend(id: "none") { id } }', "Book 'none'"),
        ('mutation { attribute(bookId: "wild", toId: "none") { id } }', "Author 'none'"),
        ('mutation { renameAll(authorIds: ["lem", "none"]) { id } }', "Author 'none'"),
        ('mutation { updateBookPage(id: "none", input: {title: "x"}) { id } }', "BookPage 'none'"),
        ('mutation { bookBurn(id: "wild") { id } }', "BookPage 'wild'"),
    ],
)
async def test_what_is_not_there_is_said(world: World, source: str, what: str) -> None:
    error = await world.refused(source)
    assert isinstance(error, NotFound)
    assert what in str(error)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ('mutation { bookRetitle(id: "wild", title: "") { id } }', ["title"]),
        (
            'mutation { bookRestock(id: "wild", at: "2026-02-01T10:00:00Z", copies: [{ebook: {size: 0}}]) { id } }',
            ["copies", 0, "ebook", "size"],
        ),
        ('mutation { bookAcquire(title: "x", authorId: "lem", foundAt: {latitude: 91, longitude: 0}) { id } }', ["foundAt"]),
        ('mutation { updateBookPage(id: "wild", input: {}) { id } }', ["input"]),
        ('mutation { updateBookPage(id: "wild", input: {title: ""}) { id } }', ["input", "title"]),
        ('mutation { updateBookPage(id: "wild", input: {title: null}) { id } }', ["input", "title"]),
    ],
)
async def test_a_bad_argument_is_named(world: World, source: str, path: list[Any]) -> None:
    error = await world.refused(source)
    assert isinstance(error, BadUserInput)
    assert error.path == path
    assert (await stored(world, "wild")).title == "Wild Angels"


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (list[Paper], [{"shelf": "1"}, {"shelf": "2", "lentOut": "perhaps"}], [1, "lentOut"]),
        (dict[str, int], {"my_key": "many", "other": 1}, ["my_key"]),
        (dict[str, list[int]], {"my_key": [1, "many"]}, ["my_key", 1]),
    ],
)
def test_a_place_in_an_argument_has_the_names_that_it_was_given_by(annotation: Any, value: Any, path: list[Any]) -> None:
    with pytest.raises(BadUserInput) as refused:
        python_value(annotation, value, ["it"])
    assert refused.value.path == ["it", *path]


@pytest.mark.parametrize("copy", [{}, {"ebook": {"size": 1}, "paper": {"shelf": "1"}}])
async def test_a_union_is_exactly_one_of_its_models(world: World, copy: dict[str, Any]) -> None:
    source = """mutation ($copies: [PaperOrEbookInput!]!) {
        bookRestock(id: "wild", at: "2026-02-01T10:00:00Z", copies: $copies) { id }
    }"""
    result = await world.execute(source, copies=[copy])
    assert result.errors is not None
    assert "Exactly one key must be specified" in result.errors[0].message


async def test_setters_change_what_is_given_in_one_unit_of_work(world: World) -> None:
    data = await world.ask(
        """mutation { updateBookPage(
             id: "wild", input: {title: "Hard Words", authorName: "Le Guin", copies: [{paper: {shelf: "C"}}]}
           ) {
             title authorName pages copies { ... on Paper { shelf } }
           } }"""
    )
    assert data["updateBookPage"] == {"title": "Hard Words", "authorName": "Le Guin", "pages": 50, "copies": [{"shelf": "C"}]}
    with use_session(DatastoreSession(world.datastore)):
        author = await Author.get("le-guin")
    assert author is not None
    assert author.name == "Le Guin"


async def test_a_setter_may_be_given_null_where_its_type_has_it(world: World) -> None:
    await world.ask('mutation { updateBookPage(id: "solaris", input: {note: null}) { id } }')
    assert (await stored(world, "solaris")).note is None


async def test_after_the_commit_no_error_says_that_nothing_was_written(world: World) -> None:
    """The datastore goes down between the commit and the read of the view: to try again would not be safe."""

    async def down(*_: Any) -> Any:
        raise DatastoreUnavailable("down")

    world.views.fresh = down  # type: ignore[method-assign]
    error = await world.refused('mutation { bookRetitle(id: "wild", title: "Wilder") { id } }')
    assert isinstance(error, OutcomeUnknown)
    assert "was done" in str(error)
    assert (await stored(world, "wild")).title == "Wilder"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('mutation { lie(bookId: "wild", about: "x") { result } }', "Library.lie returned something else than it says"),
        ('mutation { mislead(bookId: "wild") { id } }', "Library.mislead returned AuthorCard, not a BookPage"),
    ],
)
async def test_a_function_that_does_not_return_what_it_says_changes_nothing(world: World, source: str, problem: str) -> None:
    result = await world.execute(source)
    assert result.errors is not None
    assert problem in result.errors[0].message
    assert (await stored(world, "wild")).title == "Wild Angels"


async def test_conflicts_are_tried_again(world: World) -> None:
    """Twenty at once: each sees the one before it."""
    await asyncio.gather(*(world.ask('mutation { bookLend(id: "solaris") { id } }') for _ in range(20)))
    assert (await stored(world, "solaris")).lent == 20


async def test_mutations_of_one_operation_run_one_after_the_other(world: World) -> None:
    data = await world.ask(
        """mutation {
             a: bookRetitle(id: "wild", title: "One") { title author { name } }
             b: updateBookPage(id: "wild", input: {authorName: "Somebody"}) { title authorName }
             c: bookRetitle(id: "wild", title: "Three") { title authorName }
           }"""
    )
    assert data["b"] == {"title": "One", "authorName": "Somebody"}
    assert data["c"] == {"title": "Three", "authorName": "Somebody"}
