"""The root fields of a query, compiled: a view by its key, ``node(id:)``, a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from graphql import FieldNode, GraphQLField, GraphQLNonNull, GraphQLObjectType

from bff.errors import BadUserInput
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.query import Query
from bff.resolvers.found_page import FoundPage
from bff.resolvers.page import PageRequest
from bff.resolvers.plan.argument_values import ArgumentValues
from bff.resolvers.plan.compiler import Compiler
from bff.resolvers.plan.connection_selection import ConnectionSelection
from bff.resolvers.plan.planning import ListedViews, Unanswerable, Unplannable
from bff.resolvers.plan.selection import NULL, Out, ViewSelection, digest
from bff.resolvers.plan.texts import keep, write
from bff.resolvers.plan.walk import Walk

__all__ = ["ListRoot", "NodeRoot", "Root", "TypenameRoot", "ViewRoot", "root_of"]


class Root(Protocol):
    """One root field."""

    def write(self, variables: Mapping[str, Any], walk: Walk, out: Out) -> None:
        """Write its value. Raises Unanswerable, and the errors that graphql-core would tell of."""
        ...


class TypenameRoot:
    """``__typename``."""

    __slots__ = ("_text",)

    def __init__(self, name: str) -> None:
        self._text = write(name)

    def write(self, variables: Mapping[str, Any], walk: Walk, out: Out) -> None:
        out.append(self._text)


class ViewRoot:
    """``meetingSession(id:)``. The key is the variable ``variable``, or else ``key``."""

    __slots__ = ("key", "required", "selection", "variable", "view")

    def __init__(self, field: GraphQLField, nodes: list[FieldNode], compiler: Compiler) -> None:
        [self.selection] = compiler.views(field.type, nodes).values()
        self.view = self.selection.view
        self.required = isinstance(field.type, GraphQLNonNull)
        self.variable, self.key = ArgumentValues(field, nodes[0]).alone("id")

    def key_of(self, variables: Mapping[str, Any]) -> str:
        """Raises Unanswerable where it is not given."""
        key = self.key if self.variable is None else variables.get(self.variable)
        if not isinstance(key, str):
            raise Unanswerable("no id is given")
        return key

    def write(self, variables: Mapping[str, Any], walk: Walk, out: Out) -> None:
        state = walk.asked(self.view, self.key_of(variables))
        if state is None:
            return  # to be read, and written then
        if state.document is not None:
            self.selection.write(state, walk, out)
        elif self.required:
            raise Unanswerable("null where there must be a view")
        else:
            out.append(NULL)


class NodeRoot:
    """``node(id:)``, as ``bff.resolvers.query.node_resolver`` finds it."""

    __slots__ = ("_arguments", "_asked", "_selections", "_views")

    def __init__(self, field: GraphQLField, node: FieldNode, catalog: Catalog, selections: Mapping[str, ViewSelection]) -> None:
        if isinstance(field.type, GraphQLNonNull):
            raise Unplannable("a node that must be there")
        self._arguments = ArgumentValues(field, node)
        self._selections = selections
        self._views = catalog.views
        self._asked = [view for view in catalog.views.values() if len(view.__view__.store.__store__.roots) == 1]

    def write(self, variables: Mapping[str, Any], walk: Walk, out: Out) -> None:
        id = self._arguments.values(variables)["id"]
        name, colon, key = id.partition(":")
        if colon and name in self._views:
            states = [walk.asked(self._views[name], key)]
        else:
            states = [walk.asked(view, id) for view in self._asked]
        if None in states:
            return  # to be read, and written then
        found = [state for state in states if state is not None and state.document is not None]
        if len(found) > 1:
            raise BadUserInput("several views have the key")
        if not found:
            out.append(NULL)
            return
        self._selections[found[0].view].write(found[0], walk, out)


class ListRoot:
    """``meetingSessions(filter:, orderBy:, first:, after:, last:, before:)``."""

    __slots__ = ("_arguments", "_key", "_requests", "_selection", "_view")

    def __init__(self, field: GraphQLField, node: FieldNode, view: type[ViewModel], selection: ConnectionSelection) -> None:
        self._view = view
        self._selection = selection
        self._arguments = ArgumentValues(field, node)
        self._key = digest(f"{view.__view__.name} list {selection.shape}")
        self._requests: dict[tuple[Any, ...], _Request] = {}

    def write(self, variables: Mapping[str, Any], walk: Walk, out: Out) -> None:
        request = self._request(variables)
        if request.query is None:
            page = walk.found((self, "page"), partial(request.page.find, walk.queries))
            if page is not None:
                count = self._count(request.page, walk) if self._selection.counts else None
                self._selection.write(page, count, walk, out)
            return
        listed = walk.listed(self, self._view, request.query, request.first)
        if listed is not None:
            self._write_listed(request.page, listed, walk, out)

    def _write_listed(self, request: PageRequest, listed: ListedViews, walk: Walk, out: Out) -> None:
        count = None
        if self._selection.counts:
            # The whole of a list has been counted by whoever has it.
            count = self._count(request, walk) if listed.more else len(listed.views)
        if not self._selection.plain or (self._selection.counts and listed.more):
            self._selection.write(_page(request, listed), count, walk, out)
            return
        text = listed.texts.get(self._key)
        if text is None:
            written: Out = []
            self._selection.write(_page(request, listed), count, walk, written)
            text = b"".join(written)
            keep(listed.texts, self._key, text, repeats=self._selection.repeats)
        out.append(text)

    def _count(self, request: PageRequest, walk: Walk) -> int | None:
        """How many there are; None where that has to be counted."""
        found: int | None = walk.found((self, "count"), lambda: walk.queries.count(request.counted(), self._view))
        return found

    def _request(self, variables: Mapping[str, Any]) -> _Request:
        """The same object for the same plain values: what a query is made of is found out once. Raises as ``PageRequest``."""
        key = tuple(variables.get(name, ...) for name in self._arguments.variables)
        plain = all(type(value) in _PLAIN and (type(value) is not str or len(value) <= LONGEST) for value in key)
        request = self._requests.get(key) if plain else None
        if request is None:
            request = self._make(variables)
            if plain:
                if len(self._requests) >= MOST:
                    self._requests.pop(next(iter(self._requests)))
                self._requests[key] = request
        return request

    def _make(self, variables: Mapping[str, Any]) -> _Request:
        given = dict(self._arguments.values(variables))
        order_by = given.pop("orderBy", None)
        page = PageRequest(self._view, order_by=order_by, **given)
        if not page.known_first:
            return _Request(page, None, 0)
        return _Request(page, *page.window())


def _page(request: PageRequest, listed: ListedViews) -> FoundPage:
    if any(view.document is None for view in listed.views):
        # It was stored by older code and cannot be built any more: its place is known to the datastore alone.
        raise Unanswerable("a view of the list is gone")
    return request.first_page(listed.views, more=listed.more)


MOST: Final = 64
"""So many different arguments of one list are remembered."""

LONGEST: Final = 512
"""Longer texts in them are not remembered: each may be as long as a request."""

_PLAIN: Final = {str, int, type(None), type(...)}


@dataclass(frozen=True, slots=True)
class _Request:
    """A page, and what ``known_list`` is asked for it; no query where it is none of a list's first views."""

    page: PageRequest
    query: Query | None
    first: int


def root_of(compiler: Compiler, owner: GraphQLObjectType, nodes: list[FieldNode], catalog: Catalog) -> Root:
    """The root field that these nodes are. Raises Unplannable."""
    name = nodes[0].name.value
    if name == "__typename":
        return TypenameRoot(owner.name)
    field = compiler.field(owner, name)
    if name == "node":
        return NodeRoot(field, nodes[0], catalog, compiler.views(field.type, nodes))
    for view in catalog.views.values():
        if name == view.__view__.query_name:
            return ViewRoot(field, nodes, compiler)
        if name == view.__view__.list_name:
            return ListRoot(field, nodes[0], view, ConnectionSelection.of(compiler, field, nodes))
    raise Unplannable(f"{name} is resolved by hand")
