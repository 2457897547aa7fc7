"""Makes plans: operations that are answered from stored views, without a resolver for each field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.execution.collect_fields import collect_fields

from bff.model.catalog import Catalog
from bff.resolvers.plan.compiler import Compiler
from bff.resolvers.plan.mutation_plan import ChangeRoot, MutationPlan
from bff.resolvers.plan.planning import Unplannable, Visibility
from bff.resolvers.plan.query_plan import QueryPlan, ViewPlan
from bff.resolvers.plan.root_field import Root, ViewRoot, root_of
from bff.resolvers.plan.subscription_plan import SubscriptionPlan, ViewSubscription
from bff.resolvers.plan.variable_values import VariableValues
from bff.resolvers.plan.variants import NOT_PLANNED, ConditionalPlan, Variants, conditions_of

__all__ = ["Plans"]

Fragments: TypeAlias = Mapping[str, FragmentDefinitionNode]

Conditions: TypeAlias = Mapping[str, bool]


class Plans:
    """Compiles operations on one schema, over the views that a hub knows (``bff.serving.planning.Plans``).

    ``visibility`` tells what each principal sees of the hub and of the stored views. It keeps nothing: a plan belongs to
    whoever keeps the document that it was made of.
    """

    def __init__(self, schema: GraphQLSchema, catalog: Catalog, visibility: Visibility) -> None:
        self._schema = schema
        self._catalog = catalog
        self._visibility = visibility

    def plan(
        self, document: DocumentNode, operation: OperationDefinitionNode
    ) -> QueryPlan | ConditionalPlan | SubscriptionPlan | MutationPlan | None:
        """The plan of a valid operation; None where it is graphql-core's."""
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        try:
            match operation.operation:
                case OperationType.QUERY:
                    return self._plan_query(operation, fragments)
                case OperationType.SUBSCRIPTION:
                    return self._plan_subscription(operation, fragments)
                case _:
                    return self._plan_mutation(operation, fragments)
        except NOT_PLANNED:
            return None

    def _plan_query(self, operation: OperationDefinitionNode, fragments: Fragments) -> QueryPlan | ConditionalPlan:
        values = VariableValues(self._schema, operation)
        names = conditions_of(operation.selection_set, fragments)
        if not names:
            return self._query(operation, fragments, values, {})[0]
        return ConditionalPlan(values, Variants(names, lambda conditions: self._query(operation, fragments, values, conditions)))

    def _query(
        self, operation: OperationDefinitionNode, fragments: Fragments, values: VariableValues, conditions: Conditions
    ) -> tuple[QueryPlan, int]:
        """The plan, and how many fields it has."""
        roots, fields = self._roots(operation, fragments, conditions)
        match list(roots.items()):
            case [(name, ViewRoot() as root)] if root.selection.plain:
                return ViewPlan(values, self._visibility, name, root), fields
            case _:
                return QueryPlan(values, self._visibility, roots), fields

    def _plan_mutation(self, operation: OperationDefinitionNode, fragments: Fragments) -> MutationPlan:
        owner = self._schema.get_root_type(operation.operation)
        if not isinstance(owner, GraphQLObjectType) or conditions_of(operation.selection_set, fragments):
            raise Unplannable("there is no such root type, or variables say what is selected")
        selected = collect_fields(self._schema, dict(fragments), {}, owner, operation.selection_set)
        if len(selected) != 1:
            raise Unplannable("mutations are done one after the other")
        [(name, nodes)] = selected.items()
        compiler = Compiler(self._schema, self._catalog, fragments, {})
        return MutationPlan(VariableValues(self._schema, operation), name, ChangeRoot(owner, name, nodes, compiler))

    def _plan_subscription(self, operation: OperationDefinitionNode, fragments: Fragments) -> SubscriptionPlan:
        values = VariableValues(self._schema, operation)
        names = conditions_of(operation.selection_set, fragments)
        variants = Variants(names, lambda conditions: self._subscription(operation, fragments, conditions))
        if not names and variants.of({}) is None:
            raise Unplannable("what it shows is not one view without links")
        return SubscriptionPlan(values, self._visibility, variants)

    def _subscription(
        self, operation: OperationDefinitionNode, fragments: Fragments, conditions: Conditions
    ) -> tuple[ViewSubscription, int]:
        roots, fields = self._roots(operation, fragments, conditions)
        match list(roots.items()):
            case [(name, ViewRoot() as root)] if root.selection.plain:
                return ViewSubscription(name, root), fields
            case _:
                raise Unplannable("what it shows is not one view without links")

    def _roots(
        self, operation: OperationDefinitionNode, fragments: Fragments, conditions: Conditions
    ) -> tuple[dict[str, Root], int]:
        owner = self._schema.get_root_type(operation.operation)
        if not isinstance(owner, GraphQLObjectType):
            raise Unplannable("there is no such root type")
        compiler = Compiler(self._schema, self._catalog, fragments, conditions)
        selected = collect_fields(self._schema, dict(fragments), dict(conditions), owner, operation.selection_set)
        roots = {name: root_of(compiler, owner, nodes, self._catalog) for name, nodes in selected.items()}
        return roots, len(roots) + compiler.compiled
