"""One connection to Redis that subscribes: from opening it to losing it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

__all__ = ["RedisLink"]

Outcome: TypeAlias = RedisError | None
"""What became of a command: None when it was acknowledged, a ResponseError when refused, another error when the link is lost."""

Receive: TypeAlias = Callable[[bytes, bytes], Awaitable[None]]


class RedisLink:
    """A connection in subscribed mode, which never reconnects by itself.

    redis-py's own PubSub does, between two messages and without a word, so that nobody learns that something was missed; it
    also returns from ``subscribe`` before the server has. Here every command waits for its reply. Redis replies in the order
    of the commands, so a reply belongs to the first command that waits.
    """

    def __init__(self, connection: Any, timeout: float) -> None:
        self._connection = connection  # a redis.asyncio.Connection, which is typed only in part
        self._timeout = timeout
        self._waiting: deque[asyncio.Future[Outcome]] = deque()
        self._writing = asyncio.Lock()
        self._lost: RedisError | None = None
        self._losing = asyncio.Event()

    @asynccontextmanager
    async def open(self, receive: Receive) -> AsyncIterator[None]:
        """Connect, and pass messages to ``receive`` until left. Raises RedisError."""
        reader: asyncio.Task[None] | None = None
        try:
            try:
                async with asyncio.timeout(self._timeout):
                    await self._connection.connect()
            except TimeoutError:
                raise RedisConnectionError(f"no connection within {self._timeout} s") from None
            reader = asyncio.create_task(self._read(receive), name="redis: reader")
            yield
        finally:
            self.lose(RedisConnectionError("the connection is closed"))
            if reader is not None:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            await self._connection.disconnect(nowait=True)

    async def subscribe(self, channel: str) -> Outcome:
        (outcome,) = await self.subscribe_all((channel,))
        return outcome

    async def subscribe_all(self, channels: Sequence[str]) -> list[Outcome]:
        """Returns when each is acknowledged or refused, or when the link is lost: for want of an answer in time, too."""
        return await self._send([("SUBSCRIBE", channel) for channel in channels])

    async def unsubscribe(self, channel: str) -> None:
        await self._send([("UNSUBSCRIBE", channel)])

    async def beat(self, interval: float) -> None:
        """Ask the server every ``interval`` seconds whether it is there. Raises RedisError when the link is lost."""
        while True:
            try:
                async with asyncio.timeout(interval):
                    await self._losing.wait()
            except TimeoutError:
                await self._send([("PING",)])
            self.raise_if_lost()

    def raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def lose(self, error: RedisError) -> None:
        """The link is of no use any more: whoever waits for a reply learns it."""
        if self._lost is None:
            self._lost = error
            self._losing.set()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(self._lost)

    async def _send(self, commands: Sequence[tuple[str, ...]]) -> list[Outcome]:
        if not commands:
            return []
        try:
            async with asyncio.timeout(self._timeout):
                async with self._writing:
                    if self._lost is not None:
                        return [self._lost] * len(commands)
                    if not self._connection.is_connected:  # redis-py would connect anew, behind the reader's back
                        raise RedisConnectionError("the connection is closed")
                    futures = [asyncio.get_running_loop().create_future() for _ in commands]
                    self._waiting.extend(futures)
                    await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
                return [await future for future in futures]
        except TimeoutError:
            self.lose(RedisConnectionError(f"no answer within {self._timeout} s"))
        except RedisError as error:
            self.lose(error)
        except asyncio.CancelledError:
            # A command that was half written leaves nothing to go on with; one that waits for its reply may be forgotten.
            if not self._connection.is_connected:
                self.lose(RedisConnectionError("writing was interrupted"))
            raise
        return [self._lost] * len(commands)

    async def _read(self, receive: Receive) -> None:
        try:
            while True:
                try:
                    reply = await self._connection.read_response(disconnect_on_error=False)
                except ResponseError as error:
                    self._answered(error)
                    continue
                match reply:
                    case [b"message", bytes(channel), bytes(message)]:
                        await receive(channel, message)
                    case [b"subscribe" | b"unsubscribe" | b"pong", *_] | b"PONG":
                        self._answered(None)
                    case _:
                        raise RedisConnectionError(f"an unexpected reply: {reply!r:.200}")
        except RedisError as error:
            self.lose(error)
        except Exception as error:
            self.lose(RedisConnectionError(f"{type(error).__name__}: {error}"))

    def _answered(self, outcome: Outcome) -> None:
        if not self._waiting:
            raise RedisConnectionError("a reply that nobody waits for") from outcome
        future = self._waiting.popleft()
        if not future.done():
            future.set_result(outcome)
