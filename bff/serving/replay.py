"""The body of a request that one part of the server has read, and another one is to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from starlette.types import Message, Receive

from bff.serving.limits import Limits

__all__ = ["Begun", "Replay", "whole_body"]


class Begun:
    """An awaitable that was begun, and has come to something that it waits for: awaited, it goes on."""

    __slots__ = ("_running", "_waits_for")

    def __init__(self, running: Generator[Any, Any, Message], waits_for: Any) -> None:
        self._running = running
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Message]:
        yielded = self._waits_for
        while True:
            raised: BaseException | None = None
            sent = None
            try:
                sent = yield yielded
            except BaseException as error:
                raised = error
            try:
                yielded = self._running.send(sent) if raised is None else self._running.throw(raised)
            except StopIteration as done:
                message: Message = done.value
                return message


class Replay:
    """A ``receive`` that begins with what was read already: a message, or that none has come in time."""

    __slots__ = ("_read", "_receive")

    def __init__(self, read: Message | TimeoutError, receive: Receive) -> None:
        self._read: Message | TimeoutError | None = read
        self._receive = receive

    async def __call__(self) -> Message:
        read, self._read = self._read, None
        if read is None:
            return await self._receive()
        if isinstance(read, TimeoutError):
            raise read
        return read


async def whole_body(first: Message | Begun, receive: Receive, limits: Limits) -> Message | TimeoutError:
    """The whole body as one message, or as much of it as is too much; or the message that the client has gone.

    TimeoutError, not raised, where it does not arrive within ``limits.body_seconds``.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            message = await first if isinstance(first, Begun) else first
            while message["type"] == "http.request":
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if not more or len(body) > limits.body_bytes:
                    return {"type": "http.request", "body": bytes(body), "more_body": more}
                message = await receive()
            return message
    except TimeoutError as error:
        return error
