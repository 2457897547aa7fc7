"""GraphQL over HTTP: one request, one answer, or the stream that takes its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import orjson
from ariadne.asgi.handlers import GraphQLHTTPHandler as AriadneHTTPHandler
from ariadne.types import GraphQLResult
from graphql import DocumentNode, OperationType
from orjson import Fragment
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse, Response

from bff.auth.authenticator import Authenticator, principal_of
from bff.errors import RequestError
from bff.observability.tally import Tally
from bff.serving.batch import Result, answer_batch
from bff.serving.caching import Caching
from bff.serving.compression import Compression
from bff.serving.context import Response as GraphQLResponse
from bff.serving.errors import RequestRefused
from bff.serving.failed import failed
from bff.serving.limits import Limits
from bff.serving.negotiation import GRAPHQL_RESPONSE, JSON, accepts_html, field_value, negotiate
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operation, Operations, Request
from bff.serving.origins import Origins
from bff.serving.parameters import Unacceptable, from_json, from_query_string, read_json
from bff.serving.responses import NO_STORE, not_modified, respond
from bff.serving.streaming import OPERATION_KIND, Streaming

__all__ = ["GraphQLHTTPHandler", "Page"]

_ALLOW = {"Allow": "GET, POST, PUT, DELETE, OPTIONS"}
_HELP = """This is a GraphQL endpoint.

Queries and mutations: POST a JSON object with "query", and optionally "variables" and "operationName", as application/json.
Queries also: GET with the same names as parameters.
Subscriptions: a WebSocket at this address, subprotocol graphql-transport-ws. Or over HTTP, to clients that accept
text/event-stream (graphql-sse) or multipart/mixed;subscriptionSpec="1.0" (Apollo's).
"""
_FOREIGN = "A page of another origin may not send this: see allowed_origins, or send a header that a browser asks for first."
_SUBSCRIPTIONS = (
    "Subscriptions are served over WebSocket, subprotocol graphql-transport-ws, and over HTTP to clients that accept "
    'text/event-stream or multipart/mixed;subscriptionSpec="1.0".'
)
Page: TypeAlias = Callable[[HTTPRequest], Response]


class GraphQLHTTPHandler(AriadneHTTPHandler):
    """GraphQL over HTTP by the specification: POST of JSON, GET of queries, both media types with their status codes."""

    def __init__(
        self,
        operations: Operations,
        limits: Limits,
        page: Page | None = None,
        *,
        caching: Caching,
        batch_operations: int = 0,
        compression: Compression | None = None,
        authenticator: Authenticator | None = None,
        origins: Origins,
        occupancy: Occupancy | None = None,
    ) -> None:
        super().__init__()
        self._origins = origins
        self._operations = operations
        self._limits = limits
        self._streaming = Streaming(operations, limits, authenticator, occupancy)
        self._authenticator = authenticator
        self._caching = caching
        self._batch_operations = batch_operations
        self._compression = compression
        self._page = page or _help

    async def handle_request_override(self, request: HTTPRequest) -> Response | None:
        if request.method in ("GET", "POST", "PUT", "DELETE"):
            response = await self._handle(request)
        else:
            response = Response(status_code=204 if request.method == "OPTIONS" else 405, headers=_ALLOW)
        self._operations.tally.responses[request.scope.get(OPERATION_KIND, "none"), response.status_code] += 1
        return response

    async def _handle(self, request: HTTPRequest) -> Response:
        accept = field_value(request.headers, "accept")
        if request.method == "GET" and not request.url.query and accepts_html(accept):
            return self._page(request)
        media_type = negotiate(accept)
        try:
            await self._admit(request)
            managed = self._streaming.manage(request)
            if managed is not None:
                return managed
            if media_type is None and not self._streaming.accepted(accept):
                raise Unacceptable.because(f"Accept {JSON} or {GRAPHQL_RESPONSE}.", "NOT_ACCEPTABLE", 406)
            asked = await self._asked(request)
            if isinstance(asked, list):
                request.scope[OPERATION_KIND] = "batch"
                _check_batch(request, media_type)
                results = await answer_batch(
                    asked, self._batch_operations, self._prepare, partial(self._execute, request), self._refused
                )
                return await self._respond(request, results, media_type or JSON)
            streamed = self._streaming.answer(request, asked)
            if streamed is not None:
                return streamed
            return await self._answer(request, asked, media_type or JSON)
        except Unacceptable as refused:
            self._refused(refused)
            response = await self._respond(request, {"errors": refused.errors}, media_type or JSON, refused.status)
            if refused.status == 405:
                response.headers["Allow"] = "POST"
            if refused.status == 401:
                response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response
        except RequestRefused as refused:
            self._refused(refused)
            # application/json predates status codes: a well-formed request is answered 200 whatever comes of it.
            status = refused.status if media_type == GRAPHQL_RESPONSE else 200
            return await self._respond(request, {"errors": refused.errors}, media_type or JSON, status)
        except ClientDisconnect:
            return Response(status_code=400)

    def _refused(self, refused: RequestRefused) -> None:
        self._operations.tally.failed(refused.errors)
        self._operations.tally.refused(refused.limit)

    @property
    def tally(self) -> Tally:
        """What has been counted of all operations, those over WebSocket included."""
        return self._operations.tally

    async def _admit(self, request: HTTPRequest) -> None:
        """Before anything else is looked at: who is refused costs nothing more. Raises Unacceptable."""
        if request.method == "GET" and not self._origins.allow_get(request.headers):
            raise Unacceptable.because(_FOREIGN, "ORIGIN_NOT_ALLOWED", 403)
        if self._authenticator is None:
            return
        try:
            await self._authenticator.identify(request)
        except RequestError as error:
            raise failed(error) from error

    @property
    def streams(self) -> int:
        """How many streams over HTTP are open or reserved."""
        return self._streaming.streams.open

    async def shutdown(self) -> None:
        """End every stream over HTTP, such that its client connects again, and wait until nothing of them runs."""
        await self._streaming.shutdown()

    async def execute_graphql_query(
        self, request: Any, data: Any, *, context_value: Any = None, query_document: DocumentNode | None = None
    ) -> GraphQLResult:
        """Ariadne's way in, for code that holds the parameters already; ``query_document`` is not needed: ours are cached."""
        try:
            asked = Request(
                data.get("query"),
                data.get("operationName"),
                data.get("variables"),
                data.get("extensions"),
                data.get("documentId"),
            )
            operation = self._operations.prepare(asked)
            context = await self._operations.context(request, operation) if context_value is None else context_value
            result = await self._operations.execute(operation, context)
            if isinstance(result.get("data"), Fragment):
                result = orjson.loads(orjson.dumps(result))
        except RequestRefused as refused:
            return False, {"errors": refused.errors}
        return "errors" not in result, result

    async def _asked(self, request: HTTPRequest) -> Request | list[Any]:
        if request.method != "POST":
            return from_query_string(request.query_params)
        body = await read_json(request, self._limits)
        return body if self._batch_operations and isinstance(body, list) else from_json(body)

    async def _answer(self, request: HTTPRequest, asked: Request, media_type: str) -> Response:
        operation = self._operations.prepare(asked)
        request.scope[OPERATION_KIND] = operation.kind.value
        if operation.kind is OperationType.SUBSCRIPTION:
            raise Unacceptable.because(_SUBSCRIPTIONS)
        if request.method == "GET" and operation.kind is not OperationType.QUERY:
            raise Unacceptable.because("Mutations are sent with POST.", "METHOD_NOT_ALLOWED", 405)
        try:
            context = await self._operations.context(request, operation)
            conditional = self._caching.conditional(request, operation, context, media_type)
            if conditional is not None and (unchanged := await conditional.unchanged()) is not None:
                return not_modified(unchanged)
            result = await self._operations.execute(operation, context)
        except Exception as error:
            raise failed(error) from error
        headers = None if conditional is None else conditional.headers(result)
        if conditional is None or headers is None:
            return await self._respond(request, result, media_type)
        if conditional.holds(headers["ETag"]):
            return not_modified(headers)
        return await self._respond(request, result, media_type, headers=headers)

    async def change(self, request: HTTPRequest, operation: Operation, media_type: str) -> bytes | Response:
        """Do a mutation of a plain request: the body of its answer, or the whole answer where the request failed."""
        try:
            result = await self._performed(request, operation)
        except Unacceptable as refused:
            return await self._respond(request, {"errors": refused.errors}, media_type, refused.status)
        try:
            return orjson.dumps(result)
        except TypeError:
            return await self._respond(request, result, media_type)

    def _prepare(self, parameters: Any) -> Operation:
        """One operation of a batch."""
        operation = self._operations.prepare(from_json(parameters))
        if operation.kind is OperationType.SUBSCRIPTION:
            raise Unacceptable.because("A subscription cannot be part of a batch.")
        return operation

    async def _execute(self, request: HTTPRequest, operation: Operation) -> Result:
        planned = await self._operations.planned(operation, principal_of(request))
        if planned is not None:
            return Fragment(planned)
        return await self._performed(request, operation)

    async def _performed(self, request: HTTPRequest, operation: Operation) -> GraphQLResponse:
        try:
            return await self._operations.execute(operation, await self._operations.context(request, operation))
        except Exception as error:
            raise failed(error) from error

    async def _respond(
        self,
        request: HTTPRequest,
        payload: Mapping[str, Any] | Sequence[Any],
        media_type: str,
        status: int = 200,
        headers: Mapping[str, str] = NO_STORE,
    ) -> Response:
        return await respond(request, payload, media_type, status, headers, compression=self._compression)


def _help(request: HTTPRequest) -> Response:
    return PlainTextResponse(_HELP)


def _check_batch(request: HTTPRequest, media_type: str | None) -> None:
    """Raises Unacceptable for a batch whose headers only fit a single operation."""
    if media_type is None:
        raise Unacceptable.because(f"A batch is not streamed: accept {JSON}.", "NOT_ACCEPTABLE", 406)
    if "idempotency-key" in request.headers:
        # Each of its mutations would be taken for a repetition of the first.
        raise Unacceptable.because("In a batch, each mutation has its own extensions.bff.idempotencyKey.")
