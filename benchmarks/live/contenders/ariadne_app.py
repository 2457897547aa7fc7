"""Ariadne with broadcaster in memory, as both say it is done; its handler of graphql-transport-ws, everything else as shipped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ariadne import SubscriptionType, make_executable_schema
from ariadne.asgi import GraphQL
from ariadne.asgi.handlers import GraphQLTransportWSHandler
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from benchmarks.live.contenders.broadcaster import Channels
from benchmarks.live.control import control
from benchmarks.live.state import SDL, meeting

__all__ = ["app"]

channels = Channels[dict[str, Any]](lambda view: meeting(view, 0), lambda state, title: {**state, "title": title})
subscription = SubscriptionType()


@subscription.source("meetingSession")
def generate(_: object, info: object, id: str) -> AsyncGenerator[dict[str, Any], None]:
    return channels.follow(id)


@subscription.field("meetingSession")
def resolve(state: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
    return state


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with channels.broadcast, control(channels.change):
        yield


graphql = GraphQL(make_executable_schema(SDL, subscription), websocket_handler=GraphQLTransportWSHandler())
app = Starlette(routes=[WebSocketRoute("/graphql", graphql)], lifespan=lifespan)
