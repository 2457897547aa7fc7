"""Plans for a schema of any kind: graphql-core's own answers, as the bytes that a plan gives."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_variable_values,
)

from bff.principal import ANONYMOUS, Principal
from bff.serving.planning import Answer, Plan

__all__ = ["ExecutedPlans"]


class ExecutedPlans:
    """Plans every query. ``made`` are the plans, ``answered`` how often one has had an answer, ``error`` is what they raise."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.made: list[ExecutedPlan] = []
        self.answered = 0
        self.error: Exception | None = None

    def plan(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan | None:
        if operation.operation is not OperationType.QUERY:
            return None
        plan = ExecutedPlan(self, document, operation)
        self.made.append(plan)
        return plan


class ExecutedPlan:
    def __init__(self, plans: ExecutedPlans, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._plans = plans
        self._document = document
        self._operation = operation

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        given = dict(given or {})
        coerced = get_variable_values(self._plans.schema, self._operation.variable_definitions or (), given)
        return None if isinstance(coerced, list) else given

    def answer(self, variables: Mapping[str, Any], principal: Principal = ANONYMOUS) -> Answer | Awaitable[Answer]:
        if self._plans.error is not None:
            raise self._plans.error
        name = self._operation.name.value if self._operation.name else None
        result = execute(self._plans.schema, self._document, None, None, dict(variables), name)
        return self._written(result) if isinstance(result, ExecutionResult) else self._later(result)

    async def _later(self, result: Awaitable[ExecutionResult]) -> Answer:
        return self._written(await result)

    def _written(self, result: ExecutionResult) -> Answer:
        if result.errors:
            return None
        try:
            written = orjson.dumps({"data": result.data})
        except TypeError:
            return None
        self._plans.answered += 1
        return written
