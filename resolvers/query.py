"""Queries: a view by its key, a page of views, whatever has an id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from graphql import GraphQLFieldResolver, GraphQLResolveInfo

from bff.errors import BadUserInput
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.resolvers.arguments import argument_at
from bff.resolvers.context import Context
from bff.resolvers.page import PageRequest
from bff.resolvers.view_document import ViewDocument

__all__ = ["list_resolver", "node_resolver", "view_resolver"]


def view_resolver(view: type[ViewModel]) -> GraphQLFieldResolver:
    """``meetingSession(id:)``: the view, or null."""

    def resolve(_: Any, info: GraphQLResolveInfo, *, id: str) -> Awaitable[ViewDocument | None]:
        with argument_at(["id"]):
            return cast(Context, info.context).load(view, id)

    return resolve


def list_resolver(view: type[ViewModel]) -> GraphQLFieldResolver:
    """``meetingSessions(filter:, orderBy:, first:, after:, last:, before:)``: a page of the stored views."""

    def resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Awaitable[dict[str, Any]]:
        order_by = arguments.pop("orderBy", None)
        return PageRequest(view, order_by=order_by, **arguments).read(cast(Context, info.context))

    return resolve


def node_resolver(catalog: Catalog) -> GraphQLFieldResolver:
    """``node(id:)``: the view of ``Type:key``, or of a key that only one view has (docs/decisions/node-ids.md)."""

    async def resolve(_: Any, info: GraphQLResolveInfo, *, id: str) -> ViewDocument | None:
        context = cast(Context, info.context)
        name, colon, key = id.partition(":")
        if colon and name in catalog.views:
            with argument_at(["id"]):
                found_by_type = context.load(catalog.views[name], key)
            return await found_by_type
        asked = [view for view in catalog.views.values() if len(view.__view__.store.__store__.roots) == 1]
        with argument_at(["id"]):
            loads = [context.load(view, id) for view in asked]
        found = [one for one in await asyncio.gather(*loads) if one is not None]
        if len(found) > 1:
            forms = " or ".join(f"{one.view}:{id}" for one in found)
            raise BadUserInput(f"several views have the key {id!r}: ask for {forms}", ["id"])
        return found[0] if found else None

    return resolve
