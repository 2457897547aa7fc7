"""Fields that are not what is stored: a link is a key, a ref is a path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from graphql import GraphQLFieldResolver, GraphQLResolveInfo

from bff.document import document_id
from bff.errors import NotFound
from bff.model.view_model import ViewModel
from bff.resolvers.context import Context
from bff.resolvers.view_document import ViewDocument

__all__ = ["link_resolver", "ref_resolver"]


def link_resolver(view: type[ViewModel], *, nullable: bool) -> GraphQLFieldResolver:
    """Follows the key, or the keys, that the field holds.

    A view that is gone is null where the field may be, left out of a list, and an error otherwise: the linking view is
    about to be built without it.
    """

    def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Awaitable[Any] | None:
        stored = source.get(info.field_name)
        context = cast(Context, info.context)
        if stored is None:
            return None
        if isinstance(stored, list):
            return _present(context, view, stored)
        found = context.load(view, str(stored))
        return found if nullable else _required(found, view, str(stored))

    return resolve


def _present(context: Context, view: type[ViewModel], keys: list[Any]) -> Awaitable[list[ViewDocument]]:
    # The loads are made here, not in a coroutine that runs later: this is what makes one batch of a level.
    found = asyncio.gather(*(context.load(view, str(key)) for key in keys if key is not None))

    async def present() -> list[ViewDocument]:
        return [one for one in await found if one is not None]

    return present()


async def _required(found: Awaitable[ViewDocument | None], view: type[ViewModel], key: str) -> ViewDocument:
    document = await found
    if document is None:
        raise NotFound(f"the {view.__view__.name} {key!r} is gone")
    return document


def ref_resolver(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """The id of the document that the stored path leads to: what mutations take."""
    return _ids(source.get(info.field_name))


def _ids(stored: Any) -> Any:
    if isinstance(stored, list):
        return [_ids(one) for one in stored]
    return document_id(stored) if isinstance(stored, str) else stored
