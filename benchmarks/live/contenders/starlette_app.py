"""The same broadcast through Starlette's WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.live.contenders.broadcast import Hold, Room
from benchmarks.live.control import control

__all__ = ["app"]

ROOM = Room()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with control(ROOM.change):
        yield


async def live(websocket: WebSocket) -> None:
    await websocket.accept("graphql-transport-ws")
    hold = Hold(ROOM, websocket.send_text)
    try:
        async for text in websocket.iter_text():
            await hold.take(text)
    finally:
        hold.leave()


app = Starlette(routes=[WebSocketRoute("/graphql", live)], lifespan=lifespan)
