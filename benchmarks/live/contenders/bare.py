"""The limit of ASGI: a bare application that writes one constant frame to every socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from benchmarks.live.contenders.broadcast import Hold, Room
from benchmarks.live.control import control

__all__ = ["app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ROOM = Room()


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        async with control(ROOM.change):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
    hold = Hold(ROOM, partial(send_text, send))
    try:
        while (message := await receive())["type"] == "websocket.receive":
            await hold.take(message["text"])
    finally:
        hold.leave()


async def send_text(send: Send, text: str) -> None:
    await send({"type": "websocket.send", "text": text})
