"""Operations: what a client asks for, from its text to its results; the same over HTTP and over WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import isawaitable
from typing import Any, Final, TypeAlias

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    create_source_event_stream,
    execute,
    get_variable_values,
    located_error,
)
from graphql.execution.collect_fields import collect_fields
from starlette.requests import HTTPConnection

from bff.errors import BadUserInput
from bff.request_extensions import NOTHING_ASKED, RequestExtensions
from bff.serving.context import OperationContext, Response
from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused, format_error, format_exception
from bff.serving.limits import Limits
from bff.serving.persisted import PersistedDocuments
from bff.serving.request import Request
from bff.serving.variables import variable_errors

__all__ = ["LATEST_WINS", "ContextFactory", "Operation", "Operations", "Request"]

ContextFactory: TypeAlias = Callable[[HTTPConnection, "Operation"], Awaitable[Any] | Any]
"""Makes ``info.context`` for one operation that arrived on a connection (a Request, or a WebSocket whose
``state.connection_params`` is the payload of its ``connection_init``)."""

LATEST_WINS: Final = "bff.latest_wins"
"""A subscription field with this in its ``extensions`` yields states, not events: to a peer that is slow, a newer
result replaces the unsent one. Without it the source waits until its result has been taken by the socket."""

_MAX_COERCION_ERRORS = 20


@dataclass(frozen=True)
class Operation:
    """A valid request: its document, which of its operations is meant, and variables that can be coerced.

    Its ``request`` has the text of the document, sent or not; ``persisted`` says that the client has named it, or that it is a
    trusted one.
    """

    request: Request
    document: DocumentNode
    node: OperationDefinitionNode
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
    def kind(self) -> OperationType:
        return self.node.operation

    @property
    def name(self) -> str | None:
        return self.node.name.value if self.node.name else None


class Operations:
    """Prepares and executes operations on one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        context_factory: ContextFactory,
        documents: Documents,
        persisted: PersistedDocuments | None = None,
    ) -> None:
        self._schema = schema
        self._context_factory = context_factory
        self._persisted = persisted or PersistedDocuments(documents, Limits())
        # "Did you mean …?" tells what introspection is not to tell.
        self._hide = not documents.introspection

    def prepare(self, request: Request) -> Operation:
        """Parse, validate, choose the operation, check the variables. Raises RequestRefused."""
        found = self._persisted.find(request)
        request, document = replace(request, query=found.text), found.document
        node = _choose(document, request.operation_name)
        if self._schema.get_root_type(node.operation) is None:
            raise RequestRefused.because(f"This schema has no {node.operation.value}s.", "GRAPHQL_VALIDATION_FAILED")
        try:
            asked = RequestExtensions.parse(request.extensions)
        except BadUserInput as error:
            raise RequestRefused([format_exception(error)]) from error
        variables = dict(request.variables or {})
        coerced = get_variable_values(
            self._schema, node.variable_definitions or (), variables, _MAX_COERCION_ERRORS, hide_suggestions=self._hide
        )
        if isinstance(coerced, list):
            raise RequestRefused(variable_errors(self._schema, document, node, variables, coerced))
        latest_wins = node.operation is OperationType.SUBSCRIPTION and self._latest_wins(document, node, coerced)
        return Operation(request, document, node, variables, asked, latest_wins, found.persisted)

    async def context(self, connection: HTTPConnection, operation: Operation) -> Any:
        """A fresh ``info.context``: one for each operation."""
        context = self._context_factory(connection, operation)
        return await context if isawaitable(context) else context

    async def execute(self, operation: Operation, context: Any) -> Response:
        """The response of a query or a mutation; errors are formatted. Raises what the context raises."""
        if not isinstance(context, OperationContext):
            return await self._execute(operation, context)
        return await context.perform(lambda: self._execute(operation, context))

    async def execute_event(self, operation: Operation, context: Any, event: Any) -> Response:
        """The response of one event of a subscription; errors are formatted."""
        if not isinstance(context, OperationContext):
            return await self._execute(operation, context, event)
        return await context.event(lambda: self._execute(operation, context, event))

    async def _execute(self, operation: Operation, context: Any, root: Any = None) -> Response:
        with _own_cancellation_only():
            result = execute(
                self._schema, operation.document, root, context, operation.variables, operation.name, hide_suggestions=self._hide
            )
            return _response(await result if isawaitable(result) else result)

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
            raise RequestRefused([self._source_error(operation, error)]) from error

    def _source_error(self, operation: Operation, error: Exception) -> dict[str, Any]:
        field = operation.node.selection_set.selections[0]
        path = [(field.alias or field.name).value] if isinstance(field, FieldNode) else None
        return format_error(located_error(error, [field], path))

    def _latest_wins(self, document: DocumentNode, node: OperationDefinitionNode, variables: dict[str, Any]) -> bool:
        root_type = self._schema.get_root_type(node.operation)
        if root_type is None:
            return False
        fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
        selected = collect_fields(self._schema, fragments, variables, root_type, node.selection_set)
        for nodes in selected.values():
            definition = root_type.fields.get(nodes[0].name.value)
            if definition is not None and definition.extensions.get(LATEST_WINS):
                return True
        return False


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


def _choose(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name is not None:
        operations = [each for each in operations if each.name is not None and each.name.value == name]
        if not operations:
            raise RequestRefused.because(f'Unknown operation named "{name}".', "OPERATION_RESOLUTION_FAILURE")
    if not operations:
        raise RequestRefused.because("The document has no operation.", "OPERATION_RESOLUTION_FAILURE")
    if len(operations) > 1:
        raise RequestRefused.because(
            "operationName is required where the document has several operations.", "OPERATION_RESOLUTION_FAILURE"
        )
    return operations[0]


def _response(result: ExecutionResult) -> Response:
    response: Response = {}
    if result.errors:
        response["errors"] = [format_error(error) for error in result.errors]
    response["data"] = result.data
    if result.extensions:
        response["extensions"] = result.extensions
    return response
