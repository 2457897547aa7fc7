"""Operations: what a client asks for, from its text to its results; the same over HTTP and over WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import isawaitable
from typing import Any, TypeAlias, cast

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    create_source_event_stream,
    execute,
    located_error,
)
from orjson import Fragment
from starlette.requests import HTTPConnection

from bff.errors import BadUserInput
from bff.observability.tally import Tally
from bff.observability.tracing import NO_TRACING, Tracing
from bff.principal import Principal
from bff.request_extensions import NOTHING_ASKED, RequestExtensions
from bff.serving.context import OperationContext, Response, operation_context
from bff.serving.document_size import TooLarge, too_large
from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused, format_error, format_exception
from bff.serving.limits import Limits
from bff.serving.parsed_document import LATEST_WINS, ParsedOperation
from bff.serving.persisted import PersistedDocuments
from bff.serving.planned_answer import planned_answer
from bff.serving.planning import Plan, QueryPlan
from bff.serving.request import Request
from bff.serving.serially import Serially
from bff.serving.variables import variable_errors

__all__ = ["LATEST_WINS", "ContextFactory", "Operation", "Operations", "Request"]

ContextFactory: TypeAlias = Callable[[HTTPConnection, "Operation"], Awaitable[Any] | Any]
"""Makes ``info.context`` for one operation that arrived on a connection (a Request, or a WebSocket whose
``state.connection_params`` is the payload of its ``connection_init``)."""


@dataclass(frozen=True)
class Operation:
    """A valid request: which operation of which document is meant, and variables that can be coerced.

    Its ``request`` has the text of the document, sent or not; ``persisted`` says that the client has named it, or that it is a
    trusted one.
    """

    request: Request
    parsed: ParsedOperation
    variables: dict[str, Any]
    asked: RequestExtensions = NOTHING_ASKED
    latest_wins: bool = False
    persisted: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """The same for requests that ask the same: of the text, which of its operations, and the variables.

        Raises BadUserInput where variables are nested more deeply than JSON can be written, which is less than can be read.
        """
        asked = (self.request.query, self.name, self.variables)
        try:
            return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
        except TypeError as error:
            raise BadUserInput("Variable values are nested too deeply.") from error

    @property
    def cost(self) -> float:
        """How many values it asks for, at most; 0 of a trusted document."""
        coerced = self.parsed.coerce(self.variables, hide_suggestions=True)
        return 0 if isinstance(coerced, list) else self.parsed.cost(coerced)

    @property
    def document(self) -> DocumentNode:
        return self.parsed.document

    @property
    def node(self) -> OperationDefinitionNode:
        return self.parsed.node

    @property
    def kind(self) -> OperationType:
        return self.parsed.kind

    @property
    def name(self) -> str | None:
        return self.parsed.name

    @property
    def plan(self) -> Plan | None:
        """How it is answered without graphql-core; None where it is not, or asks for more than GraphQL has."""
        return None if self.asked.given else self.parsed.plan


class Operations:
    """Prepares and executes operations on one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        context_factory: ContextFactory,
        documents: Documents,
        persisted: PersistedDocuments | None = None,
        tally: Tally | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._tracing = tracing
        self.tally = tally or Tally()
        self._schema = schema
        self._context_factory = context_factory
        self._persisted = persisted or PersistedDocuments(documents, Limits())
        # "Did you mean …?" tells what introspection is not to tell.
        self._hide = not documents.introspection

    def prepare(self, request: Request) -> Operation:
        """Parse, validate, choose the operation, check the variables. Raises RequestRefused."""
        found = self._persisted.find(request)
        request = replace(request, query=found.document.text)
        parsed = found.document.choose(request.operation_name)
        if not parsed.served:
            raise RequestRefused.because(f"This schema has no {parsed.kind.value}s.", "GRAPHQL_VALIDATION_FAILED")
        try:
            asked = RequestExtensions.parse(request.extensions)
        except BadUserInput as error:
            raise RequestRefused([format_exception(error)]) from error
        self.tally.operations[parsed.kind.value] += 1
        variables = dict(request.variables or {})
        coerced = parsed.coerce(variables, hide_suggestions=self._hide)
        if isinstance(coerced, list):
            raise RequestRefused(variable_errors(self._schema, parsed.document, parsed.node, variables, coerced))
        try:
            parsed.check_cost(coerced)
        except TooLarge as error:
            raise too_large(error) from error
        return Operation(request, parsed, variables, asked, parsed.latest_wins(coerced), found.persisted)

    async def context(self, connection: HTTPConnection, operation: Operation) -> Any:
        """A fresh ``info.context``: one for each operation."""
        context = self._context_factory(connection, operation)
        return await context if isawaitable(context) else context

    async def planned(self, operation: Operation, principal: Principal) -> bytes | None:
        """The response of a query to whoever asks, as JSON, if its plan has it: no context is needed then."""
        if operation.kind is not OperationType.QUERY or operation.plan is None:
            return None
        answer = planned_answer(cast(QueryPlan, operation.plan), operation.variables, principal)
        return answer if answer is None or isinstance(answer, bytes) else await answer

    async def execute(self, operation: Operation, context: Any) -> Response:
        """The response of a query or a mutation; errors are formatted. Its ``data`` may be an ``orjson.Fragment``.

        Raises what the context raises.
        """
        if not self._tracing.enabled:
            return await self._perform(operation, context)
        with self._tracing.span(f"bff.{operation.kind.value}", {"graphql.operation.name": operation.name or ""}):
            return await self._perform(operation, context)

    async def _perform(self, operation: Operation, context: Any) -> Response:
        own = operation_context(context)
        if own is None:
            return await self._execute(operation, context)
        return await own.perform(lambda: self._execute(operation, context))

    async def execute_event(self, operation: Operation, context: Any, event: Any) -> Response:
        """The response of one event of a subscription; errors are formatted."""
        if not isinstance(context, OperationContext):
            return await self._execute(operation, context, event)
        return await context.event(lambda: self._execute(operation, context, event))

    async def _execute(self, operation: Operation, context: Any, root: Any = None) -> Response:
        with _own_cancellation_only():
            plan = operation.parsed.mutation_plan
            done = None if plan is None else await plan.execute(context, operation.variables)
            if isinstance(done, bytes):
                return {"data": Fragment(done)}
            result = execute(
                self._schema,
                operation.document,
                root,
                context,
                operation.variables,
                operation.name,
                middleware=None if done is None else [done],
                execution_context_class=Serially,
                hide_suggestions=self._hide,
            )
            response = _response(await result if isawaitable(result) else result)
        if "errors" in response:
            self.tally.failed(response["errors"])
        return response

    async def subscribe(self, operation: Operation, context: Any) -> AsyncIterable[Any]:
        """The source of a subscription: events to ``execute_event`` one after the other. Raises RequestRefused."""
        if isinstance(context, OperationContext):
            await context.begin()
        with _own_cancellation_only():
            source = await create_source_event_stream(
                self._schema, operation.document, None, context, operation.variables, operation.name, hide_suggestions=self._hide
            )
        if isinstance(source, ExecutionResult):
            raise RequestRefused([format_error(error) for error in source.errors or ()])
        return source

    async def next_event(self, operation: Operation, events: AsyncIterator[Any]) -> Any:
        """What the source yields next. Raises StopAsyncIteration at its end, RequestRefused for whatever else it raises."""
        try:
            with _own_cancellation_only():
                return await anext(events)
        except StopAsyncIteration:
            raise
        except Exception as error:
            raise source_refused(operation, error) from error


def source_refused(operation: Operation, error: Exception) -> RequestRefused:
    """How a subscription ends whose source has raised this."""
    field = operation.node.selection_set.selections[0]
    path = [(field.alias or field.name).value] if isinstance(field, FieldNode) else None
    return RequestRefused([format_error(located_error(error, [field], path))])


@contextmanager
def _own_cancellation_only() -> Iterator[None]:
    """A CancelledError that nobody sent to this task is an error: a resolver has waited for something that was cancelled."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a resolver waited for something that was cancelled") from error


def _response(result: ExecutionResult) -> Response:
    response: Response = {}
    if result.errors:
        response["errors"] = [format_error(error) for error in result.errors]
    response["data"] = result.data
    if result.extensions:
        response["extensions"] = result.extensions
    return response
