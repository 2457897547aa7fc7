"""One Listen stream, from its opening to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import grpc
import grpc.aio

from bff.datastore.firestore.connection import Connection
from bff.datastore.firestore.failures import describe
from bff.datastore.firestore.followed import AddTarget
from bff.datastore.firestore.heartbeat import Heartbeat
from bff.datastore.firestore.listen_state import HEARTBEAT_ID, ListenState, Resync, TargetRemoved
from bff.datastore.firestore.protos import BatchGetDocumentsRequest, ListenRequest, Message
from bff.datastore.firestore.wire import decode_document, timestamp
from bff.datastore.port import Changes
from bff.document import Document, collection_of, document_id
from bff.errors import DatastoreError, DatastoreUnavailable, InvalidQuery, OutcomeUnknown
from bff.types import Timepoint

__all__ = ["ListenStream", "Place", "StreamEnded"]

logger = logging.getLogger(__name__)

OPENING_SECONDS = 8.0
LONGEST_OPENING_SECONDS = 64.0
ANSWER_SECONDS = 10.0
NUDGED_SECONDS = 0.05

Code = grpc.StatusCode
EOF: Message = grpc.aio.EOF  # pyright: ignore[reportAttributeAccessIssue]
CODES = {code.value[0]: code for code in Code}
FATAL = frozenset({Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE, Code.UNIMPLEMENTED})
REFUSED = frozenset({Code.PERMISSION_DENIED, Code.UNAUTHENTICATED})


class StreamEnded(Exception):
    """The stream ended, and opening another may help; with ``lost_place``, one that begins with everything."""

    def __init__(self, why: str, *, lost_place: bool = False) -> None:
        super().__init__(why)
        self.lost_place = lost_place


@dataclass(slots=True)
class Place:
    """How far a stream has come, and when it last did."""

    reached: Timepoint = 0
    reached_at: float = 0.0
    heard_at: float = 0.0
    delivering: bool = False
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def consistent(self) -> bool:
        return self.reached > 0


class ListenStream:
    """A stream that carries every target of a listener, and what watches over it.

    ``heartbeat_seconds`` is how long it may be silent before a heartbeat has to prove that it is alive. ``failures`` is how many
    streams ended before it: each is given more time to begin than the last.
    """

    def __init__(
        self,
        connection: Connection,
        state: ListenState,
        heartbeat: Heartbeat,
        heartbeat_seconds: float,
        place: Place,
        nudge: asyncio.Event,
        failures: int,
    ) -> None:
        self._connection = connection
        self._state = state
        self._heartbeat = heartbeat
        self._heartbeat_seconds = heartbeat_seconds
        self._answer_seconds = min(max(2 * heartbeat_seconds, 1.0), ANSWER_SECONDS)
        self._place = place
        self._nudge = nudge
        self._opening_seconds = min(OPENING_SECONDS * 2.0 ** min(failures, 8), LONGEST_OPENING_SECONDS)

    async def follow(self, deliver: Callable[[Changes], Awaitable[None]]) -> None:
        """Follow it until it ends. Raises StreamEnded, or DatastoreError where another stream would end as well."""
        fresh = self._state.fresh
        self._place.heard_at = asyncio.get_running_loop().time()
        call = await self._connection.listen()
        tasks = [
            asyncio.create_task(self._read(call, deliver), name="bff.firestore.listener: read"),
            asyncio.create_task(self._watch(), name="bff.firestore.listener: watch"),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for task, outcome in zip(tasks, outcomes, strict=True):
            if task in ended and isinstance(outcome, BaseException):
                raise self._ending(outcome, fresh) from outcome

    async def _read(self, call: Message, deliver: Callable[[Changes], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        place, state = self._place, self._state
        for added in state.open():
            await call.write(self._add(added))
        await call.write(self._add_heartbeat())
        while True:
            response = await call.read()
            if response is EOF:
                raise StreamEnded("the server closed it")
            if response is None:  # what gRPC makes of a message that it cannot parse, apart from logging it
                raise StreamEnded("a message could not be read")
            place.heard_at = loop.time()
            changes = state.receive(response)
            if changes is None:
                continue
            if changes.resume is not None:
                place.reached, place.reached_at = changes.resume.timepoint, loop.time()
                place.moved.set()
                if state.doubtful:
                    changes = await self._settle(changes, place.reached)
            place.delivering = True
            await deliver(changes)
            place.delivering = False
            place.heard_at = loop.time()

    async def _settle(self, changes: Changes, moment: Timepoint) -> Changes:
        """Read the documents that the server could not follow, and add them."""
        names = self._connection.names
        request = BatchGetDocumentsRequest(database=names.database, read_time=timestamp(moment))
        request.documents.extend(names.full(path) for path in self._state.doubtful)

        def decode(response: Message) -> Document:
            if response.HasField("found"):
                return decode_document(response.found, names)
            return Document(names.path(response.missing), None, moment)

        documents = await self._connection.read(self._connection.batch_get, request, decode)
        self._state.settle(documents)
        return replace(changes, documents=(*changes.documents, *documents))

    # --- Watching over it

    async def _watch(self) -> None:
        loop, place = asyncio.get_running_loop(), self._place
        while True:
            if place.consistent:
                since, limit = place.reached_at, self._heartbeat_seconds
            else:
                since, limit = place.heard_at, self._opening_seconds
            quiet = loop.time() - since
            nudged = place.consistent and self._nudge.is_set()
            if (quiet < limit and not nudged) or place.delivering:
                # Not for the whole of it: the first consistency point changes what is waited for.
                await self._pause(min(max(limit - quiet, 0.05), self._heartbeat_seconds))
            elif place.consistent:
                self._nudge.clear()
                await self._beat()
            else:
                raise StreamEnded(f"nothing came for {limit:g} s")

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until a nudge comes."""
        if self._nudge.is_set():
            # It came while it could not be followed: before the first consistency point, or while the reader is busy.
            await asyncio.sleep(min(seconds, NUDGED_SECONDS))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudge.wait()

    async def _beat(self) -> None:
        """Write the heartbeat, and wait until the stream has come past it."""
        place = self._place
        try:
            async with asyncio.timeout(self._answer_seconds):
                moment = await self._heartbeat.beat(self._connection)
                while place.reached < moment:
                    place.moved.clear()
                    await place.moved.wait()
        except TimeoutError:
            if not place.delivering:
                raise StreamEnded(f"a heartbeat was not seen within {self._answer_seconds:g} s: frozen") from None
        except (DatastoreUnavailable, OutcomeUnknown) as error:
            raise StreamEnded(f"no heartbeat could be written: {error}") from error
        except DatastoreError as error:
            # It may listen, and may not write. That is no reason not to listen.
            logger.warning("a listener goes without heartbeats, a frozen server will not be noticed: %s", error)
            await asyncio.Event().wait()

    # --- How it ended

    def _ending(self, outcome: BaseException, fresh: bool) -> BaseException:
        """What follows from how it ended: StreamEnded, or the DatastoreError that no other stream would heal."""
        match outcome:
            case StreamEnded():
                return outcome
            case Resync():
                return StreamEnded(str(outcome))
            case TargetRemoved():
                code = CODES.get(outcome.code, Code.UNKNOWN) if outcome.code else Code.UNKNOWN
                return self._given_up(code, f"{outcome.target or 'the heartbeat'}: {outcome or 'given up by the server'}", fresh)
            case grpc.aio.AioRpcError():
                return self._given_up(outcome.code(), describe(outcome), fresh)
            case asyncio.InvalidStateError() | asyncio.CancelledError():  # what gRPC makes of a stream that is over
                return StreamEnded("the connection was closed")
            case DatastoreError():  # while settling; what had been told was not passed on
                return StreamEnded(str(outcome), lost_place=True)
        return outcome

    def _given_up(self, code: grpc.StatusCode, why: str, fresh: bool) -> Exception:
        url = self._connection.address.url
        if code in FATAL:
            # A place that the server does not know, or no longer does, is refused in the same words as a bad target.
            return InvalidQuery(f"{url} cannot listen: {why}") if fresh else StreamEnded(why, lost_place=True)
        if code in REFUSED and not self._place.consistent:
            return DatastoreError(f"{url} refuses to let these credentials listen: {why}")
        return StreamEnded(why)

    # --- Requests

    def _add(self, added: AddTarget) -> Message:
        names = self._connection.names
        target = added.target
        request = ListenRequest(database=names.database)
        request.add_target.target_id = added.id
        request.add_target.query.parent = names.full("" if target.group else collection_of(target.collection))
        source = request.add_target.query.structured_query.from_.add()
        source.collection_id, source.all_descendants = document_id(target.collection), target.group
        if added.token:
            request.add_target.resume_token = added.token
        elif added.read_time is not None:
            request.add_target.read_time.CopyFrom(timestamp(added.read_time))
        return request

    def _add_heartbeat(self) -> Message:
        request = ListenRequest(database=self._connection.names.database)
        request.add_target.target_id = HEARTBEAT_ID
        request.add_target.documents.documents.append(self._connection.names.full(self._heartbeat.path))
        return request
