"""Live lists: a page as it is, then its changes; what is refused; how somebody goes on who was away."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError, parse, subscribe

from bff.datastore.session import DatastoreSession
from bff.errors import BFFError
from bff.model.session import use_session
from bff.resolvers.view_document import ViewDocument
from tests.live.support import turns
from tests.resolvers.conftest import World
from tests.resolvers.library import Author, Book, Genre
from tests.resolvers.live_client import LiveClient
from tests.resolvers.offices import Desk, Member
from tests.resolvers.test_followed import office, settled, write

pytestmark = pytest.mark.anyio

BY_PAGES = "first: 3, orderBy: [{field: PAGES}]"


def client(world: World, arguments: str = BY_PAGES, fields: str = "id version title pages") -> LiveClient:
    return LiveClient(world.schema, world.context, "bookPages", arguments, fields)


async def put(world: World, key: str, pages: int, title: str = "", author: str = "lem", genre: Genre = Genre.NOVEL) -> None:
    """Store a book, and build its view."""
    with use_session(DatastoreSession(world.datastore)):
        await Book(id=key, title=title or f"Title {key}", author=Author.ref(author), pages=pages, genre=genre).save()
    await show(world, "BookPage", key)


async def remove(world: World, key: str) -> None:
    with use_session(DatastoreSession(world.datastore)):
        book = await Book.get(key)
        assert book is not None
        await book.delete()
    await show(world, "BookPage", key)


async def rename(world: World, author: str, name: str) -> None:
    with use_session(DatastoreSession(world.datastore)):
        known = await Author.get(author)
        assert known is not None
        known.name = name
        await known.save()
    await world.views.fresh(world.catalog.views["AuthorPage"], [author])


async def show(world: World, view: str, *keys: str) -> None:
    """Build the views anew, and have the hub compare: what projector and relay do."""
    await world.views.fresh(world.catalog.views[view], list(keys))
    await world.hub.compare()


async def test_the_page_as_it_is_and_then_each_change_of_it(world: World) -> None:
    await put(world, "a", 10)
    await put(world, "b", 20)
    async with client(world).following() as live:
        first = await live.next()
        assert first["kind"] == "CURRENT"
        assert [edge["node"]["id"] for edge in first["page"]["edges"]] == ["a", "b"]
        assert first["page"]["pageInfo"] == {"hasNextPage": False}
        await put(world, "c", 15)
        assert await live.until_fresh() == ["ADDED c"]
        await put(world, "d", 5)
        assert await live.until_fresh() == ["REMOVED b", "ADDED d"]
        await put(world, "c", 1)
        assert await live.until_fresh() == ["MOVED c"]
        await put(world, "a", 10, "Another")
        assert await live.until_fresh() == ["MODIFIED a"]
        await remove(world, "d")
        assert await live.until_fresh() == ["REMOVED d", "ADDED b"]
    assert world.hub.subscriptions == 0


async def test_an_empty_list_is_a_page_as_well(world: World) -> None:
    async with client(world).following() as live:
        assert (await live.next())["page"] == {"edges": [], "pageInfo": {"hasNextPage": False}}
        await put(world, "a", 10)
        assert await live.until_fresh() == ["ADDED a"]


async def test_nothing_is_asked_for(world: World) -> None:
    await put(world, "a", 10)
    async with client(world, "first: 0").following() as live:
        assert (await live.next())["page"] == {"edges": [], "pageInfo": {"hasNextPage": True}}


async def test_a_view_that_comes_to_match_comes_and_one_that_does_not_any_more_goes(world: World) -> None:
    await put(world, "a", 10)
    await put(world, "b", 20, genre=Genre.POETRY)
    async with client(world, "filter: {genre: {eq: POETRY}}").following() as live:
        assert await live.until_fresh() == ["CURRENT"]
        await put(world, "a", 10, genre=Genre.POETRY)
        assert await live.until_fresh() == ["ADDED a"]
        await put(world, "b", 20, genre=Genre.NOVEL)
        assert await live.until_fresh() == ["REMOVED b"]


async def test_who_asks_the_same_shares_a_window_however_it_is_written(world: World) -> None:
    async with client(world).following(), client(world).following():
        assert (world.hub.windows, world.hub.subscriptions) == (1, 2)
        async with client(world, "orderBy: {field: PAGES, direction: ASC}, first: 3, filter: null").following():
            assert world.hub.windows == 1
        async with client(world, "first: 4, orderBy: [{field: PAGES}]").following():
            assert world.hub.windows == 2


@pytest.mark.parametrize(
    "arguments",
    [
        "first: -1",
        "first: 501",
        "orderBy: [{field: PAGES}, {field: PAGES}]",
        "filter: {or: []}",
        "filter: {not: {}}",
        "filter: {pages: {lt: null}}",
        "filter: {pages: {in: []}}",
        'filter: {writer: {eq: "a/b"}}',
        'filter: {not: {tags: {contains: "x"}}}',
    ],
)
async def test_what_cannot_be_asked_is_refused_as_the_list_query_refuses_it(world: World, arguments: str) -> None:
    expected = await world.refused(f"{{ bookPages({arguments}) {{ edges {{ cursor }} }} }}")
    with pytest.raises(GraphQLError) as refused:
        async with client(world, arguments).following():
            pass
    error = refused.value.original_error
    assert isinstance(error, BFFError)
    assert (type(error), str(error), getattr(error, "path", None)) == (
        type(expected),
        str(expected),
        getattr(expected, "path", None),
    )
    assert world.hub.windows == 0


async def test_one_that_is_never_read_is_left_whole(world: World) -> None:
    document = parse("subscription { bookPages { kind } }")
    events: Any = await subscribe(world.schema, document, context_value=world.context())
    assert not isinstance(events, ExecutionResult)
    assert world.hub.subscriptions == 1
    await events.aclose()
    assert world.hub.subscriptions == 0


# --- Coming back


async def test_who_comes_back_is_sent_the_differences_alone(world: World) -> None:
    await put(world, "a", 10)
    await put(world, "b", 20)
    live = client(world)
    async with live.following():
        await live.until_fresh()
    await put(world, "c", 5)
    await remove(world, "a")
    async with live.following(again=True):
        assert await live.until_fresh() == ["REMOVED a", "ADDED c"]
        await put(world, "d", 1)
        assert await live.until_fresh() == ["ADDED d"]


async def test_who_comes_back_where_nothing_has_changed_is_sent_nothing(world: World) -> None:
    await put(world, "a", 10)
    live = client(world)
    async with live.following():
        await live.until_fresh()
    async with live.following(again=True):
        await put(world, "b", 20)
        assert (await live.next())["kind"] == "ADDED"
        assert live.window == await live.fresh()


async def test_a_cut_between_two_events_of_one_change_loses_nothing(world: World) -> None:
    for number in range(3):
        await put(world, f"b{number}", 20 + number)
    live = client(world)
    async with live.following():
        await live.until_fresh()
    for number in range(3):
        await put(world, f"a{number}", 10 + number)
    for _ in range(5):
        async with live.following(again=True):
            await live.next()
    async with live.following(again=True):
        await live.next()
    assert live.window == await live.fresh()
    assert live.kinds[1:] == ["REMOVED b0", "REMOVED b1", "REMOVED b2", "ADDED a0", "ADDED a1", "ADDED a2"]


async def test_a_list_that_is_again_what_it_was_is_told_all_the_same(world: World) -> None:
    """The last event leads back to the very version that its reader came with: it must be sent."""
    for number in range(3):
        await put(world, f"b{number}", 20 + number)
    live = client(world)
    async with live.following():
        await live.until_fresh()
    version = live.version
    async with live.following(again=True):
        await put(world, "a", 10)
        assert await live.until_fresh() == ["REMOVED b2", "ADDED a"]
        await remove(world, "a")
        assert await live.until_fresh() == ["REMOVED a", "ADDED b2"]
        assert live.version == version


@pytest.mark.parametrize("version", ["", "7", "nonsense", "a" * 40_000, "ä", None])
async def test_a_version_that_is_none_of_this_list_begins_from_the_start(world: World, version: str | None) -> None:
    await put(world, "a", 10)
    other = client(world, "first: 4")
    async with other.following():
        await other.next()
    live = client(world)
    live.version = other.version if version is None else version
    async with live.following(again=True):
        assert (await live.next())["kind"] == "CURRENT"


async def test_what_was_sent_is_held_by_nobody() -> None:
    """While the next event is awaited: a page of 500 for each of many subscribers is more than the window that they share."""
    async with office() as running, running.watch("subscription { memberViews { page { edges { node { id } } } } }") as watch:
        await watch.next()
        async with asyncio.timeout(10):
            while any(isinstance(one, ViewDocument) and one.get("name") == "Bob" for one in gc.get_objects()):
                await turns(1)


# --- Links


LINKED = "id author { name }"
MEMBERS = "subscription { memberViews { id node { desk { place } } page { edges { node { desk { place } } } } } }"


async def test_a_change_of_what_a_node_links_to_is_a_change_of_the_node(world: World) -> None:
    await put(world, "a", 10, author="lem")
    await put(world, "b", 20, author="le-guin")
    async with client(world, fields=LINKED).following() as live:
        await live.until_fresh()
        await rename(world, "le-guin", "Ursula")
        await world.hub.compare()
        # The views of its books hold the author's key, not the name: they are as they were.
        assert await live.until_fresh() == ["MODIFIED b"]
        await put(world, "c", 15, author="le-guin")
        assert await live.until_fresh() == ["ADDED c"]
        await rename(world, "le-guin", "Le Guin")
        await world.hub.compare()
        assert sorted(await live.until_fresh()) == ["MODIFIED b", "MODIFIED c"]
        await remove(world, "b")
        await live.until_fresh()
        await rename(world, "lem", "S. Lem")
        await world.hub.compare()
        assert await live.until_fresh() == ["MODIFIED a"]


async def test_what_a_node_has_shown_already_is_not_given_again(world: World) -> None:
    await put(world, "a", 10, author="lem")

    async def rename_lem() -> None:
        await rename(world, "lem", "S. Lem")
        await world.hub.compare()

    async with client(world, fields=LINKED).following() as live:
        await live.until_fresh()
        await put(world, "a", 11, author="lem")
        changed = await live.next(meanwhile=rename_lem)
        assert (changed["id"], changed["node"]["author"]["name"]) == ("a", "S. Lem")
        waiting = asyncio.ensure_future(live.next())
        await world.hub.compare()
        await put(world, "b", 20)
        assert (await waiting)["id"] == "b"


async def test_a_link_to_what_never_was_is_no_difference_to_who_comes_back() -> None:
    async with office() as running:
        await write(running, Member(id="ann", name="Ann", desk=Desk.ref("nowhere")))
        await settled(running)
        async with running.watch(MEMBERS, extensions={"bff": {}}) as first:
            version = (await first.next())["extensions"]["bff"]["version"]
        async with running.watch(MEMBERS, extensions={"bff": {"since": version}}) as again:
            await write(running, Member(id="bob", name="Bobby"))
            assert (await again.next())["data"]["memberViews"]["id"] == "bob"


async def test_who_comes_back_is_sent_the_nodes_whose_links_have_changed_and_follows_the_others(world: World) -> None:
    await put(world, "a", 10, author="lem")
    await put(world, "b", 20, author="le-guin")
    live = client(world, fields=LINKED)
    async with live.following():
        await live.until_fresh()
    await rename(world, "le-guin", "Ursula")
    async with live.following(again=True):
        assert await live.until_fresh() == ["MODIFIED b"]
        await rename(world, "lem", "S. Lem")
        await world.hub.compare()
        assert await live.until_fresh() == ["MODIFIED a"]
    async with live.following(again=True):
        waiting = asyncio.ensure_future(live.next())
        await world.hub.compare()
        assert not waiting.done()
        await put(world, "c", 15)
        assert (await waiting)["kind"] == "ADDED"
    assert world.hub.subscriptions == 0
