"""The fragments that an operation uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    Visitor,
    visit,
)

__all__ = ["with_fragments"]


def with_fragments(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> DocumentNode:
    """The operation, and after it those of ``fragments`` that it reaches, by name. One that is missing is left to validation.

    graphql-core's ``separate_operations`` walks every fragment of a document: with those of a whole client, for each operation.
    """
    used: dict[str, FragmentDefinitionNode] = {}
    waiting: list[ExecutableDefinitionNode] = [operation]
    while waiting:
        for name in _spreads(waiting.pop()):
            if name in fragments and name not in used:
                used[name] = fragments[name]
                waiting.append(fragments[name])
    return DocumentNode(definitions=(operation, *(used[name] for name in sorted(used))))


def _spreads(definition: ExecutableDefinitionNode) -> list[str]:
    found: list[str] = []

    class Spreads(Visitor):
        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
            found.append(node.name.value)

    visit(definition, Spreads())
    return found
