"""Mutation fields one after the other, each begun when the one before it has ended."""

from __future__ import annotations

from typing import Any

from graphql import ExecutionContext, FieldNode, GraphQLObjectType, Undefined
from graphql.pyutils import AwaitableOrValue, Path

__all__ = ["Serially"]


class Serially(ExecutionContext):
    """graphql-core calls all resolvers at once, and only awaits them in turns.

    One that is no coroutine function would have done its work before those above it, and those below one that ends the operation
    would never be awaited. https://spec.graphql.org/October2021/#sec-Normal-and-Serial-Execution
    """

    def execute_fields_serially(
        self, parent_type: GraphQLObjectType, source_value: Any, path: Path | None, fields: dict[str, list[FieldNode]]
    ) -> AwaitableOrValue[dict[str, Any]]:
        return self._one_by_one(parent_type, source_value, path, fields)

    async def _one_by_one(
        self, parent_type: GraphQLObjectType, source_value: Any, path: Path | None, fields: dict[str, list[FieldNode]]
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for name, nodes in fields.items():
            result: Any = self.execute_field(parent_type, source_value, nodes, Path(path, name, parent_type.name))
            if result is not Undefined:
                results[name] = await result if self.is_awaitable(result) else result
        return results
