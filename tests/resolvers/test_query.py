"""Views by id, links in batches, ``node``."""

from __future__ import annotations

import pytest

from bff.datastore.session import DatastoreSession
from bff.errors import BadUserInput, BuildError, NotFound
from bff.model.session import use_session
from tests.resolvers.conftest import World
from tests.resolvers.library import Author, Book

pytestmark = pytest.mark.anyio


async def test_every_kind_of_value_is_shown(world: World) -> None:
    data = await world.ask(
        """{ bookPage(id: "dispossessed") {
             __typename id version title pages genre added note tags letters price lentFor foundAt { latitude } writer facts
             copies { __typename ... on Paper { shelf lentOut } ... on Ebook { size links } }
           } }"""
    )
    page = data["bookPage"]
    version = page.pop("version")
    assert isinstance(version, str)
    assert int(version) > 0
    assert page == {
        "__typename": "BookPage",
        "id": "dispossessed",
        "title": "The Dispossessed",
        "pages": 387,
        "genre": "NOVEL",
        "added": "2026-01-01T00:00:00Z",
        "note": None,
        "tags": ["anarchy", "physics"],
        "letters": 3_870_000_000,
        "price": "3.87",
        "lentFor": "PT0S",
        "foundAt": None,
        "writer": "le-guin",
        "facts": {"added": "2026-01-01T00:00:00Z", "tags": ["anarchy", "physics"]},
        "copies": [
            {"__typename": "Paper", "shelf": "A1", "lentOut": False},
            {"__typename": "Ebook", "size": 12, "links": ["x"]},
        ],
    }


async def test_what_does_not_exist_is_null(world: World) -> None:
    assert await world.ask('{ bookPage(id: "none") { title } node(id: "none") { id } }') == {"bookPage": None, "node": None}


async def test_an_id_that_cannot_be_one_is_refused(world: World) -> None:
    assert isinstance(await world.refused('{ bookPage(id: "a/b") { title } }'), BadUserInput)
    assert isinstance(await world.refused('{ loan(id: "tijuana") { text } }'), BadUserInput)


async def test_a_view_of_several_roots_is_found_by_all_of_them(world: World) -> None:
    assert await world.ask('{ loan(id: "tijuana:solaris") { id text } }') == {
        "loan": {"id": "tijuana:solaris", "text": "Tijuana Furlong reads Solaris"}
    }


async def test_a_number_beyond_32_bits_is_refused_when_the_view_is_built(world: World) -> None:
    with use_session(DatastoreSession(world.datastore)):
        await Book(id="long", title="Long", author=Author.ref("lem"), pages=2**31).save()
    error = await world.refused('{ bookPage(id: "long") { title } }')
    assert isinstance(error, BuildError)
    assert "BookPage.pages" in str(error)
    assert "BigInt" in str(error)


async def test_one_view_that_cannot_be_built_spoils_no_other(world: World) -> None:
    with use_session(DatastoreSession(world.datastore)):
        await Book(id="long", title="Long", author=Author.ref("lem"), pages=2**31).save()
    result = await world.execute('{ a: bookPage(id: "long") { title } b: bookPage(id: "wild") { title } }')
    assert result.data == {"a": None, "b": {"title": "Wild Angels"}}
    assert result.errors is not None
    assert [error.path for error in result.errors] == [["a"]]


async def test_links_are_read_in_one_batch_a_level(world: World) -> None:
    """Two authors, three books, their authors again: three levels, three reads, whatever the number of views."""
    await world.ask(
        '{ a: authorPage(id: "le-guin") { ...A } b: authorPage(id: "lem") { ...A } }'
        "fragment A on AuthorPage { name best { title } books { title author { name books { id } } } }"
    )
    assert [(name, sorted(keys)) for name, keys in world.views.reads] == [
        ("AuthorPage", ["le-guin", "lem"]),
        ("BookPage", ["dispossessed", "solaris", "wild"]),
    ]


async def test_a_link_to_what_is_gone(world: World) -> None:
    """Left out of a list, an error where there must be one: the linking view is about to be built without it."""
    await world.ask('{ authorPage(id: "lem") { id } bookPage(id: "solaris") { id } }')
    with use_session(DatastoreSession(world.datastore)):
        [book] = await Book.where(Book.title == "Solaris").list()
        await book.delete()
        author = await Author.get("lem")
        assert author is not None
    await world.views.fresh(world.catalog.views["BookPage"], ["solaris"])
    assert await world.ask('{ authorPage(id: "lem") { books { id } best { id } } }') == {
        "authorPage": {"books": [], "best": None}
    }


async def test_a_required_link_to_what_is_gone_is_an_error_with_a_code(world: World) -> None:
    await world.ask('{ bookPage(id: "solaris") { id author { id } } }')
    with use_session(DatastoreSession(world.datastore)):
        author = await Author.get("lem")
        assert author is not None
        await author.delete()
    await world.views.fresh(world.catalog.views["AuthorPage"], ["lem"])
    assert isinstance(await world.refused('{ bookPage(id: "solaris") { author { id } } }'), NotFound)


async def test_node_finds_a_view_by_type_and_key(world: World) -> None:
    data = await world.ask(
        """{ book: node(id: "BookPage:wild") { __typename id ... on BookPage { title } }
             loan: node(id: "Loan:tijuana:wild") { __typename ... on View { version } ... on Loan { text } } }"""
    )
    assert data["book"] == {"__typename": "BookPage", "id": "wild", "title": "Wild Angels"}
    assert data["loan"]["text"] == "Tijuana Furlong reads Wild Angels"


async def test_node_finds_a_key_that_one_view_has(world: World) -> None:
    assert await world.ask('{ node(id: "wild") { __typename id } }') == {"node": {"__typename": "BookPage", "id": "wild"}}


async def test_node_asks_for_the_type_where_several_views_have_the_key(world: World) -> None:
    error = await world.refused('{ node(id: "lem") { id } }')
    assert isinstance(error, BadUserInput)
    assert "AuthorPage:lem or AuthorCard:lem" in str(error)
