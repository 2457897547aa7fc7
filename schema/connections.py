"""Connection types, after Relay's specification (https://relay.dev/graphql/connections.htm)."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from typing import Any

import graphene

from bff.model.view_model import ViewModel
from bff.schema.names import describe_class
from bff.schema.types import Types, object_type

__all__ = ["PageInfo", "connection"]

TOTAL_COUNT = "How many there are on all pages, counted when asked for, a moment after the page was read."


class PageInfo(graphene.ObjectType):
    """Where a page of a connection stands in the whole."""

    hasNextPage = graphene.Boolean(required=True, description="Whether there is more after this page.")  # noqa: N815
    hasPreviousPage = graphene.Boolean(required=True, description="Whether there is more before this page.")  # noqa: N815
    startCursor = graphene.String(description="The cursor of the first edge: `before` it is the page before.")  # noqa: N815
    endCursor = graphene.String(description="The cursor of the last edge: `after` it is the page after.")  # noqa: N815


def connection(types: Types, view: type[ViewModel]) -> Any:
    """``MeetingSessionConnection`` with its ``MeetingSessionEdge``."""
    name = view.__view__.name
    edge_name, connection_name = f"{name}Edge", f"{name}Connection"
    for claimed in (edge_name, connection_name):
        types.names.claim(claimed, (claimed, view), f"the connection of {describe_class(view)}")
    edge = object_type(
        edge_name,
        (
            graphene.Field(graphene.NonNull(types.view(view)), name="node"),
            graphene.Field(graphene.NonNull(graphene.String), name="cursor", description="Its place in the order, opaque."),
        ),
        f"One {name} in a list.",
        name,
    )
    return object_type(
        connection_name,
        (
            graphene.Field(graphene.NonNull(graphene.List(graphene.NonNull(edge))), name="edges"),
            graphene.Field(graphene.NonNull(PageInfo), name="pageInfo"),
            graphene.Field(graphene.NonNull(graphene.Int), name="totalCount", description=TOTAL_COUNT),
        ),
        f"A page of {name}s.",
        name,
    )
