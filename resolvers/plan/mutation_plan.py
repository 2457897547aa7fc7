"""A mutation that answers with one view, compiled: from its variables to its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
)
from graphql.pyutils import Path

from bff.errors import BFFError
from bff.resolvers.plan.argument_values import ArgumentValues
from bff.resolvers.plan.compiler import Compiler
from bff.resolvers.plan.planning import Unanswerable, Unplannable
from bff.resolvers.plan.query_plan import expected
from bff.resolvers.plan.variable_values import VariableValues
from bff.resolvers.view_document import ViewDocument

__all__ = ["ChangeRoot", "MutationPlan", "Resolved"]


class ChangeRoot:
    """The one root field of a mutation: bff's own resolver of it, and what is selected of the view that it answers with."""

    __slots__ = ("arguments", "path", "required", "resolve", "selection")

    def __init__(self, owner: GraphQLObjectType, response: str, nodes: list[FieldNode], compiler: Compiler) -> None:
        field: GraphQLField = compiler.field(owner, nodes[0].name.value)
        self.required = isinstance(field.type, GraphQLNonNull)
        answered: Any = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
        if not isinstance(answered, GraphQLObjectType) or answered.name not in compiler.catalog.views:
            raise Unplannable("what it answers is not one view")
        [self.selection] = compiler.views(answered, nodes).values()
        if not self.selection.plain:
            raise Unplannable("what a link leads to is read by loaders")
        assert field.resolve is not None, "bff has a resolver for each of its mutations"
        self.resolve: GraphQLFieldResolver = field.resolve
        self.arguments = ArgumentValues(field, nodes[0])
        self.path = Path(None, response, owner.name)


class MutationPlan:
    """As ``bff.serving.planning.MutationPlan``."""

    __slots__ = ("_lead", "_root", "_values")

    def __init__(self, values: VariableValues, response: str, root: ChangeRoot) -> None:
        self._values = values
        self._root = root
        self._lead = b'{"%s":' % response.encode()

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The coerced variables; None where graphql-core has to say what is wrong with them."""
        return self._values.coerce(given)

    async def execute(self, context: Any, given: Mapping[str, Any] | None) -> bytes | Resolved | None:
        """Do it: the data of the response as JSON, or what graphql-core is to answer with. None: nothing is done yet."""
        root = self._root
        try:
            variables = self.variables(given)
            arguments = None if variables is None else root.arguments.values(variables)
        except (Unanswerable, BFFError):
            return None
        if arguments is None:
            return None
        info = cast(GraphQLResolveInfo, _Info(context, root.path))
        try:
            value = await root.resolve(None, info, **arguments)
        except Exception as error:
            return Resolved(None, error)
        return self._written(value) or Resolved(value)

    def _written(self, value: Any) -> bytes | None:
        """None where graphql-core has to say what is wrong with it."""
        if value is None:
            return None if self._root.required else self._lead + b"null}"
        if not isinstance(value, ViewDocument) or value.view != self._root.selection.view.__view__.name:
            return None
        try:
            return b"%b%b}" % (self._lead, self._root.selection.once(value.stored))
        except Exception as error:
            expected(error)
            return None


@dataclass(frozen=True, slots=True)
class _Info:
    """What bff's own mutations ask of ``info``."""

    context: Any
    path: Path


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the root field of a mutation came to: a middleware of graphql-core, which answers with it and does nothing again."""

    value: Any
    error: Exception | None = None

    def resolve(self, next_: GraphQLFieldResolver, source: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        if info.path.prev is not None:
            return next_(source, info, **arguments)
        if self.error is not None:
            raise self.error
        return self.value
