"""What arrives of a response that goes on, read by a task, so that nothing is lost and every wait has a deadline."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import httpx

__all__ = ["Ended", "Inbox", "Refused"]

_MAX_QUEUED = 100_000

MessageT = TypeVar("MessageT")


class Ended(Exception):
    """The response has ended, or broken off, where a message was awaited."""


class Refused(Exception):
    """The server has answered with another response than a stream; ``status`` and ``body`` are its own."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:500]}")
        self.status = status
        self.body = body


class Inbox(Generic[MessageT]):
    """The messages of one response, in the order of their arrival. ``parse`` takes complete messages off a buffer of text."""

    def __init__(
        self, response: httpx.Response, parse: Callable[[str], tuple[list[MessageT], str]], *, timeout: float = 10.0
    ) -> None:
        self.timeout = timeout
        self.response = response
        self._parse = parse
        self._messages: deque[MessageT] = deque()
        self._ended: str | None = None
        self._arrived = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @property
    def waiting(self) -> list[MessageT]:
        """The messages that have arrived and that nobody has asked for yet."""
        return list(self._messages)

    async def next(self, wanted: Callable[[MessageT], bool], what: str) -> MessageT:
        """The first message that is as wanted; the others wait. Raises Ended, TimeoutError."""
        async with self._arrived:
            await self._until(lambda: self._ended is not None or any(map(wanted, self._messages)), what)
            for message in self._messages:
                if wanted(message):
                    self._messages.remove(message)
                    return message
        raise Ended(f"{what} did not come: {self._ended}")

    async def expect_end(self) -> str:
        """Wait until the response has ended; why. Raises TimeoutError."""
        async with self._arrived:
            await self._until(lambda: self._ended is not None, "the end of the response")
        return self._ended or ""

    async def close(self) -> None:
        """Disconnect."""
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self.response.aclose()

    async def _until(self, come: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await self._arrived.wait_for(come)
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {self.timeout} s; waiting: {self.waiting[:5]}") from None

    async def _read(self) -> None:
        buffer, ended = "", "the server has ended it"
        try:
            async for text in self.response.aiter_text():
                messages, buffer = self._parse(buffer + text)
                if len(self._messages) + len(messages) > _MAX_QUEUED:
                    raise OverflowError(f"{_MAX_QUEUED} messages wait and nobody asks for them")
                async with self._arrived:
                    self._messages.extend(messages)
                    self._arrived.notify_all()
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
        async with self._arrived:
            self._ended = ended
            self._arrived.notify_all()
