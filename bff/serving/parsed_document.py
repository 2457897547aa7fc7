"""A GraphQL document that is parsed and valid, and what is found out about its operations: once, however often they are asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_variable_values,
)
from graphql.execution.collect_fields import collect_fields

from bff.serving.cache_policy import max_age
from bff.serving.cost import Cost
from bff.serving.document_size import TooLarge
from bff.serving.errors import RequestRefused
from bff.serving.planning import MutationPlan, Plan, Plans, QueryPlan

__all__ = ["LATEST_WINS", "ParsedDocument", "ParsedOperation"]

logger = logging.getLogger("bff.serving")

LATEST_WINS: Final = "bff.latest_wins"
"""A subscription field with this in its ``extensions`` yields states, not events: to a peer that is slow, a newer
result replaces the unsent one. Without it the source waits until its result has been taken by the socket."""

_MAX_COERCION_ERRORS = 20


class ParsedDocument:
    """A document and its operations, by their names. ``planned`` is told each plan that is made.

    ``most_cost`` is the most that one of them may cost; None for any cost. ``characters`` says how much memory whoever keeps it
    takes it to be.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        text: str,
        node: DocumentNode,
        plans: Plans | None = None,
        planned: Callable[[Plan], None] | None = None,
        most_cost: int | None = None,
    ) -> None:
        self.text = text
        self.node = node
        self.characters = 0
        found = [each for each in node.definitions if isinstance(each, OperationDefinitionNode)]
        operations = [ParsedOperation(schema, self, each, plans, planned, most_cost) for each in found]
        self.operations: dict[str | None, ParsedOperation] = {each.name: each for each in operations}
        """By what a request may call them: None where there is only one."""
        if len(operations) == 1:
            self.operations[None] = operations[0]

    def choose(self, name: str | None) -> ParsedOperation:
        """The operation of this name; without a name, the only one. Raises RequestRefused."""
        operation = self.operations.get(name)
        if operation is not None:
            return operation
        if name is not None:
            raise RequestRefused.because(f'Unknown operation named "{name}".', "OPERATION_RESOLUTION_FAILURE")
        if not self.operations:
            raise RequestRefused.because("The document has no operation.", "OPERATION_RESOLUTION_FAILURE")
        raise RequestRefused.because(
            "operationName is required where the document has several operations.", "OPERATION_RESOLUTION_FAILURE"
        )


class ParsedOperation:
    """One operation of a document: what does not depend on the variables is found out when it is first asked for, and kept."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: ParsedDocument,
        node: OperationDefinitionNode,
        plans: Plans | None,
        planned: Callable[[Plan], None] | None,
        most_cost: int | None,
    ) -> None:
        """Raises TooLarge where it costs more whatever its variables are."""
        self.document = document.node
        self.node = node
        self.kind: OperationType = node.operation
        self.name: str | None = node.name.value if node.name else None
        self._schema = schema
        self._plans = plans
        self._planned = planned
        # Nothing but a directive has variables say what is selected.
        self._conditional = "@" in document.text
        cost = None if most_cost is None else Cost(schema, document.node, node)
        self._cost = cost
        self._most_cost = most_cost
        # Whether it has to be looked at for each request.
        self._may_cost_too_much = cost is not None and most_cost is not None and cost.most > most_cost
        if cost is not None and not cost.depends:
            self.afford(cost.most)

    def cost(self, variables: Mapping[str, Any]) -> float:
        """What it costs with these variables, coerced; 0 where it may cost anything."""
        return 0 if self._cost is None else self._cost.of(variables)

    def check_cost(self, variables: Mapping[str, Any]) -> None:
        """Raises TooLarge where it costs more than it may with these variables, coerced."""
        if self._may_cost_too_much:
            self.afford(self.cost(variables))

    def afford(self, cost: float) -> None:
        """Raises TooLarge where that is more than it may cost."""
        if self._most_cost is not None and cost > self._most_cost:
            raise TooLarge(
                f"{cost:.0f} values are asked for, and may be no more than {self._most_cost}: ask for shorter lists.",
                "query_cost",
                self.node,
            )

    @cached_property
    def plan(self) -> Plan | None:
        """Its plan; None where it is graphql-core's, or a mutation."""
        return None if self.kind is OperationType.MUTATION else self._made_plan()

    def _made_plan(self) -> Plan | None:
        if self._plans is None:
            return None
        try:
            plan = self._plans.plan(self.document, self.node)
        except Exception:
            logger.exception("no plan could be made of an operation: graphql-core executes it")
            return None
        if plan is not None and self._planned is not None:
            self._planned(plan)
        return plan

    @cached_property
    def query_plan(self) -> QueryPlan | None:
        """Its plan, where it is a query whose variables need not be looked at first."""
        if self.kind is not OperationType.QUERY or self._may_cost_too_much:
            return None
        return cast(QueryPlan | None, self.plan)

    @cached_property
    def mutation_plan(self) -> MutationPlan | None:
        """Its plan, where it is a mutation. It answers with one view: that never costs too much."""
        return cast(MutationPlan | None, self._made_plan()) if self.kind is OperationType.MUTATION else None

    @cached_property
    def max_age(self) -> int | None:
        """For how long its answers may be shown, in seconds; None where they do not follow from stored views alone."""
        return max_age(self._schema, self.document, self.node)

    @cached_property
    def served(self) -> bool:
        """Whether the schema has operations of this kind."""
        return self._schema.get_root_type(self.kind) is not None

    def coerce(self, variables: dict[str, Any], *, hide_suggestions: bool) -> dict[str, Any] | list[GraphQLError]:
        """The variables as its resolvers get them, or what is wrong with them."""
        definitions = self.node.variable_definitions
        if not definitions:
            return {}
        return get_variable_values(self._schema, definitions, variables, _MAX_COERCION_ERRORS, hide_suggestions=hide_suggestions)

    def latest_wins(self, variables: Mapping[str, Any]) -> bool:
        """Whether it is a subscription to states. ``variables`` are coerced."""
        if self.kind is not OperationType.SUBSCRIPTION:
            return False
        return self._selects_states(variables) if self._conditional else self._always_states

    @cached_property
    def _always_states(self) -> bool:
        return self._selects_states({})

    def _selects_states(self, variables: Mapping[str, Any]) -> bool:
        root_type = self._schema.get_root_type(self.kind)
        if root_type is None:
            return False
        fragments = {each.name.value: each for each in self.document.definitions if isinstance(each, FragmentDefinitionNode)}
        selected = collect_fields(self._schema, fragments, dict(variables), root_type, self.node.selection_set)
        for nodes in selected.values():
            definition = root_type.fields.get(nodes[0].name.value)
            if definition is not None and definition.extensions.get(LATEST_WINS):
                return True
        return False
