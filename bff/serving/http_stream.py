"""Responses over HTTP that go on for as long as somebody reads them: the ASGI side of event streams and multipart responses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import OperationType
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bff.auth.authenticator import principal_of
from bff.auth.standing import Standing
from bff.observability.tally import Tally
from bff.serving.asgi_socket import ABORT_EXTENSION, address_of
from bff.serving.limits import Limits
from bff.serving.multiplex import until_ended
from bff.serving.parameters import Unacceptable
from bff.serving.shares import Share, Shares, TooMany
from bff.serving.wire import Disconnected

__all__ = ["SHUTDOWN_EXTENSION", "Form", "Place", "Stand", "StreamResponse", "Streams"]

logger = logging.getLogger("bff.serving")

SHUTDOWN_EXTENSION: Final = "bff.shutdown"
"""The ASGI extension that bff.serving.uvicorn_protocol adds: a callable that takes what to call when the server begins to shut
down, or at once where it has begun. What it gives takes that back.

Servers wait for open responses before they tell an application, in its lifespan, that they shut down.
"""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    # nginx would collect what we send until its buffer is full.
    "X-Accel-Buffering": "no",
}


Stand: TypeAlias = Callable[[Callable[[], None]], Standing | None]
"""Begins to watch over a principal: calls what it is given once that one does not hold any more."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of stream looks like, whatever it is about. ``restarting`` is its last word where the server shuts down."""

    content_type: str
    opening: bytes
    heartbeat: bytes
    restarting: bytes


class Place:
    """That of one stream among all: ``end`` ends it, ``share`` is that of whoever reads it."""

    __slots__ = ("_streams", "end", "share")

    def __init__(self, streams: Streams, end: Callable[[], None], share: Share) -> None:
        self._streams = streams
        self.end = end
        self.share = share

    def leave(self) -> None:
        """Give it up. Called twice, it does nothing the second time."""
        self._streams.leave(self)


class Streams:
    """The streams of an application: how many there are, and their common end. ``shares`` counts them to who reads them."""

    def __init__(self, limits: Limits, tally: Tally | None = None, shares: Shares | None = None) -> None:
        self.tally = tally or Tally()
        self._limits = limits
        self._shares = Shares(limits) if shares is None else shares
        self._places: dict[Place, None] = {}
        self._closing = False
        self._left = asyncio.Event()

    @property
    def open(self) -> int:
        """How many streams there are, those counted that are only reserved."""
        return len(self._places)

    def admit(self, connection: HTTPConnection) -> None:
        """Raises Unacceptable, with 503, where there is no place for one more; with 429, where whoever asks has too many."""
        if self._closing:
            raise Unacceptable.because("The service restarts.", "SERVICE_RESTART", 503)
        if len(self._places) >= self._limits.streams:
            raise Unacceptable.because("There are too many streams already.", "TOO_MANY_STREAMS", 503, limit="streams")
        try:
            self._shares.admit(principal_of(connection), address_of(connection.scope))
        except TooMany as error:
            raise Unacceptable.because(str(error), "TOO_MANY_STREAMS", 429, limit=error.limit) from error

    def enter(self, end: Callable[[], None], connection: HTTPConnection, place: Place | None = None) -> Place:
        """Count a stream until it leaves its place; ``end`` is called where everything ends. Or it takes over a ``place``."""
        if place is None:
            share = self._shares.join(principal_of(connection), address_of(connection.scope))
            place = Place(self, end, share)
            self._places[place] = None
        place.end = end
        if self._closing:
            end()
        return place

    async def shutdown(self) -> None:
        """End every stream, and wait until none is left. From then on none is admitted."""
        self._closing = True
        for place in list(self._places):
            place.end()
        while self._places:
            self._left.clear()
            await self._left.wait()

    def leave(self, place: Place) -> None:
        """Count it no more."""
        if place in self._places:
            del self._places[place]
            place.share.leave()
            self._left.set()


class _Stuck(Exception):
    """The peer does not read."""


class StreamResponse(Response):
    """Sends what ``chunks`` yields. The next one is asked for when the one before has been taken.

    A peer that disconnects ends it at once, one that does not read is dropped after ``limits.send_seconds``, and a silent stream
    carries a heartbeat every ``limits.ping_seconds``. Of another ``kind`` than a subscription, it is not ended by a shutdown, and
    a mutation goes on without its peer, for ``limits.mutation_seconds`` at most. ``after`` is awaited at the end, come what may.
    ``stand`` watches over whoever reads it: where that one does not hold any more, ``forbidden`` are the last words. It takes
    the ``place`` that was reserved for it.
    """

    def __init__(
        self,
        form: Form,
        chunks: AsyncGenerator[bytes, None],
        streams: Streams,
        limits: Limits,
        *,
        kind: OperationType = OperationType.SUBSCRIPTION,
        after: Callable[[], Awaitable[None]] | None = None,
        stand: Stand | None = None,
        forbidden: Callable[[], bytes] | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(headers={**_HEADERS, "Content-Type": form.content_type})
        # A stream has no length that could be told.
        del self.headers["content-length"]
        self._form = form
        self._chunks = chunks
        self._streams = streams
        self._limits = limits
        self._kind = kind
        self._after = after
        self._stand = stand
        self._place = place
        self._forbidden = forbidden or (lambda: form.restarting)
        self._writing = asyncio.Lock()
        self._sent_at = 0.0
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ended: asyncio.Future[Callable[[], bytes]] = asyncio.get_running_loop().create_future()

        def end(last: Callable[[], bytes] = lambda: self._form.restarting) -> None:
            if self._kind is OperationType.SUBSCRIPTION and not ended.done():
                ended.set_result(last)

        listen: Any = scope.get("extensions", {}).get(SHUTDOWN_EXTENSION)
        place = self._streams.enter(end, HTTPConnection(scope), self._place)
        forget: Callable[[], None] | None = None if listen is None else listen(end)
        standing = None if self._stand is None else self._stand(lambda: end(self._forbidden))
        try:
            await self._serve(scope, receive, send, ended)
        finally:
            if standing is not None:
                standing.close()
            if forget is not None:
                forget()
            try:
                if self._after is not None:
                    await self._after()
            finally:
                place.leave()

    async def _serve(self, scope: Scope, receive: Receive, send: Send, ended: asyncio.Future[Callable[[], bytes]]) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        last = b""
        producing = asyncio.create_task(self._produce(send), name="a stream")
        keeping = asyncio.create_task(self._keep(receive, send), name="the watch of a stream")
        until: set[asyncio.Future[Any]] = {producing, keeping, ended}
        try:
            await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if ended.done():
                # Before what is told of is gone.
                last = ended.result()()
            keeping.cancel()
            kept = self._kind is OperationType.MUTATION
            if not kept:
                producing.cancel()
            gone = keeping.done()
            patience = self._limits.mutation_seconds if kept else self._limits.close_seconds
            await until_ended({producing, keeping}, patience, self._limits.close_seconds)
        if any(isinstance(_raised(task), _Stuck) for task in (producing, keeping)):
            logger.warning("the peer of a stream has not read for %s s: aborted", self._limits.send_seconds)
            self._streams.tally.refused("send_seconds")
            abort = scope.get("extensions", {}).get(ABORT_EXTENSION)
            if callable(abort):
                abort()
        elif ended.done() and not gone and not self._complete:
            with suppress(Disconnected, _Stuck):
                await self._send(send, _body(last, more=False))

    async def _produce(self, send: Send) -> None:
        async with aclosing(self._chunks) as chunks:
            await self._send(send, {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send(send, _body(self._form.opening))
            async for chunk in chunks:
                await self._send(send, _body(chunk))
                await asyncio.sleep(0)  # a source that never waits must not keep the loop from everybody else
        await self._send(send, _body(b"", more=False))

    async def _keep(self, receive: Receive, send: Send) -> None:
        """Until the peer has gone; a silent stream is kept alive meanwhile."""
        clock = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(self._sent_at + self._limits.ping_seconds):
                    message = await receive()
            except TimeoutError:
                if clock.time() >= self._sent_at + self._limits.ping_seconds:
                    await self._send(send, _body(self._form.heartbeat))
                continue
            if message["type"] == "http.disconnect":
                return

    async def _send(self, send: Send, message: Message) -> None:
        """Each message is whole: whatever is cancelled, nobody reads half of one. Raises Disconnected, _Stuck."""
        try:
            async with asyncio.timeout(self._limits.send_seconds), self._writing:
                if not self._complete:
                    await send(message)
                    self._complete = message["type"] == "http.response.body" and not message["more_body"]
        except TimeoutError:
            raise _Stuck from None
        except (OSError, RuntimeError) as error:
            # Servers differ in what they raise for a connection that has just gone.
            logger.debug("a stream's peer has gone while something was sent", exc_info=error)
            raise Disconnected from error
        self._sent_at = asyncio.get_running_loop().time()


def _body(text: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


def _raised(task: asyncio.Task[None]) -> BaseException | None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, Disconnected | _Stuck):
        logger.error("%s failed", task.get_name(), exc_info=error)
    return error
