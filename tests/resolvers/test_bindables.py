"""Hand-written SDL and resolvers beside the reflected ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import Enum
from typing import Any

import pytest
from ariadne import EnumType, MutationType, ObjectType, QueryType, ScalarType, SchemaBindable, SubscriptionType
from graphql import ExecutionResult, GraphQLObjectType, GraphQLSchema, parse, subscribe

from bff.errors import BadUserInput, DeclarationError
from bff.model.catalog import Catalog
from bff.naming import to_snake
from bff.resolvers.bind import bind
from bff.resolvers.context import Context
from bff.schema.build import build_schema
from tests.resolvers.conftest import library
from tests.resolvers.library import MEDIATORS, VIEWS, Author, AuthorCard, Book, BookPage

pytestmark = pytest.mark.anyio

TYPE_DEFS = """
    scalar Shout
    enum Mood { GOOD BAD }
    type Weather { mood: Mood! degreesCelsius: Int! }
    extend type Query {
        hello(name: String! = "you", mood: Mood! = GOOD): Shout!
        weather: Weather!
        featured: BookPage
        shelf: [BookPage!]!
        lem: String!
        something: Node
    }
    extend type BookPage { upper: String! }
    extend type Mutation { rename(id: ID!, name: String!): String! }
    extend type Subscription { names: String! }
"""


class Mood(Enum):
    GOOD = 1
    BAD = 2


query, mutation, subscription = QueryType(), MutationType(), SubscriptionType()
weather, page = ObjectType("Weather"), ObjectType("BookPage")
shout = ScalarType("Shout", serializer=lambda value: str(value).upper())


@query.field("hello")
def resolve_hello(_: Any, info: Any, name: str, mood: Any) -> str:
    assert isinstance(info.context, Context)
    return f"hello {name} {Mood(mood).name}"


@query.field("weather")
def resolve_weather(*_: Any) -> dict[str, Any]:
    return {"mood": Mood.BAD, "degrees_celsius": 3}


@query.field("featured")
async def resolve_featured(*_: Any) -> BookPage:
    book = await Book.get("wild")
    assert book is not None
    return BookPage.of(book)


@query.field("shelf")
def resolve_shelf(*_: Any) -> list[BookPage]:
    return [BookPage.of("wild"), BookPage.of("solaris")]


@query.field("something")
def resolve_something(*_: Any) -> AuthorCard:
    return AuthorCard.of("lem")


@query.field("lem")
async def resolve_lem(*_: Any) -> str:
    await asyncio.sleep(0)
    author = await Author.get("lem")
    assert author is not None
    return author.name


@page.field("upper")
def resolve_upper(source: dict[str, Any], _: Any) -> str:
    return str(source["title"]).upper()


@mutation.field("rename")
async def resolve_rename(_: Any, __: Any, id: str, name: str) -> str:
    author = await Author.get(id)
    assert author is not None
    author.name = name
    await author.save()
    return author.name


@subscription.source("names")
async def follow_names(*_: Any) -> AsyncIterator[str]:
    for id in ("lem", "le-guin"):
        author = await Author.get(id)
        assert author is not None
        yield author.name


@subscription.field("names")
def resolve_names(name: str, _: Any) -> str:
    return name


class SnakeCase(SchemaBindable):
    """Reads every field that has no resolver by its snake_case name."""

    def bind_to_schema(self, schema: GraphQLSchema) -> None:
        for one in schema.type_map.values():
            if isinstance(one, GraphQLObjectType):
                for name, field in one.fields.items():
                    if field.resolve is None:
                        field.resolve = lambda source, _, name=name: source[to_snake(name)]


# Fallback resolvers, which look for snake_case names, are for what is written by hand only.
BINDABLES = [query, mutation, subscription, weather, page, shout, EnumType("Mood", Mood), SnakeCase()]


async def test_they_stand_beside_the_reflected_ones(datastore_url: str) -> None:
    async with library(datastore_url, TYPE_DEFS, BINDABLES) as world:
        data = await world.ask(
            """{ hello(name: "there") weather { mood degreesCelsius } lem bookPage(id: "wild") { authorName upper }
                 featured { id title upper author { name } } shelf { id } something { __typename id } }"""
        )
        assert data == {
            "hello": "HELLO THERE GOOD",
            "weather": {"mood": "BAD", "degreesCelsius": 3},
            "lem": "Stanisław Lem",
            "bookPage": {"authorName": "Ursula K. Le Guin", "upper": "WILD ANGELS"},
            "featured": {"id": "wild", "title": "Wild Angels", "upper": "WILD ANGELS", "author": {"name": "Ursula K. Le Guin"}},
            "shelf": [{"id": "wild"}, {"id": "solaris"}],
            "something": {"__typename": "AuthorCard", "id": "lem"},
        }


async def test_models_work_in_them(datastore_url: str) -> None:
    async with library(datastore_url, TYPE_DEFS, BINDABLES) as world:
        assert await world.ask('mutation { rename(id: "lem", name: "S. L.") }') == {"rename": "S. L."}
        events = await subscribe(world.schema, parse("subscription { names }"), context_value=world.context())
        assert not isinstance(events, ExecutionResult)
        assert [event.data async for event in events] == [{"names": "S. L."}, {"names": "Ursula K. Le Guin"}]


async def test_an_input_that_was_extended_by_hand_needs_a_hand_written_resolver(datastore_url: str) -> None:
    async with library(datastore_url, "extend input BookPageInput { colour: String }") as world:
        error = await world.refused('mutation { updateBookPage(id: "wild", input: {colour: "red"}) { id } }')
        assert isinstance(error, BadUserInput)
        assert error.path == ["input", "colour"]


@pytest.mark.parametrize(
    ("bindable", "problem"),
    [
        (ObjectType("Nothing"), "Type Nothing is not defined"),
        (_unknown := ObjectType("BookPage"), "Field nothing is not defined"),
    ],
)
def test_what_does_not_fit_is_refused(bindable: ObjectType, problem: str) -> None:
    _unknown.set_field("nothing", lambda *_: None)
    catalog = Catalog.of(VIEWS, MEDIATORS)
    with pytest.raises(DeclarationError, match=problem):
        bind(build_schema(catalog), catalog, [bindable])
