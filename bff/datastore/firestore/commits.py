"""Commits with preconditions and expectations.

How an expectation is checked was decided by measurement: docs/decisions/firestore-unit-of-work.md.

- of a document that is written: by the precondition of its write;
- of one that is not: by a ``verify`` write, which is checked with the preconditions and writes nothing;
- of a query: by a short transaction that runs it again. Only then do other writers wait for locks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

import grpc.aio

from bff.datastore.firestore.connection import Connection
from bff.datastore.firestore.emulated import failed_on_a_listener
from bff.datastore.firestore.failures import (
    CONFLICTS,
    TRANSIENT,
    commit_failure,
    describe,
    read_failure,
    unavailable,
    was_not_sent,
)
from bff.datastore.firestore.in_flight import InFlight
from bff.datastore.firestore.preconditions import as_read, expected_documents, is_repeatable, with_preconditions
from bff.datastore.firestore.protos import BatchGetDocumentsRequest, CommitRequest, Message, RollbackRequest, WriteMessage
from bff.datastore.firestore.queries import flipped, last_of, query_request, scans_keys_down
from bff.datastore.firestore.wire import encode_fields, quote, timepoint, timestamp
from bff.datastore.port import Commit, Delete, Expectation, ExpectDocument, ExpectQuery, Merge, Precondition, Set, Write
from bff.errors import Conflict, DatastoreError, DocumentTooLarge, InvalidDocument, OutcomeUnknown
from bff.storable import check_document, check_path
from bff.types import Timepoint

__all__ = ["Committer"]

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 10 * 1024 * 1024
EMULATOR_MAX_REQUEST_BYTES = 4 * 1024 * 1024
OPTIMISTIC = 1  # TransactionOptions.ConcurrencyMode
VERIFY_TAG = b"\x2a"  # field 5 of Write, a string
ENCODED_AT_ONCE = 50


class Committer:
    """Makes commits on a connection."""

    def __init__(self, connection: Connection, in_flight: InFlight) -> None:
        self._connection = connection
        self._in_flight = in_flight
        self._emulated = connection.address.emulator is not None
        self._limit = EMULATOR_MAX_REQUEST_BYTES if self._emulated else MAX_REQUEST_BYTES
        # The emulator's transactions take locks whatever they ask for. Two that read the same query and write into it wait two
        # seconds for each other and then both fail; one at a time, both succeed.
        self._transactions = asyncio.Semaphore(1 if self._emulated else 64)

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation]) -> Commit:
        """See ``Datastore.commit``."""
        expectations = list(expect)
        documents = expected_documents(e for e in expectations if isinstance(e, ExpectDocument))
        queries = [e for e in expectations if isinstance(e, ExpectQuery)]
        guarded = with_preconditions(writes, documents)
        request = await self._request(guarded, documents)
        paths = [write.path for write in guarded]
        if not await self._connection.connected():
            raise unavailable(self._connection.address, "no connection; nothing was written")
        if not queries:
            return await self._send(request, paths, repeatable=is_repeatable(guarded))
        async with self._transactions:
            await self._begin(request, queries)
            try:
                # Not repeatable: its transaction is over once it has been committed.
                return await self._send(request, paths, repeatable=False)
            except (Conflict, DocumentTooLarge, InvalidDocument):
                await self._roll_back(request.transaction)
                raise

    async def _request(self, writes: Sequence[Write], expected: dict[str, Timepoint | None]) -> Message:
        request = CommitRequest(database=self._connection.names.database)
        for index, write in enumerate(writes):
            self._encode(write, request.writes.add())
            if index % ENCODED_AT_ONCE == ENCODED_AT_ONCE - 1:
                await asyncio.sleep(0)  # a large commit must not hold up everything else
        written = {write.path for write in writes}
        for path, update_time in expected.items():
            if path not in written:
                request.writes.append(self._verify(path, update_time))
        size = request.ByteSize()
        if size > self._limit:
            raise DocumentTooLarge(f"a commit of {size:,} bytes is over the limit of {self._limit:,}")
        return request

    def _encode(self, write: Write, message: Message) -> None:
        name = self._connection.names.full(write.path)
        match write:
            case Delete():
                check_path(write.path)
                message.delete = name
            case Set() | Merge():
                check_document(write.path, write.data)
                message.update.name = name
                encode_fields(write.data, message.update.fields)
        if isinstance(write, Merge):
            message.update_mask.SetInParent()
            message.update_mask.field_paths.extend(quote(field) for field in {**write.data, **dict.fromkeys(write.remove)})
        if write.precondition is not None:
            _encode_precondition(write.precondition, message)

    def _verify(self, path: str, update_time: Timepoint | None) -> Message:
        # `Write.verify` is what Google's web and mobile clients commit transactions with. Python's messages do not know the
        # field, but keep and send what they do not know.
        name = self._connection.names.full(check_path(path)).encode()
        message = WriteMessage.FromString(VERIFY_TAG + _varint(len(name)) + name)
        _encode_precondition(as_read(update_time), message)
        return message

    async def _begin(self, request: Message, queries: Sequence[ExpectQuery]) -> None:
        """Run the queries in a transaction, and have the request commit it. Raises Conflict where results differ."""
        for expectation in queries:
            found = await self._run(expectation, request)
            if found != list(expectation.results):
                await self._roll_back(request.transaction)
                raise Conflict(f"the results of a query on {expectation.query.collection} have changed")

    async def _run(self, expectation: ExpectQuery, commit: Message) -> list[tuple[str, Timepoint]]:
        names = self._connection.names
        query = expectation.query
        downwards = scans_keys_down(query)
        request = query_request(flipped(query) if downwards else query, names)
        request.structured_query.select.fields.add().field_path = "__name__"  # paths and update times are all it takes
        if commit.transaction:
            request.transaction = commit.transaction
        else:
            request.new_transaction.read_write.concurrency_mode = OPTIMISTIC
        found: list[tuple[str, Timepoint]] = []
        try:
            async with asyncio.timeout(self._connection.timeout):
                async for response in self._connection.run_query(request):
                    if response.transaction:
                        commit.transaction = response.transaction
                    if response.HasField("document"):
                        found.append((names.path(response.document.name), timepoint(response.document.update_time)))
        except grpc.aio.AioRpcError as error:
            await self._roll_back(commit.transaction)
            if error.code() in CONFLICTS and error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise Conflict(describe(error)) from error
            raise read_failure(self._connection.address, error) from error
        except TimeoutError:
            await self._roll_back(commit.transaction)
            raise unavailable(self._connection.address, "no answer in time; nothing was written") from None
        except asyncio.CancelledError:
            await self._roll_back(commit.transaction)
            raise
        return last_of(found, query) if downwards else found

    async def _roll_back(self, transaction: bytes) -> None:
        """Free the transaction's locks. Where that fails, Firestore frees them by itself after a while."""
        if not transaction:
            return
        request = RollbackRequest(database=self._connection.names.database, transaction=transaction)
        try:
            await self._connection.rollback(request, timeout=2.0)
        except grpc.aio.AioRpcError as error:
            # One that has ended with a failed commit cannot be rolled back, and need not.
            level = logging.DEBUG if error.code() is grpc.StatusCode.INVALID_ARGUMENT else logging.WARNING
            logger.log(level, "a transaction was not rolled back: %s", describe(error))

    async def _send(self, request: Message, paths: Sequence[str], *, repeatable: bool) -> Commit:
        """Send it; once more where the answer is lost and repeating it is safe."""
        address, timeout = self._connection.address, self._connection.timeout
        lost: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                for _ in range(2 if repeatable else 1):
                    try:
                        return Commit(await self._exchange(request, paths))
                    except grpc.aio.AioRpcError as error:
                        failure = self._failure(error, lost)
                        if failure is not None:
                            raise failure from error
                        lost = error
                    if not await self._connection.connected():
                        break
        except TimeoutError as error:
            lost = error
        reason = describe(lost) if isinstance(lost, grpc.aio.AioRpcError) else f"no answer within {timeout:g} s"
        raise OutcomeUnknown(
            f"{address.url}: a commit was sent and its answer was lost ({reason}): it may have been made"
        ) from lost

    async def _exchange(self, request: Message, paths: Sequence[str]) -> Timepoint:
        commit = self._in_flight.sent(paths)
        made: Timepoint | None = None
        try:
            response = await self._connection.commit(request, timeout=self._connection.timeout)
            return (made := timepoint(response.commit_time))
        except grpc.aio.AioRpcError as error:
            if not (self._emulated and failed_on_a_listener(error)):
                raise
            try:
                return (made := await self._tell_again(request))
            except grpc.aio.AioRpcError:
                raise error from None  # this one says nothing about the commit
        finally:
            self._in_flight.ended(commit, made)

    async def _tell_again(self, request: Message) -> Timepoint:
        """After a commit that the emulator made and told nobody of: have it told, by a commit that touches the same documents."""
        names = [write.update.name or write.delete for write in request.writes]
        reading = BatchGetDocumentsRequest(database=request.database, documents=[name for name in names if name])
        touching = CommitRequest(database=request.database)
        times: list[Timepoint] = []
        async for response in self._connection.batch_get(reading, timeout=self._connection.timeout):
            found = response.HasField("found")
            times.append(timepoint(response.found.update_time if found else response.read_time))
            path = self._connection.names.path(response.found.name if found else response.missing)
            touching.writes.append(self._verify(path, times[-1] if found else None))
        if touching.writes:
            with suppress(grpc.aio.AioRpcError):  # who changes one of them meanwhile has it told, too
                await self._connection.commit(touching, timeout=self._connection.timeout)
        return max(times, default=0)

    def _failure(self, error: grpc.aio.AioRpcError, lost: Exception | None) -> DatastoreError | None:
        """What a failed commit means; None where it may have been made."""
        address = self._connection.address
        if was_not_sent(error) and lost is None:
            return unavailable(address, f"{describe(error)}; nothing was written")
        if error.code() is grpc.StatusCode.ABORTED or error.code() not in TRANSIENT:
            failure = commit_failure(address, error)
            # Repeated after a lost answer, a conflict may be with the first one.
            return failure if lost is None else None
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and lost is None:
            return commit_failure(address, error)
        return None


def _encode_precondition(precondition: Precondition, message: Message) -> None:
    if precondition.update_time is not None:
        if precondition.exists is False:
            raise Conflict("a document cannot be absent and have an update time")
        message.current_document.update_time.CopyFrom(timestamp(precondition.update_time))
    elif precondition.exists is not None:
        message.current_document.exists = precondition.exists


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
