"""GraphQL over HTTP, and the ASGI application that serves it together with graphql-transport-ws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from ariadne.asgi import GraphQL
from ariadne.asgi.handlers import GraphQLHTTPHandler as AriadneHTTPHandler
from ariadne.explorer import ExplorerHttp405
from ariadne.types import GraphQLResult
from graphql import DocumentNode, GraphQLSchema, OperationType
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse, Response

from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused, format_error, format_exception
from bff.serving.limits import Limits
from bff.serving.negotiation import GRAPHQL_RESPONSE, JSON, accepts_html, negotiate
from bff.serving.operations import ContextFactory, Operations, Request
from bff.serving.parameters import Unacceptable, from_body, from_query_string
from bff.serving.websocket import GraphQLTransportWSHandler, OnConnect

__all__ = ["GraphQLApp", "GraphQLHTTPHandler", "graphql_app"]

_ALLOW = {"Allow": "GET, POST, OPTIONS"}
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
_HELP = """This is a GraphQL endpoint.

Queries and mutations: POST a JSON object with "query", and optionally "variables" and "operationName", as application/json.
Queries also: GET with the same names as parameters.
Subscriptions: a WebSocket at this address, subprotocol graphql-transport-ws.
"""
# Of errors that come before the execution but are not about the request.
_STATUS = {"INTERNAL": 500, "UNAVAILABLE": 503, "UNAUTHENTICATED": 401, "FORBIDDEN": 403}


class GraphQLHTTPHandler(AriadneHTTPHandler):
    """GraphQL over HTTP by the specification: POST of JSON, GET of queries, both media types with their status codes."""

    def __init__(self, operations: Operations, limits: Limits) -> None:
        super().__init__()
        self._operations = operations
        self._limits = limits

    async def handle_request_override(self, request: HTTPRequest) -> Response | None:
        if request.method not in ("GET", "POST"):
            return Response(status_code=204 if request.method == "OPTIONS" else 405, headers=_ALLOW)
        accept = request.headers.get("accept")
        if request.method == "GET" and not request.url.query and accepts_html(accept):
            return PlainTextResponse(_HELP)
        media_type = negotiate(accept)
        try:
            if media_type is None:
                raise Unacceptable.because(f"Accept {JSON} or {GRAPHQL_RESPONSE}.", "NOT_ACCEPTABLE", 406)
            asked = await self._asked(request)
            return _respond(await self._answer(request, asked), media_type, 200)
        except Unacceptable as refused:
            response = _respond({"errors": refused.errors}, media_type or JSON, refused.status)
            if refused.status == 405:
                response.headers["Allow"] = "POST"
            return response
        except RequestRefused as refused:
            # application/json predates status codes: a well-formed request is answered 200 whatever comes of it.
            status = refused.status if media_type == GRAPHQL_RESPONSE else 200
            return _respond({"errors": refused.errors}, media_type or JSON, status)
        except ClientDisconnect:
            return Response(status_code=400)

    async def execute_graphql_query(
        self, request: Any, data: Any, *, context_value: Any = None, query_document: DocumentNode | None = None
    ) -> GraphQLResult:
        """Ariadne's way in, for code that holds the parameters already; ``query_document`` is not needed: ours are cached."""
        try:
            asked = Request(data["query"], data.get("operationName"), data.get("variables"), data.get("extensions"))
            operation = self._operations.prepare(asked)
            context = await self._operations.context(request) if context_value is None else context_value
            result = await self._operations.execute(operation, context)
        except RequestRefused as refused:
            return False, {"errors": refused.errors}
        return "errors" not in result, result

    async def _asked(self, request: HTTPRequest) -> Request:
        if request.method == "POST":
            return await from_body(request, self._limits)
        return from_query_string(request.query_params)

    async def _answer(self, request: HTTPRequest, asked: Request) -> Mapping[str, Any]:
        operation = self._operations.prepare(asked)
        if operation.kind is OperationType.SUBSCRIPTION:
            raise Unacceptable.because("Subscriptions are served over WebSocket, subprotocol graphql-transport-ws.")
        if request.method == "GET" and operation.kind is not OperationType.QUERY:
            raise Unacceptable.because("Mutations are sent with POST.", "METHOD_NOT_ALLOWED", 405)
        try:
            context = await self._operations.context(request)
            return await self._operations.execute(operation, context)
        except Exception as error:
            raise _failed(error) from error


class GraphQLApp(GraphQL):
    """The ASGI application of one schema; ``shutdown`` belongs into the lifespan of whatever it is mounted in."""

    http_handler: GraphQLHTTPHandler
    websocket_handler: GraphQLTransportWSHandler

    async def shutdown(self) -> None:
        """Close every WebSocket with 1012 and wait until nothing of them runs."""
        await self.websocket_handler.shutdown()


def graphql_app(
    schema: GraphQLSchema,
    context_factory: ContextFactory,
    *,
    limits: Limits | None = None,
    on_connect: OnConnect | None = None,
    allowed_origins: Sequence[str] = (),
    introspection: bool = True,
) -> GraphQLApp:
    """Serve a schema over HTTP and graphql-transport-ws.

    ``context_factory`` makes ``info.context`` for each operation. ``allowed_origins`` are pages of other hosts that may
    open a WebSocket (``"https://app.example.com"``, or ``"*"``); the own host's may always.
    Raises TypeError where the schema is not valid.
    """
    limits = limits or Limits()
    operations = Operations(schema, context_factory, Documents(schema, limits, introspection=introspection))
    return GraphQLApp(
        schema,
        context_value=lambda request, _: context_factory(request),
        introspection=introspection,
        explorer=ExplorerHttp405(),
        error_formatter=format_error,
        http_handler=GraphQLHTTPHandler(operations, limits),
        websocket_handler=GraphQLTransportWSHandler(operations, limits, on_connect=on_connect, allowed_origins=allowed_origins),
    )


def _failed(error: Exception) -> Unacceptable:
    formatted = format_exception(error)
    return Unacceptable([formatted], _STATUS.get(formatted["extensions"]["code"], 400))


def _respond(payload: Mapping[str, Any], media_type: str, status: int) -> Response:
    try:
        body = orjson.dumps(payload)
    except TypeError as error:
        # A scalar of the schema has let something through that JSON cannot hold.
        body, status = orjson.dumps({"errors": [format_exception(error)]}), 500
    return Response(body, status, {**_HEADERS, "Content-Type": f"{media_type}; charset=utf-8"})
