"""Subscriptions by id: the present state, every later one, null when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import ExecutionResult, parse, subscribe

from bff.datastore.session import DatastoreSession
from bff.errors import BadUserInput
from bff.model.session import use_session
from tests.resolvers.conftest import World
from tests.resolvers.library import Author, Book

pytestmark = pytest.mark.anyio


class Client:
    def __init__(self, events: AsyncIterator[ExecutionResult]) -> None:
        self._events = events

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            result = await anext(self._events)
        assert result.errors is None, result.errors
        return result.data


@asynccontextmanager
async def following(world: World, source: str) -> AsyncIterator[Client]:
    events = await subscribe(world.schema, parse(source), context_value=world.context())
    assert not isinstance(events, ExecutionResult), events.errors
    try:
        yield Client(events)
    finally:
        await events.aclose()  # type: ignore[attr-defined]


async def change(world: World, view: str, key: str) -> None:
    """Build the view anew, and have the hub compare: what projector and relay do."""
    await world.views.fresh(world.catalog.views[view], [key])
    await world.hub.compare()


async def test_the_present_state_and_every_change(world: World) -> None:
    async with following(world, 'subscription { bookPage(id: "wild") { version title } }') as client:
        first = (await client.next())["bookPage"]
        assert first["title"] == "Wild Angels"
        await world.ask('mutation { bookRetitle(id: "wild", title: "Wilder") { id } }')
        await change(world, "BookPage", "wild")
        second = (await client.next())["bookPage"]
        assert second["title"] == "Wilder"
        assert int(second["version"]) > int(first["version"])
    assert world.hub.subscriptions == 0


async def test_null_before_it_is_there_and_after_it_is_gone(world: World) -> None:
    async with following(world, 'subscription { authorCard(id: "new") { name } }') as client:
        assert await client.next() == {"authorCard": None}
        with use_session(DatastoreSession(world.datastore)):
            author = Author(id="new", name="N. N.")
            await author.save()
        await change(world, "AuthorCard", "new")
        assert await client.next() == {"authorCard": {"name": "N. N."}}
        with use_session(DatastoreSession(world.datastore)):
            await author.delete()
        await change(world, "AuthorCard", "new")
        assert await client.next() == {"authorCard": None}


async def test_links_are_followed_anew_for_each_event(world: World) -> None:
    async with following(world, 'subscription { bookPage(id: "wild") { title author { name } } }') as client:
        assert (await client.next())["bookPage"]["author"]["name"] == "Ursula K. Le Guin"
        with use_session(DatastoreSession(world.datastore)):
            author = await Author.get("le-guin")
            book = await Book.get("wild")
            assert author is not None
            assert book is not None
            author.name = "Le Guin"
            book.title = "Wilder"
            await author.save()
            await book.save()
        await change(world, "AuthorPage", "le-guin")
        await change(world, "BookPage", "wild")
        assert (await client.next())["bookPage"] == {"title": "Wilder", "author": {"name": "Le Guin"}}


async def test_a_subscription_that_is_never_read_is_left_whole(world: World) -> None:
    async with following(world, 'subscription { bookPage(id: "wild") { title } }'):
        assert world.hub.subscriptions == 1
    assert world.hub.subscriptions == 0


async def test_a_bad_id_is_the_answer_to_the_subscription(world: World) -> None:
    result = await subscribe(world.schema, parse('subscription { bookPage(id: "a/b") { title } }'), context_value=world.context())
    assert isinstance(result, ExecutionResult)
    assert result.errors is not None
    assert isinstance(result.errors[0].original_error, BadUserInput)
