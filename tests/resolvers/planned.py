"""Plans beside graphql-core: the same operation, answered by both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    GraphQLSchema,
    OperationDefinitionNode,
    execute,
    get_variable_values,
    parse,
    validate,
)

from bff.broadcast.connect import open_broadcast
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.errors import BFFError
from bff.live.hub import Hub
from bff.model.catalog import Catalog
from bff.model.session import use_session
from bff.model.view_model import ViewModel
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.resolvers.bind import bind
from bff.resolvers.context import Context
from bff.resolvers.plan.plans import Plans
from bff.resolvers.visibility import Visibility
from bff.schema.build import build_schema
from tests.resolvers.plan_views import VIEWS, fill

__all__ = ["AtHand", "Listed", "Workshop", "operation_of", "workshop"]


@dataclass
class Listed:
    views: Sequence[StoredView]
    more: bool
    texts: dict[Any, bytes] = field(default_factory=dict)


class AtHand:
    """Stored views, some of them close at hand: those that were read before and that ``keeps`` says so of."""

    def __init__(self, views: ViewReader, keeps: Callable[[str], bool]) -> None:
        self._views = views
        self._keeps = keeps
        self.states: dict[tuple[str, str], StoredView] = {}
        self.lists: dict[str, Listed] = {}
        self.reads: list[tuple[str, tuple[str, ...]]] = []

    def known(self, view: type[ViewModel], key: str) -> StoredView | None:
        return self.states.get((view.__view__.name, key))

    def known_all(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView] | None:
        found = [state for key in keys if (state := self.known(view, key)) is not None and state.exists]
        return found if len(found) == len(keys) else None

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        self.reads.append((view.__view__.name, tuple(keys)))
        found = await self._views.read_each(view, keys)
        for one in found:
            if isinstance(one, StoredView) and self._keeps(one.key):
                self.states[one.view, one.key] = one
        return found

    def known_list(self, view: type[ViewModel], query: Query, first: int) -> Listed | None:
        return self.lists.get(f"{query}{first}")

    async def read_list(self, view: type[ViewModel], query: Query, first: int) -> Listed:
        found = await self._views.find_at(replace(query, limit=first + 1), view)
        views = [self.known(view, one.key) or one for one in found.views]
        listed = Listed(views[:first], len(views) > first)
        if self._keeps("lists"):
            self.lists[f"{query}{first}"] = listed
        return listed

    async def watch(self, view: type[ViewModel], key: str, wake: Callable[[], None]) -> Any:
        raise AssertionError("queries watch nothing")


@dataclass
class Workshop:
    """The views of ``plan_views``, stored."""

    datastore: Datastore
    catalog: Catalog
    schema: GraphQLSchema
    views: ViewReader
    hub: Hub
    executed: int = 0

    def at_hand(self, keeps: Callable[[str], bool]) -> AtHand:
        return AtHand(self.views, keeps)

    def plans(self, views: Any = None) -> Plans:
        hub = views or self.at_hand(lambda key: True)
        return Plans(self.schema, self.catalog, Visibility(self.catalog, self.views, hub))

    def parse(self, source: str) -> DocumentNode:
        document = parse(source)
        assert not validate(self.schema, document)
        return document

    async def execute(self, document: DocumentNode, variables: Mapping[str, Any]) -> bytes | None:
        """What graphql-core answers; None where there are errors in it."""
        self.executed += 1
        node = operation_of(document)
        if isinstance(get_variable_values(self.schema, node.variable_definitions or (), dict(variables)), list):
            return None
        context = Context(self.datastore, self.catalog, self.views, self.hub)
        found: Any = execute(self.schema, document, None, context, dict(variables))
        result = await found if isawaitable(found) else found
        try:
            return None if result.errors else orjson.dumps({"data": result.data})
        except TypeError:
            return None

    async def answer(self, source: str, views: Any = None, **variables: Any) -> bytes | None:
        """What the plan answers; None where it leaves that to graphql-core. There has to be a plan."""
        document = self.parse(source)
        plan: Any = self.plans(views).plan(document, operation_of(document))
        assert plan is not None, "it is planned"
        return await ask(plan, variables)

    async def same(self, source: str, views: Any = None, **variables: Any) -> Any:
        """The data that both answer, which is the same to the byte."""
        views = views or self.at_hand(lambda key: True)
        expected = await self.execute(self.parse(source), variables)
        assert expected is not None, "graphql-core has an answer"
        # The second time everything is known, and has been written before.
        for _ in range(2):
            assert await self.answer(source, views, **variables) == expected
        return orjson.loads(expected)["data"]


async def ask(plan: Any, given: Mapping[str, Any]) -> bytes | None:
    """What a plan answers."""
    variables = plan.variables(given)
    if variables is None:
        return None
    found: bytes | Awaitable[bytes | None] | None = plan.answer(variables)
    return await found if isawaitable(found) else found


def operation_of(document: DocumentNode) -> OperationDefinitionNode:
    [found] = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return found


@asynccontextmanager
async def workshop(datastore_url: str, type_defs: str | None = None, bindables: Sequence[Any] = ()) -> AsyncIterator[Workshop]:
    """Opened on a datastore, filled, with every view built and stored."""
    catalog = Catalog.of(VIEWS, ())
    schema = build_schema(catalog, type_defs)
    bind(schema, catalog, bindables)
    async with open_datastore(datastore_url) as datastore, open_broadcast("memory://") as broadcast:
        views = ViewReader(datastore, catalog)
        async with Hub(broadcast, views) as hub:
            with use_session(DatastoreSession(datastore)):
                await fill()
            for view, keys in zip(VIEWS, (("saw", "axe", "plane", "t3", "t4", "t5", "t6"), ("ann", "ben", "cy")), strict=False):
                await views.read(view, keys)
            yield Workshop(datastore, catalog, schema, views, hub)
