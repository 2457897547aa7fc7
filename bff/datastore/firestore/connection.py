"""The gRPC channel to a Firestore database: its calls, each bounded in time, and how it comes up and goes down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

import google.auth
import google.auth.credentials
import grpc
import grpc.aio
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport, FirestoreGrpcTransport
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from bff.datastore.firestore.address import Address
from bff.datastore.firestore.failures import TRANSIENT, read_failure, unavailable
from bff.datastore.firestore.protos import (
    BatchGetDocumentsResponse,
    CommitResponse,
    ListenResponse,
    Message,
    RunAggregationQueryResponse,
    RunQueryResponse,
)
from bff.datastore.firestore.streams import Streams
from bff.datastore.firestore.wire import Names
from bff.errors import DatastoreUnavailable, SettingsError

__all__ = ["Connection", "Credentials", "find_credentials"]

Credentials: TypeAlias = google.auth.credentials.Credentials
T = TypeVar("T")

SERVICE = "/google.firestore.v1.Firestore/"
SCOPES = ("https://www.googleapis.com/auth/datastore", "https://www.googleapis.com/auth/cloud-platform")
CONNECT_SECONDS = 4.0
CREDENTIALS_SECONDS = 15.0
LONGEST_READ_SECONDS = 300.0
CLOSE_SECONDS = 2.0
READ_ATTEMPTS = 4
RETRY_SECONDS = 0.05

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC's own patience is two minutes; after a long outage that is how much longer recovery takes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Channels with equal arguments share their connections unless told not to: then a new channel, opened because the old
    # connection hangs, would hang too.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Stream:
    """A method that answers with many messages. Called, it is a call on asyncio; see ``Connection.read`` for long answers."""

    method: str
    parse: Callable[[bytes], Message]
    metadata: Sequence[tuple[str, str]]
    call: Callable[..., Any]

    def __call__(self, request: Message, *, timeout: float | None = None) -> Any:
        return self.call(request, timeout=timeout, metadata=self.metadata)


class Connection:
    """A channel to a database, and the calls on it. Open it within the event loop that uses it, and close it there."""

    def __init__(self, address: Address, channel: grpc.aio.Channel, streams: Streams, timeout: float) -> None:
        self.address = address
        self.names = Names(address.resource)
        self.timeout = timeout
        self._metadata = [("google-cloud-resource-prefix", address.resource)]
        if address.emulator is not None:
            self._metadata.append(("authorization", "Bearer owner"))  # the emulator's word for: security rules do not apply
        self._channel = channel
        self._streams = streams
        self.batch_get = self._stream("BatchGetDocuments", BatchGetDocumentsResponse.FromString)
        self.run_query = self._stream("RunQuery", RunQueryResponse.FromString)
        self.run_aggregation = self._stream("RunAggregationQuery", RunAggregationQueryResponse.FromString)
        self.commit = self._call(channel.unary_unary, "Commit", CommitResponse.FromString)
        self.rollback = self._call(channel.unary_unary, "Rollback", bytes)
        self._listen = self._call(channel.stream_stream, "Listen", ListenResponse.FromString)
        self._ending: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, address: Address, credentials: Credentials | None, timeout: float) -> Connection:
        """A channel, not connected yet: that happens with the first call."""
        if address.emulator is not None:
            channel = grpc.aio.insecure_channel(address.emulator, options=CHANNEL_OPTIONS)
        else:
            channel = FirestoreGrpcAsyncIOTransport.create_channel(credentials=credentials, options=CHANNEL_OPTIONS)
        return cls(address, channel, Streams(partial(_open_to_read, address, credentials)), timeout)

    async def close(self) -> None:
        """Close the channel, and wait until gRPC has put away what was on it: later, the event loop may be gone."""
        self._streams.close()
        await self._channel.close()
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSE_SECONDS)

    async def listen(self) -> Message:
        """A new Listen call."""
        before = _grpc_tasks()
        call = self._listen()
        await asyncio.sleep(0)
        # gRPC waits for the call's status in a task of its own, which cancelling the call does not wait for. By the next turn of
        # the loop it is there; one that belongs to somebody else's call of the same moment does no harm.
        for task in _grpc_tasks() - before:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        return call

    async def connected(self) -> bool:
        """Whether there is a connection, now or within a few seconds. A call that is not even begun has no effect."""
        state = self._channel.get_state(try_to_connect=True)
        try:
            async with asyncio.timeout(min(CONNECT_SECONDS, self.timeout)):
                while state is not grpc.ChannelConnectivity.READY:
                    await self._channel.wait_for_state_change(state)
                    state = self._channel.get_state(try_to_connect=True)
        except TimeoutError:
            return False
        return True

    async def read(self, stream: Stream, request: Message, decode: Callable[[Message], T]) -> list[T]:
        """Make a streaming read and decode each response, as it arrives, in a thread; begin again where that may help.

        Raises what ``read_failure`` makes of the error, and DatastoreUnavailable where nothing comes for the timeout.
        """
        try:
            # The timeout is for getting on: every response moves it, so that a long result is no failure.
            async with asyncio.timeout(self.timeout) as deadline:
                for attempt in range(READ_ATTEMPTS):
                    try:
                        return await self._read_once(stream, request, decode, deadline)
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in TRANSIENT or attempt == READ_ATTEMPTS - 1:
                            raise read_failure(self.address, error) from error
                    await asyncio.sleep(RETRY_SECONDS * 3**attempt * random.uniform(0.5, 1.5))
                raise AssertionError("the last attempt returns or raises")
        except TimeoutError:
            raise unavailable(self.address, f"no answer within {self.timeout:g} s") from None

    async def _read_once(
        self, stream: Stream, request: Message, decode: Callable[[Message], T], deadline: asyncio.Timeout
    ) -> list[T]:
        def take(message: bytes) -> T:
            return decode(stream.parse(message))

        reading = self._streams.begin(stream.method, request, stream.metadata, LONGEST_READ_SECONDS, take)
        try:
            while not reading.result.done():
                await asyncio.wait({reading.result}, timeout=self.timeout / 10)
                if reading.moved:
                    deadline.reschedule(reading.moved + self.timeout)
            return reading.result.result()
        except DecodeError:
            raise DatastoreUnavailable(f"{self.address.url} sent a message that cannot be read") from None
        finally:
            reading.cancel()

    def _stream(self, name: str, parse: Callable[[bytes], Message]) -> Stream:
        call = self._channel.unary_stream(SERVICE + name, request_serializer=_serialize, response_deserializer=parse)
        return Stream(SERVICE + name, parse, self._metadata_of(name), call)

    def _call(self, kind: Callable[..., Any], name: str, parse: Callable[[bytes], Message]) -> Callable[..., Any]:
        call = kind(SERVICE + name, request_serializer=_serialize, response_deserializer=parse)
        return partial(call, metadata=self._metadata_of(name))

    def _metadata_of(self, name: str) -> list[tuple[str, str]]:
        route = ("parent", self.names.root) if name in {"RunQuery", "RunAggregationQuery"} else ("database", self.names.database)
        return [*self._metadata, ("x-goog-request-params", urlencode([route]))]


async def find_credentials(address: Address) -> Credentials | None:
    """The application's default credentials; none for an emulator. Raises SettingsError."""
    if address.emulator is not None:
        return None
    try:
        async with asyncio.timeout(CREDENTIALS_SECONDS):
            # Reads files, and asks the metadata server of a Google Cloud machine: not on the event loop.
            credentials, _ = await asyncio.to_thread(google.auth.default, scopes=SCOPES)
    except (GoogleAuthError, TimeoutError, OSError) as error:
        raise SettingsError(
            f"{address.url}: no Google Cloud credentials ({error or 'no answer in time'}); run `gcloud auth application-default "
            "login`, set GOOGLE_APPLICATION_CREDENTIALS, or use an emulator: ?emulator=host:port"
        ) from error
    return credentials


def _open_to_read(address: Address, credentials: Credentials | None, options: Sequence[tuple[str, int]]) -> Any:
    options = (*CHANNEL_OPTIONS, *options)
    if address.emulator is not None:
        return grpc.insecure_channel(address.emulator, options=options)  # type: ignore[no-untyped-call]
    return FirestoreGrpcTransport.create_channel(credentials=credentials, options=options)


def _grpc_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "").startswith("_AioCall.")}


def _serialize(message: Message) -> bytes:
    return bytes(message.SerializeToString())
