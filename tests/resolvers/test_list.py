"""Pages of stored views: filters, orders, and cursors that stay where they are."""

from __future__ import annotations

from typing import Any

import pytest

from bff.datastore.port import Set
from bff.datastore.session import DatastoreSession
from bff.errors import BadUserInput
from bff.model.session import use_session
from tests.resolvers.conftest import World
from tests.resolvers.library import Author, Book, Genre

pytestmark = pytest.mark.anyio

BY_PAGES = "[{field: PAGES, direction: DESC}]"


async def add(world: World, *pages: int, genre: Genre = Genre.NOVEL) -> None:
    """A stored BookPage ``p<pages>`` for each."""
    with use_session(DatastoreSession(world.datastore)):
        for count in pages:
            await Book(id=f"p{count}", title=f"Title {count}", author=Author.ref("lem"), pages=count, genre=genre).save()
    await world.views.fresh(world.catalog.views["BookPage"], [f"p{count}" for count in pages])


async def found(world: World, filter: str) -> list[str]:
    data = await world.ask(f"{{ bookPages(filter: {filter}) {{ edges {{ node {{ id }} }} }} }}")
    return sorted(edge["node"]["id"] for edge in data["bookPages"]["edges"])


async def page(world: World, arguments: str, *, has_all: bool = True) -> tuple[list[str], dict[str, Any]]:
    data = await world.ask(
        f"{{ bookPages({arguments}) {{ edges {{ cursor node {{ id }} }}"
        " pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
    )
    connection = data["bookPages"]
    info = connection["pageInfo"]
    cursors = [edge["cursor"] for edge in connection["edges"]]
    if has_all:
        assert (info["startCursor"], info["endCursor"]) == ((cursors[0], cursors[-1]) if cursors else (None, None))
    return [edge["node"]["id"] for edge in connection["edges"]], info


async def test_an_empty_list(world: World) -> None:
    ids, info = await page(world, "first: 10")
    assert ids == []
    assert not info["hasNextPage"]


async def test_pages_forwards(world: World) -> None:
    await add(world, 10, 20, 30, 40, 50)
    ids, info = await page(world, f"first: 2, orderBy: {BY_PAGES}")
    assert ids == ["p50", "p40"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    ids, info = await page(world, f'first: 2, orderBy: {BY_PAGES}, after: "{info["endCursor"]}"')
    assert ids == ["p30", "p20"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, True)
    ids, info = await page(world, f'first: 2, orderBy: {BY_PAGES}, after: "{info["endCursor"]}"')
    assert ids == ["p10"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (False, True)


async def test_pages_backwards(world: World) -> None:
    await add(world, 10, 20, 30, 40, 50)
    ids, info = await page(world, f"last: 2, orderBy: {BY_PAGES}")
    assert ids == ["p20", "p10"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (False, True)
    ids, info = await page(world, f'last: 2, orderBy: {BY_PAGES}, before: "{info["startCursor"]}"')
    assert ids == ["p40", "p30"]
    ids, info = await page(world, f'last: 2, orderBy: {BY_PAGES}, before: "{info["startCursor"]}"')
    assert ids == ["p50"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)


async def test_between_two_cursors(world: World) -> None:
    await add(world, 10, 20, 30, 40, 50)
    _, info = await page(world, f"orderBy: {BY_PAGES}")
    between = f'orderBy: {BY_PAGES}, after: "{info["startCursor"]}", before: "{info["endCursor"]}"'
    assert (await page(world, between))[0] == ["p40", "p30", "p20"]
    assert (await page(world, f"{between}, first: 2"))[0] == ["p40", "p30"]
    assert (await page(world, f"{between}, last: 2"))[0] == ["p30", "p20"]


async def test_without_an_order_it_is_by_key(world: World) -> None:
    await add(world, 30, 10, 20)
    assert (await page(world, "first: 2"))[0] == ["p10", "p20"]


async def test_equal_values_are_told_apart_by_key(world: World) -> None:
    await add(world, 10, 20, 30, 40)
    after, ids = "", []
    for _ in range(4):
        one, info = await page(world, f"first: 1, orderBy: [{{field: GENRE}}]{after}")
        ids += one
        after = f', after: "{info["endCursor"]}"'
    assert ids == ["p10", "p20", "p30", "p40"]


async def test_cursors_stay_where_they_are_when_views_come_and_go(world: World) -> None:
    await add(world, 20, 40, 60)
    ids, info = await page(world, "first: 2, orderBy: [{field: PAGES}]")
    assert ids == ["p20", "p40"]
    await add(world, 10, 30, 50)
    with use_session(DatastoreSession(world.datastore)):
        book = await Book.get("p40")
        assert book is not None
        await book.delete()
    await world.views.fresh(world.catalog.views["BookPage"], ["p40"])
    assert (await page(world, f'first: 9, orderBy: [{{field: PAGES}}], after: "{info["endCursor"]}"'))[0] == ["p50", "p60"]
    assert (await page(world, f'last: 9, orderBy: [{{field: PAGES}}], before: "{info["endCursor"]}"'))[0] == ["p10", "p20", "p30"]


async def test_a_page_follows_the_order_of_an_inequality(world: World) -> None:
    """A range without an order sorts by its field: the cursor holds that value too."""
    await add(world, 10, 20, 30, 40)
    ids, info = await page(world, "first: 2, filter: {pages: {gt: 10}}")
    assert ids == ["p20", "p30"]
    assert (await page(world, f'first: 2, filter: {{pages: {{gt: 10}}}}, after: "{info["endCursor"]}"'))[0] == ["p40"]
    assert (await page(world, "last: 1, filter: {pages: {gt: 10}}"))[0] == ["p40"]


async def test_the_total_count_is_of_all_pages_and_made_when_it_is_asked_for(world: World) -> None:
    await add(world, 10, 20, 30, 40)
    _, info = await page(world, "first: 1")
    assert world.views.counts == 0
    for arguments, count in (
        ("first: 1", 4),
        ("last: 1", 4),
        (f'first: 1, after: "{info["endCursor"]}"', 4),
        ("first: 0, filter: {pages: {gt: 10}}", 3),
        (f"first: 1, filter: {{or: [{{pages: {{eq: 10}}}}, {{pages: {{gte: 40}}}}]}}, orderBy: {BY_PAGES}", 2),
        ("filter: {pages: {in: [1, 2]}}", 0),
    ):
        assert (await world.ask(f"{{ bookPages({arguments}) {{ totalCount }} }}"))["bookPages"] == {"totalCount": count}
    assert world.views.counts == 6


async def test_a_page_goes_on_from_where_its_last_view_was_found(world: World) -> None:
    """Documents of older code are shown as they are built now: in another place, or not at all. Nothing is passed over for it."""
    await add(world, 20, 90, 30, 40)
    stored = [
        {"id": "p10", "version": 1, "pages": 10},  # there is no such book any more
        {"id": "p90", "version": 1, "pages": 11},
    ]
    await world.datastore.commit([Set(f"BookPage/{one['id']}", one) for one in stored])
    ids, info = await page(world, "first: 1, orderBy: [{field: PAGES}]", has_all=False)
    assert ids == []
    assert info["hasNextPage"]
    ids, info = await page(world, f'first: 1, orderBy: [{{field: PAGES}}], after: "{info["endCursor"]}"')
    assert ids == ["p90"]
    ids, info = await page(world, f'first: 9, orderBy: [{{field: PAGES}}], after: "{info["endCursor"]}"')
    assert ids[:3] == ["p20", "p30", "p40"]


async def test_filters(world: World) -> None:
    await add(world, 10, 20, 30)
    await add(world, 40, genre=Genre.POETRY)
    with use_session(DatastoreSession(world.datastore)):
        for id, note in (("dispossessed", None), ("solaris", "sea")):
            book = await Book.get(id)
            assert book is not None
            assert book.note == note
    await world.views.fresh(world.catalog.views["BookPage"], ["dispossessed", "solaris"])
    for filter, ids in {
        "{}": ["dispossessed", "p10", "p20", "p30", "p40", "solaris"],
        "{pages: {eq: 20}}": ["p20"],
        "{pages: {gt: 10, lte: 30}}": ["p20", "p30"],
        "{pages: {in: [10, 40, 77]}}": ["p10", "p40"],
        "{pages: {lt: 41}, genre: {eq: POETRY}}": ["p40"],
        "{genre: {ne: NOVEL}}": ["p40"],
        "{note: {eq: null}, pages: {gte: 40}}": ["dispossessed", "p40"],
        "{note: {ne: null}}": ["solaris"],
        '{note: {eq: "sea"}}': ["solaris"],
        '{tags: {contains: "physics"}}': ["dispossessed"],
        '{tags: {containsAny: ["early", "anarchy"]}}': ["dispossessed"],
        '{added: {lt: "2026-06-01T00:00:00+02:00"}, pages: {eq: 10}}': ["p10"],
        '{price: {eq: "0.3"}}': ["p30"],
        "{letters: {gte: 300000000, lt: 3870000000}}": ["p30", "p40", "solaris"],
        '{author: {eq: "le-guin"}}': ["dispossessed"],
        '{writer: {in: ["lem"]}, pages: {lt: 20}}': ["p10"],
        '{lentFor: {eq: "PT0S"}, pages: {lt: 20}}': ["p10"],
        "{or: [{pages: {eq: 10}}, {genre: {eq: POETRY}}]}": ["p10", "p40"],
        "{or: [{pages: {eq: 10}}, {}]}": ["dispossessed", "p10", "p20", "p30", "p40", "solaris"],
        "{and: [{pages: {gte: 20}}, {pages: {lt: 40}}]}": ["p20", "p30"],
        "{not: {pages: {gt: 10}}}": ["p10"],
        "{not: {genre: {eq: NOVEL}}}": ["p40"],
        "{not: {or: [{pages: {lt: 40}}, {genre: {eq: NOVEL}}]}}": ["p40"],
        "{not: {pages: {gte: 20, lte: 1000}}}": ["p10"],
        "{not: {not: {pages: {eq: 10}}}}": ["p10"],
        "{not: {pages: {in: [10, 20, 30]}}, genre: {eq: NOVEL}}": ["dispossessed", "solaris"],
    }.items():
        assert await found(world, filter) == ids, filter


@pytest.mark.parametrize(
    ("arguments", "path", "problem"),
    [
        ("first: 1, last: 1", ["last"], "one of them"),
        ("first: -1", ["first"], "between 0 and 500"),
        ("last: 501", ["last"], "between 0 and 500"),
        ('after: "nonsense"', ["after"], "not a cursor"),
        ('before: "e30"', ["before"], "not a cursor"),
        ('after: ""', ["after"], "not a cursor"),
        ('after: "ä"', ["after"], "not a cursor"),
        ("orderBy: [{field: PAGES}, {field: PAGES}]", ["orderBy", 1], "twice"),
        ("filter: {or: []}", ["filter", "or"], "at least one"),
        ("filter: {not: {}}", ["filter", "not"], "nothing in it"),
        ("filter: {pages: {lt: null}}", ["filter", "pages", "lt"], "null has no order"),
        ("filter: {tags: {contains: null}}", ["filter", "tags", "contains"], "no list holds null"),
        ("filter: {pages: {in: []}}", ["filter", "pages", "in"], "1 to 30"),
        ('filter: {writer: {eq: "a/b"}}', ["filter", "writer", "eq"], "not a document id"),
        ('filter: {not: {tags: {contains: "x"}}}', ["filter", "not", "tags", "contains"], "no opposite"),
    ],
)
async def test_what_cannot_be_asked_is_said_where(
    world: World, arguments: str, path: list[str | int] | None, problem: str
) -> None:
    error = await world.refused(f"{{ bookPages({arguments}) {{ edges {{ cursor }} }} }}")
    assert isinstance(error, BadUserInput)
    assert error.path == path
    assert problem in str(error)


async def test_a_cursor_of_another_order_is_refused(world: World) -> None:
    await add(world, 10)
    _, info = await page(world, "orderBy: [{field: PAGES}]")
    error = await world.refused(f'{{ bookPages(after: "{info["endCursor"]}") {{ edges {{ cursor }} }} }}')
    assert "another order" in str(error)


async def test_nothing_is_asked_for(world: World) -> None:
    await add(world, 10)
    ids, info = await page(world, "first: 0")
    assert ids == []
    assert info["hasNextPage"]
