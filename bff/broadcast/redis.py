"""``redis://``: channels of a Redis server, over its publish/subscribe."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

from broadcaster import Event
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from bff.broadcast.broadcaster import Backend, published
from bff.broadcast.port import RESYNC
from bff.broadcast.redis_link import RedisLink
from bff.errors import BroadcastError, SettingsError
from bff.supervisor import Backoff, State, Status, Supervisor

__all__ = ["RedisBackend"]

logger = logging.getLogger(__name__)

MAX_UNDELIVERED = 1024
PUBLISHING_AT_ONCE = 8


class RedisBackend(Backend):
    """One connection that subscribes, kept alive by a supervisor, and a few that publish.

    ``timeout`` bounds every exchange with the server, in seconds; ``heartbeat`` is how often the subscribing connection is
    asked whether it is still there: a frozen server is noticed after ``heartbeat + timeout``. Channels are the server's, not
    its databases': ``redis://host/0`` and ``redis://host/1`` share them. Raises SettingsError where the URL is not one.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        heartbeat: float = 5.0,
        backoff: Backoff | None = None,
        publishing_at_once: int = PUBLISHING_AT_ONCE,
    ) -> None:
        super().__init__()
        self.url = _without_secrets(url)
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._backoff = backoff or Backoff(first=0.02, limit=2.0)
        try:
            options: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            raise SettingsError(f"{self.url}: {error}") from None
        # Whatever the URL says of these, we speak bytes, RESP2 (where a subscribed connection only says what we expect), and
        # within our timeout.
        options |= {
            "decode_responses": False,
            "protocol": 2,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "health_check_interval": 0,
            "max_connections": None,
            # A restarted server leaves a dead connection behind for each that published: those are tried again.
            "retry": Retry(ExponentialBackoff(cap=0.5, base=0.02), 3),
            "retry_on_error": [RedisConnectionError],
        }
        try:
            pool: Any = ConnectionPool(**options)
            pool.make_connection()  # opens nothing: what the options are worth is known here and not when it is too late
        except (RedisError, TypeError, ValueError) as error:
            raise SettingsError(f"{self.url}: {error}") from None
        self._options = options
        self._pool: Any = None  # redis-py is typed only in part
        self._client: Any = None
        self._publishing_at_once = publishing_at_once
        # The pool itself opens as many connections as are asked for at once, up to what the server bears.
        self._publishing = asyncio.Semaphore(publishing_at_once)
        self._wanted: set[str] = set()
        self._link: RedisLink | None = None
        self._linked = asyncio.Event()
        self._was_linked = False
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_UNDELIVERED)
        self._supervisor = Supervisor("redis")

    async def connect(self) -> None:
        self._pool = ConnectionPool(**self._options)
        self._client = Redis(connection_pool=self._pool)
        self._publishing = asyncio.Semaphore(self._publishing_at_once)
        self._wanted.clear()
        self._linked = asyncio.Event()
        self._was_linked = False
        self._events = asyncio.Queue(MAX_UNDELIVERED)
        self._supervisor = Supervisor("redis", backoff=self._backoff)
        try:
            await self._command("PING")
            self._supervisor.start("subscriber", self._subscribe_for_ever)
            async with asyncio.timeout(self._timeout):
                await self._linked.wait()
        except TimeoutError:
            await self.disconnect()
            raise BroadcastError(f"{self.url}: no connection for subscribing within {self._timeout} s") from None
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        try:
            await self._supervisor.close()
        finally:
            client, pool = self._client, self._pool
            self._client = self._pool = None
            if client is not None:
                await client.aclose()
                await pool.disconnect(inuse_connections=True)

    async def ping(self) -> None:
        await self._command("PING")
        if self._link is None:
            reason = next((f": {status.last_error}" for status in self.status() if status.state is State.FAILING), "")
            raise BroadcastError(f"{self.url} answers, but the connection for subscribing is down{reason}")

    def status(self) -> tuple[Status, ...]:
        return self._supervisor.status()

    async def subscribe(self, group: str) -> None:
        self._wanted.add(group)
        link = self._link
        if link is None:
            return  # the next connection subscribes to everything that is wanted, and says RESYNC
        refusal = await link.subscribe(group)
        if isinstance(refusal, ResponseError):
            self._wanted.discard(group)
            raise BroadcastError(f"{self.url} refuses a subscription to {group}: {refusal}") from refusal

    async def unsubscribe(self, group: str) -> None:
        self._wanted.discard(group)
        link = self._link
        if link is not None:
            await link.unsubscribe(group)

    async def publish(self, channel: str, message: bytes) -> None:
        await self._command("PUBLISH", channel, message)

    async def next_published(self) -> Event:
        return await self._events.get()

    async def _command(self, *command: str | bytes) -> None:
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        try:
            await self._execute(*command)
        finally:
            # redis-py may make an error of a cancellation, or nothing: whoever cancels waits for us to end.
            if task is not None and task.cancelling() > cancelled:
                raise asyncio.CancelledError

    async def _execute(self, *command: str | bytes) -> None:
        try:
            async with asyncio.timeout(self._timeout), self._publishing:
                if self._client is None:
                    raise BroadcastError(f"{self.url} is not connected")
                await self._client.execute_command(*command)
        except TimeoutError:
            raise BroadcastError(f"{self.url} did not answer within {self._timeout} s") from None
        except (RedisError, OSError) as error:
            raise BroadcastError(f"{self.url}: {error}") from error

    async def _subscribe_for_ever(self) -> None:
        """One connection, from opening to losing it. The supervisor calls it again."""
        # It waits for messages for as long as it takes, and is never opened again by itself.
        alone: dict[str, Any] = {"socket_timeout": None, "retry": None, "retry_on_error": []}
        link = RedisLink(self._pool.connection_class(**self._pool.connection_kwargs | alone), self._timeout)
        try:
            async with link.open(self._receive):
                # From here on, whoever subscribes does so on this connection; those before are subscribed now.
                self._link = link
                wanted = tuple(self._wanted)
                for channel, refusal in zip(wanted, await link.subscribe_all(wanted), strict=True):
                    if refusal is not None:
                        logger.error("%s: no subscription to %s: %s", self.url, channel, refusal)
                link.raise_if_lost()
                for channel in wanted:
                    await self._events.put(published(channel, RESYNC))
                if self._was_linked:
                    logger.info("%s: connected again, %d channels", self.url, len(wanted))
                self._was_linked = True
                self._linked.set()
                self._supervisor.healthy("subscriber")
                await link.beat(self._heartbeat)
        finally:
            if self._link is link:
                self._link = None

    async def _receive(self, channel: bytes, message: bytes) -> None:
        await self._events.put(published(channel.decode(errors="replace"), message))


def _without_secrets(url: str) -> str:
    """``redis://user:password@host:6379/0?ssl_…`` → ``redis://host:6379/0``."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
