"""graphql-sse's single connection mode: one event stream for many operations, each asked for in a request of its own."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse, Response

from bff.auth.authenticator import Authenticator, principal_of
from bff.errors import Unauthenticated
from bff.observability.tally import Tally
from bff.principal import Principal
from bff.serving import event_stream
from bff.serving.errors import format_exception
from bff.serving.http_stream import Place, StreamResponse, Streams
from bff.serving.limits import Limits
from bff.serving.multiplex import Multiplex
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operation, Operations
from bff.serving.parameters import Unacceptable

__all__ = ["TOKEN_HEADER", "UNAUTHENTICATED", "SingleConnections"]

logger = logging.getLogger("bff.serving")

UNAUTHENTICATED: Final[dict[str, Any]] = format_exception(Unauthenticated("The token has expired, or was revoked."))
"""What a stream ends with whose reader does not hold any more."""

TOKEN_HEADER: Final = "x-graphql-event-stream-token"
# Other people's parameters are called "token", too: ours are known by how they begin.
_PREFIX: Final = "graphql-sse-"


class _Connection:
    """One reservation, and then its stream: ``multiplex`` holds its operations, which may begin before it is opened."""

    def __init__(self, token: str, multiplex: Multiplex, owner: Principal, tally: Tally) -> None:
        self.token = token
        self.owner = owner
        self.multiplex = multiplex
        self.opened = False
        self.expiry: asyncio.TimerHandle | None = None
        self.place: Place | None = None
        self._tally = tally

    def shed(self) -> None:
        """End it, and let go of what it has not sent: the process holds too much."""
        logger.warning("%s bytes wait for an event stream's peer, more than for any other: ended", self.multiplex.outbox.length)
        self._tally.refused("queued_bytes")
        self.multiplex.outbox.owner = None
        self.multiplex.leave()
        if self.place is not None:
            self.place.end()


class SingleConnections:
    """The reservations and streams of an application.

    ``PUT`` reserves, ``GET`` opens, ``POST`` executes, ``DELETE`` stops. A reservation that is not opened is forgotten after
    ``limits.reservation_seconds``; a stream that has ended cannot be opened again.
    """

    def __init__(
        self,
        operations: Operations,
        streams: Streams,
        limits: Limits,
        authenticator: Authenticator | None = None,
        occupancy: Occupancy | None = None,
    ) -> None:
        self._occupancy = occupancy
        self._operations = operations
        self._authenticator = authenticator
        self._streams = streams
        self._limits = limits
        self._connections: dict[str, _Connection] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @staticmethod
    def token(request: HTTPRequest) -> str | None:
        """The token that a request presents; None where it is of no single connection."""
        token = request.headers.get(TOKEN_HEADER)
        if token is not None:
            return token
        token = request.query_params.get("token", "")
        return token if token.startswith(_PREFIX) else None

    def reserve(self, request: HTTPRequest) -> Response:
        """Answer a PUT. Raises Unacceptable where there are too many."""
        self._streams.admit(request)
        # 256 bits: whoever has the token reads the results.
        token = _PREFIX + secrets.token_urlsafe(32)
        multiplex = Multiplex(self._operations, self._limits, event_stream.OF_MANY, occupancy=self._occupancy)
        connection = _Connection(token, multiplex, principal_of(request), self._operations.tally)
        self._connections[token] = connection
        connection.place = self._streams.enter(lambda: self._forget(connection), request)
        multiplex.share = connection.place.share
        multiplex.outbox.owner = connection
        connection.expiry = asyncio.get_running_loop().call_later(self._limits.reservation_seconds, self._forget, connection)
        return PlainTextResponse(token, 201, {"Cache-Control": "no-store"})

    def open(self, token: str, request: HTTPRequest) -> Response:
        """Answer the GET that accepts an event stream. Raises Unacceptable: 404, and 409 where it is open already."""
        connection = self._get(token, request)
        if connection.opened:
            raise Unacceptable.because("This stream is open already.", "STREAM_EXISTS", 409)
        connection.opened = True
        if connection.expiry is not None:
            connection.expiry.cancel()

        async def after() -> None:
            self._forget(connection)
            await connection.multiplex.ended()

        stand = None if self._authenticator is None else partial(self._authenticator.standing, principal_of(request))
        return StreamResponse(
            event_stream.FORM,
            _messages(connection.multiplex),
            self._streams,
            self._limits,
            after=after,
            stand=stand,
            forbidden=partial(_forbidden, connection.multiplex),
            place=connection.place,
        )

    def execute(self, token: str, request: HTTPRequest, operation: Operation) -> Response:
        """Answer a request for an operation: 202, and its results go to the stream. Raises Unacceptable: 400, 404, 409, 429."""
        connection = self._get(token, request)
        id = (operation.request.extensions or {}).get("operationId")
        if not isinstance(id, str) or not id:
            raise Unacceptable.because("'extensions.operationId' is missing, empty or not a string.")
        if id in connection.multiplex:
            raise Unacceptable.because("An operation with this id runs already.", "OPERATION_EXISTS", 409)
        if connection.multiplex.full:
            refused = f"This stream has {self._limits.operations} operations already."
            raise Unacceptable.because(refused, "TOO_MANY_OPERATIONS", 429, limit="operations")
        connection.multiplex.start(id, lambda: request, lambda: operation)
        return Response(status_code=202, headers={"Cache-Control": "no-store"})

    def stop(self, token: str | None, request: HTTPRequest) -> Response:
        """Answer a DELETE. Raises Unacceptable: 400, 404. An operation that has ended meanwhile is stopped, too."""
        connection = self._get(token or "", request)
        id = request.query_params.get("operationId")
        if not id:
            raise Unacceptable.because("'operationId' is missing.")
        connection.multiplex.stop(id)
        return Response(status_code=200)

    async def shutdown(self) -> None:
        """Once the streams have ended: wait until nothing runs of the reservations that were forgotten."""
        if self._ending:
            await asyncio.wait(self._ending)

    def _get(self, token: str, request: HTTPRequest) -> _Connection:
        connection = self._connections.get(token)
        # Of another principal it is as if it were not there.
        if connection is None or connection.owner != principal_of(request):
            raise Unacceptable.because("There is no such stream: reserve one.", "STREAM_NOT_FOUND", 404)
        return connection

    def _forget(self, connection: _Connection) -> None:
        if self._connections.pop(connection.token, None) is None:
            return
        if connection.expiry is not None:
            connection.expiry.cancel()
        connection.multiplex.outbox.owner = None
        connection.multiplex.leave()
        if not connection.opened:
            if connection.place is not None:
                connection.place.leave()
            ending = asyncio.create_task(connection.multiplex.ended(), name="a forgotten reservation")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


def _forbidden(multiplex: Multiplex) -> bytes:
    """The last words to each operation, where whoever reads the stream does not hold any more."""
    return b"".join(multiplex.wording.failed(id, [UNAUTHENTICATED]) for id in multiplex.ids)


async def _messages(multiplex: Multiplex) -> AsyncGenerator[bytes, None]:
    while True:
        yield await multiplex.take()
