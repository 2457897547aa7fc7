"""The body of a request that one part of the server has read, and another one is to answer."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from bff.begun import Begun
from bff.serving.limits import Limits

__all__ = ["Replay", "whole_body"]


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


async def whole_body(first: Message | Begun[Message], receive: Receive, limits: Limits) -> Message | TimeoutError:
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
