"""Which requests over HTTP are answered with a stream, and with which one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson
from graphql import OperationType
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from bff.auth.authenticator import Authenticator, principal_of
from bff.serving import event_stream, multipart
from bff.serving.errors import RequestRefused, format_exception
from bff.serving.http_stream import Form, StreamResponse, Streams
from bff.serving.limits import Limits
from bff.serving.negotiation import GRAPHQL_RESPONSE, JSON, field_value, media_ranges, negotiate
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operation, Operations
from bff.serving.parameters import Unacceptable
from bff.serving.planned import payloads
from bff.serving.request import Request
from bff.serving.results import results
from bff.serving.single_connection import UNAUTHENTICATED, SingleConnections

__all__ = ["OPERATION_KIND", "Streaming"]

OPERATION_KIND: Final = "bff.operation_kind"
"""Where the scope of a request says what kind of operation it turned out to be."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of stream for one operation: its form, and how it says what comes of the operation. ``completed`` is the last word,
    and so is what ``failed`` gives."""

    form: Form
    result: Callable[[bytes, str | None], bytes]
    failed: Callable[[list[dict[str, Any]]], bytes]
    completed: bytes


_EVENTS: Final = _Kind(event_stream.FORM, event_stream.next_result, event_stream.failed, event_stream.COMPLETE)
_PARTS: Final = _Kind(multipart.FORM, multipart.next_result, multipart.failed, multipart.END)

_OPERATION: Final = frozenset({"query", "documentId", "extensions"})
"""Parameters of a GET that asks for something; one with a token and none of these opens a stream."""


class Streaming:
    """Event streams and multipart responses of an application; ``shutdown`` ends them all."""

    def __init__(
        self,
        operations: Operations,
        limits: Limits,
        authenticator: Authenticator | None = None,
        occupancy: Occupancy | None = None,
    ) -> None:
        self._operations = operations
        self._limits = limits
        self._authenticator = authenticator
        occupancy = occupancy or Occupancy(limits)
        self.streams = Streams(limits, operations.tally, occupancy.shares)
        self._single = SingleConnections(operations, self.streams, limits, authenticator, occupancy)

    async def shutdown(self) -> None:
        """End every stream such that its client connects again, and wait until nothing of them runs."""
        await self.streams.shutdown()
        await self._single.shutdown()

    @staticmethod
    def accepted(accept: str | None) -> bool:
        """Whether a client takes a stream of a kind that we have."""
        return _chosen(accept, streams_only=True) is not None

    def manage(self, request: HTTPRequest) -> Response | None:
        """Answer a request that only manages a single connection; None where it asks for something. Raises Unacceptable."""
        token = self._single.token(request)
        if request.method == "PUT":
            return self._single.reserve(request)
        if request.method == "DELETE":
            return self._single.stop(token, request)
        if token is not None and request.method == "GET" and not _OPERATION & request.query_params.keys():
            if _chosen(field_value(request.headers, "accept"), streams_only=True) is not _EVENTS:
                raise Unacceptable.because(f"Accept {event_stream.EVENT_STREAM}.", "NOT_ACCEPTABLE", 406)
            return self._single.open(token, request)
        return None

    def answer(self, request: HTTPRequest, asked: Request) -> Response | None:
        """The answer to an operation where it is a stream, or goes to one; otherwise None. Raises RequestRefused."""
        accept, token = field_value(request.headers, "accept"), self._single.token(request)
        if token is not None:
            return self._single.execute(token, request, self._prepared_for_single(request, asked))
        if not self.accepted(accept):
            return None
        kind = _chosen(accept, streams_only=False)
        try:
            operation = self._prepared(request, asked)
        except Unacceptable:
            raise
        except RequestRefused as refused:
            if kind is not _EVENTS:
                raise
            self._operations.tally.failed(refused.errors)
            self._operations.tally.refused(refused.limit)
            self.streams.admit(request)
            return self._respond(_EVENTS, request, _only(_EVENTS.failed(refused.errors)), OperationType.QUERY)
        if operation.kind is OperationType.SUBSCRIPTION:
            kind = _chosen(accept, streams_only=True)
        if kind is None:
            if negotiate(accept) is None:
                raise Unacceptable.because(f"Accept {JSON} or {GRAPHQL_RESPONSE}.", "NOT_ACCEPTABLE", 406)
            # It is prepared, and counted, once more by whoever answers it.
            self._operations.tally.operations[operation.kind.value] -= 1
            return None
        self.streams.admit(request)
        return self._respond(kind, request, self._said(kind, request, operation), operation.kind)

    def _prepared(self, request: HTTPRequest, asked: Request) -> Operation:
        operation = self._operations.prepare(asked)
        request.scope[OPERATION_KIND] = operation.kind.value
        if request.method == "GET" and operation.kind is OperationType.MUTATION:
            raise Unacceptable.because("Mutations are sent with POST.", "METHOD_NOT_ALLOWED", 405)
        since = request.headers.get("last-event-id")
        if since and operation.kind is OperationType.SUBSCRIPTION and operation.asked.since is None:
            return replace(operation, asked=replace(operation.asked, since=since))
        return operation

    def _prepared_for_single(self, request: HTTPRequest, asked: Request) -> Operation:
        try:
            return self._prepared(request, asked)
        except RequestRefused as refused:
            # 200 would say that it is accepted, whatever media type the client takes.
            raise Unacceptable(refused.errors, refused.status, refused.limit) from refused

    def _respond(
        self, kind: _Kind, request: HTTPRequest, chunks: AsyncGenerator[bytes, None], operation: OperationType
    ) -> Response:
        stand = None if self._authenticator is None else partial(self._authenticator.standing, principal_of(request))
        forbidden = partial(kind.failed, [UNAUTHENTICATED])
        return StreamResponse(kind.form, chunks, self.streams, self._limits, kind=operation, stand=stand, forbidden=forbidden)

    async def _said(self, kind: _Kind, request: HTTPRequest, operation: Operation) -> AsyncGenerator[bytes, None]:
        """What is said of one operation, to its last word. Whatever is raised becomes that."""
        try:
            if operation.kind is OperationType.SUBSCRIPTION:
                async with aclosing(self._results(kind, request, operation)) as made:
                    async for text in made:
                        yield text
                        del text  # the next one may be long in coming: nobody is to hold this one for all that time
            else:
                context = await self._operations.context(request, operation)
                yield kind.result(orjson.dumps(await self._operations.execute(operation, context)), None)
            last = kind.completed
        except RequestRefused as refused:
            self._operations.tally.failed(refused.errors)
            last = _failure(kind, refused.errors)
        except Exception as error:
            errors = [format_exception(error)]
            self._operations.tally.failed(errors)
            last = kind.failed(errors)
        yield last

    async def _results(self, kind: _Kind, request: HTTPRequest, operation: Operation) -> AsyncGenerator[bytes, None]:
        # The events of an event stream say which version they show: a plan does not.
        if operation.plan is not None and kind is not _EVENTS:
            try:
                async with aclosing(payloads(operation, principal_of(request))) as made:
                    async for payload in made:
                        text = kind.result(payload, None)
                        del payload
                        yield text
                        del text
                return
            except LookupError:
                pass  # graphql-core goes on
        context = await self._operations.context(request, operation)
        async with aclosing(results(self._operations, operation, context, self._limits)) as executed:
            async for result in executed:
                text = kind.result(orjson.dumps(result.payload), result.version)
                del result
                yield text
                del text


async def _only(text: bytes) -> AsyncGenerator[bytes, None]:
    yield text


def _failure(kind: _Kind, errors: list[dict[str, Any]]) -> bytes:
    try:
        return kind.failed(errors)
    except TypeError as error:
        # A resolver's own GraphQLError may carry extensions that JSON cannot hold.
        return kind.failed([format_exception(error)])


def _chosen(accept: str | None, *, streams_only: bool) -> _Kind | None:
    """The kind that a client likes most, of those it names; of equals, the first.

    Multipart is for subscriptions, which are answered with ``streams_only``; for the others JSON counts, which is None here.
    """
    found: list[tuple[float, _Kind | None]] = []
    for name, parameters, quality in media_ranges(accept or ""):
        if quality == 0:
            continue
        if name == event_stream.EVENT_STREAM:
            found.append((quality, _EVENTS))
        elif name == multipart.MULTIPART and parameters.get("subscriptionspec") == multipart.VERSION and streams_only:
            found.append((quality, _PARTS))
        elif name in (JSON, GRAPHQL_RESPONSE, "application/*", "*/*") and not streams_only:
            found.append((quality, None))
    return max(found, key=lambda each: each[0])[1] if found else None
