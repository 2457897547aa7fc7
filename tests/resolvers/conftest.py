"""The library, opened on each datastore, with what a request finds there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLSchema, graphql

from bff.broadcast.connect import open_broadcast
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.errors import BFFError
from bff.live.hub import Hub
from bff.model.catalog import Catalog
from bff.model.session import use_session
from bff.model.view_model import ViewModel
from bff.projection.reader import Found, ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.resolvers.bind import bind
from bff.resolvers.context import Context
from bff.schema.build import build_schema
from tests.resolvers.library import MEDIATORS, VIEWS, Audiobook, Author, Book, Ebook, Genre, Paper, Reader


class CountingViews:
    """A ViewReader that tells what was asked of it."""

    def __init__(self, views: ViewReader) -> None:
        self._views = views
        self.reads: list[tuple[str, tuple[str, ...]]] = []
        self.counts = 0

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        self.reads.append((view.__view__.name, tuple(keys)))
        return await self._views.read(view, keys)

    async def read_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        self.reads.append((view.__view__.name, tuple(keys)))
        return await self._views.read_each(view, keys)

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        return await self._views.fresh(view, keys)

    async def find_at(self, query: Query, view: type[ViewModel]) -> Found:
        return await self._views.find_at(query, view)

    async def read_at(self, view: type[ViewModel], keys: Sequence[str]) -> Found:
        return await self._views.read_at(view, keys)

    async def count(self, query: Query, view: type[ViewModel]) -> int:
        self.counts += 1
        return await self._views.count(query, view)


@dataclass
class World:
    """A library, and clients of it."""

    datastore: Datastore
    catalog: Catalog
    schema: GraphQLSchema
    views: CountingViews
    hub: Hub

    def context(self) -> Context:
        return Context(self.datastore, self.catalog, self.views, self.hub)  # type: ignore[arg-type]

    async def execute(self, source: str, **variables: Any) -> ExecutionResult:
        return await graphql(self.schema, source, variable_values=variables, context_value=self.context())

    async def ask(self, source: str, **variables: Any) -> Any:
        """The data of an operation without errors."""
        result = await self.execute(source, **variables)
        assert result.errors is None, result.errors
        return result.data

    async def refused(self, source: str, **variables: Any) -> BFFError:
        """The error of an operation that has one."""
        result = await self.execute(source, **variables)
        assert result.errors is not None
        assert len(result.errors) == 1, result.errors
        original = result.errors[0].original_error
        assert isinstance(original, BFFError), result.errors
        return original


@asynccontextmanager
async def library(datastore_url: str, type_defs: str | None = None, bindables: Sequence[Any] = ()) -> AsyncIterator[World]:
    catalog = Catalog.of(VIEWS, MEDIATORS)
    schema = build_schema(catalog, type_defs)
    bind(schema, catalog, bindables)
    async with open_datastore(datastore_url) as datastore, open_broadcast("memory://") as broadcast:
        views = CountingViews(ViewReader(datastore, catalog))
        async with Hub(broadcast, views) as hub:
            with use_session(DatastoreSession(datastore)):
                await fill()
            yield World(datastore, catalog, schema, views, hub)


async def fill() -> None:
    await Author(id="le-guin", name="Ursula K. Le Guin").save()
    await Author(id="lem", name="Stanisław Lem").save()
    await Reader(id="tijuana", name="Tijuana Furlong").save()
    await Book(
        id="dispossessed",
        title="The Dispossessed",
        author=Author.ref("le-guin"),
        pages=387,
        copies=[Paper(shelf="A1"), Ebook(size=12, links=["x"])],
        tags=["anarchy", "physics"],
    ).save()
    await Book(id="wild", title="Wild Angels", author=Author.ref("le-guin"), pages=50, genre=Genre.POETRY, tags=["early"]).save()
    await Audiobook(id="solaris", title="Solaris", author=Author.ref("lem"), pages=204, narrator="A. Genesi", note="sea").save()


@pytest.fixture
async def world(datastore_url: str) -> AsyncIterator[World]:
    async with library(datastore_url) as opened:
        yield opened
