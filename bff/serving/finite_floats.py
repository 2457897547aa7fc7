"""A validation rule that graphql-core lacks: a number that no float holds is no Float."""

from __future__ import annotations

from math import isfinite
from typing import Any

from graphql import FloatValueNode, GraphQLError, GraphQLFloat, IntValueNode, ValidationRule, get_named_type

__all__ = ["FiniteFloats"]


class FiniteFloats(ValidationRule):
    """Refuses the literal `1e999`, as the variable of the same value is, which graphql-core takes for infinity.

    https://spec.graphql.org/October2021/#sec-Float.Input-Coercion
    """

    def enter_float_value(self, node: FloatValueNode, *_args: Any) -> None:
        self._check(node)

    def enter_int_value(self, node: IntValueNode, *_args: Any) -> None:
        self._check(node)

    def _check(self, node: FloatValueNode | IntValueNode) -> None:
        if get_named_type(self.context.get_input_type()) is GraphQLFloat and not isfinite(float(node.value)):
            self.report_error(GraphQLError("Float cannot represent a number that is larger than any float.", node))
