"""An operation with ``@skip`` or ``@include``: one plan for each way in which they are decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from graphql import (
    DirectiveNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    SelectionSetNode,
    VariableNode,
)

from bff.principal import ANONYMOUS, Principal
from bff.resolvers.plan.planning import Unplannable
from bff.resolvers.plan.query_plan import QueryPlan
from bff.resolvers.plan.variable_values import VariableValues

__all__ = ["NOT_PLANNED", "ConditionalPlan", "Variants", "conditions_of"]

T = TypeVar("T")

MOST: Final = 16
"""So many variants of an operation are kept; then the oldest makes room."""

MOST_FIELDS: Final = 5_000
"""So many fields the kept variants have together, unless one has as many alone: a field takes some 600 bytes."""

NOT_PLANNED: Final = (Unplannable, GraphQLError, RecursionError)
"""What compiling raises for an operation that is graphql-core's."""

_DIRECTIVES = {GraphQLSkipDirective.name, GraphQLIncludeDirective.name}


class Variants(Generic[T]):
    """What is compiled for each combination of the conditions, when it is first asked for. None where it cannot be planned.

    ``compile`` also says how many fields were compiled.
    """

    __slots__ = ("_compile", "_fields", "_made", "_names")

    def __init__(self, names: tuple[str, ...], compile: Callable[[Mapping[str, bool]], tuple[T, int]]) -> None:
        self._names = names
        self._compile = compile
        self._made: dict[tuple[bool, ...], tuple[T | None, int]] = {}
        self._fields = 0

    def of(self, variables: Mapping[str, Any]) -> T | None:
        given = [variables.get(name) for name in self._names]
        values = tuple(value is True for value in given)
        if not all(isinstance(value, bool) for value in given):
            return None
        known = self._made.get(values)
        if known is not None:
            return known[0]
        made: tuple[T | None, int]
        try:
            made = self._compile(dict(zip(self._names, values, strict=True)))
        except NOT_PLANNED:
            made = None, 0
        self._made[values] = made
        self._fields += made[1]
        while len(self._made) > MOST or (self._fields > MOST_FIELDS and len(self._made) > 1):
            _, fields = self._made.pop(next(iter(self._made)))
            self._fields -= fields
        return made[0]


class ConditionalPlan:
    """A query whose fields depend on variables (``bff.serving.planning.QueryPlan``)."""

    __slots__ = ("_values", "_variants")

    def __init__(self, values: VariableValues, variants: Variants[QueryPlan]) -> None:
        self._values = values
        self._variants = variants

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The coerced variables; None where graphql-core has to say what is wrong with them."""
        return self._values.coerce(given)

    def answer(self, variables: Mapping[str, Any], principal: Principal = ANONYMOUS) -> bytes | Awaitable[bytes | None] | None:
        """The response as JSON, or None where graphql-core has to say what it is."""
        plan = self._variants.of(variables)
        return None if plan is None else plan.answer(variables, principal)


def conditions_of(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> tuple[str, ...]:
    """The variables that decide what is selected."""
    names: dict[str, None] = {}
    spread: set[str] = set()
    waiting = [selections]
    while waiting:
        for node in waiting.pop().selections:
            names.update(dict.fromkeys(name for one in node.directives if (name := _variable(one)) is not None))
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name not in spread:
                    spread.add(name)
                    waiting.append(fragments[name].selection_set)
            elif (inner := getattr(node, "selection_set", None)) is not None:
                waiting.append(inner)
    return tuple(names)


def _variable(directive: DirectiveNode) -> str | None:
    if directive.name.value not in _DIRECTIVES:
        return None
    [condition] = directive.arguments
    return condition.value.name.value if isinstance(condition.value, VariableNode) else None
