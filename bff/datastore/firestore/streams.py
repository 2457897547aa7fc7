"""Reads whose answer is many messages, each taken in by a thread.

On asyncio gRPC hands over one message at a time, through the event loop: 30 µs each, and the loop is busy with them. A thread
that waits for its own call takes 13 µs, and 200 documents arrive in half the time: docs/decisions/projection-speed.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from grpc.experimental import ChannelOptions

from bff.datastore.firestore.protos import Message

__all__ = ["Streams"]

T = TypeVar("T")

THREADS = 16
"""So many reads are taken in at a time; others wait for their turn, within their own timeout."""

SINGLE_THREADED = (ChannelOptions.SingleThreadedUnaryStream, 1)
"""Whoever iterates over a call waits for it itself, without another thread that passes everything on."""


class Streams:
    """A channel of its own, and the threads that read from it. Neither is there before the first read."""

    def __init__(self, open_channel: Callable[[Sequence[tuple[str, int]]], Any]) -> None:
        """``open_channel`` is called with the options that the channel is to have beside the usual ones."""
        self._open_channel = open_channel
        self._channel: Any = None  # a grpc.Channel, whose methods are not typed
        self._threads: ThreadPoolExecutor | None = None
        self._calls: dict[str, Callable[..., Any]] = {}

    def begin(
        self, method: str, request: Message, metadata: Sequence[tuple[str, str]], timeout: float, take: Callable[[bytes], T]
    ) -> Reading[T]:
        """Begin a call of a method (its full name); ``take`` makes of each message what is wanted, in the thread."""
        if self._threads is None or self._channel is None:
            self._channel = self._open_channel([SINGLE_THREADED])
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bff.firestore.read")
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_stream(method)
        reading = Reading(take)
        started = asyncio.get_running_loop().run_in_executor(
            self._threads, reading.run, call, request.SerializeToString(), metadata, timeout
        )
        reading.result = started
        return reading

    def close(self) -> None:
        """End the calls that are under way; their threads end with them."""
        channel, self._channel = self._channel, None
        threads, self._threads = self._threads, None
        self._calls.clear()
        if channel is not None:
            channel.close()
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


class Reading(Generic[T]):
    """A call, and what has come of it."""

    result: asyncio.Future[list[T]]
    """What was taken from each message, in order; AioRpcError where the call failed."""

    def __init__(self, take: Callable[[bytes], T]) -> None:
        self._take = take
        self._call: Any = None
        self._cancelled = False
        self.moved = 0.0
        """When the last message came, by ``time.monotonic``."""

    def run(self, call: Callable[..., Any], request: bytes, metadata: Sequence[tuple[str, str]], timeout: float) -> list[T]:
        """In a thread."""
        taken: list[T] = []
        try:
            responses = self._call = call(request, timeout=timeout, metadata=metadata)
            if self._cancelled:  # after the call is known: whoever cancels looks in the other order
                responses.cancel()
            for message in responses:
                self.moved = time.monotonic()
                taken.append(self._take(message))
        except grpc.RpcError as error:
            raise _failure(error) from None
        except ValueError as error:
            if self._call is not None:
                raise
            raise _failed(grpc.StatusCode.CANCELLED, str(error)) from None  # the channel was closed
        return taken

    def cancel(self) -> None:
        """End it, wherever it is: whoever began it does so in the end. Nothing happens where it has ended."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()
        self.result.cancel()


def _failure(error: Any) -> grpc.aio.AioRpcError:
    """As the calls on asyncio fail."""
    return _failed(error.code(), error.details())


def _failed(code: grpc.StatusCode, details: str | None) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
