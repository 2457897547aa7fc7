"""One subscription over each transport, for tests of what holds on all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

from bff.testing.graphql_multipart import GraphQLMultipartClient
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.graphql_ws import GraphQLWSClient

__all__ = ["TRANSPORTS", "Next", "subscribed"]

TRANSPORTS = ["graphql-transport-ws", "event stream", "single connection", "multipart"]

Next = Callable[[], Awaitable[dict[str, Any]]]
"""What comes next of a subscription: one call a result."""


@asynccontextmanager
async def subscribed(transport: str, app: ASGIApp, query: str, asked: Mapping[str, Any] | None = None) -> AsyncIterator[Next]:
    """Subscribe; ``asked`` is ``extensions.bff`` of the request."""
    extensions = None if asked is None else {"bff": asked}
    match transport:
        case "graphql-transport-ws":
            async with GraphQLWSClient.to_app(app) as socket:
                await socket.init()
                id = await socket.subscribe(query, extensions=extensions)
                yield lambda: socket.next(id)
        case "event stream":
            async with GraphQLSSEClient.to_app(app) as client, client.stream(query, extensions=extensions) as stream:
                yield stream.next
        case "single connection":
            async with GraphQLSSEClient.to_app(app) as client, client.single_connection() as single:
                id = await single.subscribe(query, extensions=extensions)
                yield lambda: single.next(id)
        case "multipart":
            async with GraphQLMultipartClient.to_app(app) as parts, parts.stream(query, extensions=extensions) as parted:
                yield parted.next
        case other:
            raise ValueError(other)
