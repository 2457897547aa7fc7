"""Fields that are not what is stored: a link is a key, a ref is a path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeAlias, TypeVar, cast

from graphql import GraphQLFieldResolver, GraphQLResolveInfo
from graphql.pyutils import Path

from bff.document import document_id
from bff.errors import NotFound
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.resolvers.context import Context
from bff.resolvers.view_document import ViewDocument

__all__ = ["ids_of", "link_resolver", "links_resolver", "ref_resolver"]

A = TypeVar("A")
B = TypeVar("B")


Find: TypeAlias = Callable[[Any], tuple[type[ViewModel], str]]
"""The view and the key that something stored leads to."""


def link_resolver(view: type[ViewModel], *, nullable: bool) -> GraphQLFieldResolver:
    """Follows the key, or the keys, that the field holds.

    A view that is gone is null where the field may be, left out of a list, and an error otherwise: the linking view is
    about to be built without it.
    """
    return _follow(lambda stored: (view, str(stored)), nullable)


def links_resolver(catalog: Catalog, *, nullable: bool) -> GraphQLFieldResolver:
    """As ``link_resolver``, where the view is one of several kinds: each key says of which (``Circle:c1``)."""

    def find(stored: Any) -> tuple[type[ViewModel], str]:
        name, _, key = str(stored).partition(":")
        view = catalog.views.get(name)
        if view is None:
            # Stored by older code, and about to be built anew.
            raise NotFound(f"there is no view {name!r} any more")
        return view, key

    return _follow(find, nullable)


def _follow(find: Find, nullable: bool) -> GraphQLFieldResolver:
    def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Awaitable[Any] | None:
        stored = source.get(info.field_name)
        context = cast(Context, info.context)
        if stored is None:
            return None
        if isinstance(stored, list):
            return _present(context, [find(one) for one in stored if one is not None], info.path)
        view, key = find(stored)
        found = context.load(view, key, info.path)
        return found if nullable else _required(found, view, key)

    return resolve


def _present(context: Context, links: list[tuple[type[ViewModel], str]], path: Path) -> Awaitable[list[ViewDocument]]:
    # The loads are made here, not in a coroutine that runs later: this is what makes one batch of a level.
    found = [context.load(view, key, path.add_key(at, None)) for at, (view, key) in enumerate(links)]
    return _Then(asyncio.gather(*found), lambda documents: [one for one in documents if one is not None])


def _required(found: Awaitable[ViewDocument | None], view: type[ViewModel], key: str) -> Awaitable[ViewDocument]:
    def required(document: ViewDocument | None) -> ViewDocument:
        if document is None:
            raise NotFound(f"the {view.__view__.name} {key!r} is gone")
        return document

    return _Then(found, required)


class _Then(Generic[A, B]):
    """What is made of a value once it is there. Not a coroutine: an operation that is cancelled may never have come to it."""

    __slots__ = ("_awaitable", "_make")

    def __init__(self, awaitable: Awaitable[A], make: Callable[[A], B]) -> None:
        self._awaitable = awaitable
        self._make = make

    def __await__(self) -> Generator[Any, Any, B]:
        return self._make((yield from self._awaitable.__await__()))


def ref_resolver(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """The id of the document that the stored path leads to: what mutations take."""
    return ids_of(source.get(info.field_name))


def ids_of(stored: Any) -> Any:
    """The ids of stored paths, in lists as these are."""
    if isinstance(stored, list):
        return [ids_of(one) for one in stored]
    return document_id(stored) if isinstance(stored, str) else stored
