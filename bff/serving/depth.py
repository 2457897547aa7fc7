"""How deep a document may nest its fields."""

from __future__ import annotations

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

__all__ = ["too_deep"]

_INTROSPECTION = frozenset({"__schema", "__type"})


def too_deep(document: DocumentNode, limit: int) -> list[GraphQLError]:
    """An error for each operation with a field below ``limit`` levels of fields: ``{ a { b } }`` has two.

    The document is valid: its fragments are there, and go in no circle. Introspection does not count: how deep it may go is
    decided by a rule of graphql-core's own (MaxIntrospectionDepthRule).
    """
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    errors = []
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            field = _Walk(fragments, limit).into(operation.selection_set, 0)
            if field is not None:
                name = f"The operation {operation.name.value}" if operation.name else "The operation"
                errors.append(GraphQLError(f"{name} nests its fields deeper than {limit} levels.", [field]))
    return errors


class _Walk:
    """Through one operation, into each fragment once for each level that is deeper than those it was seen at."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode], limit: int) -> None:
        self._fragments = fragments
        self._limit = limit
        self._seen: dict[str, int] = {}

    def into(self, selections: SelectionSetNode, level: int) -> FieldNode | None:
        """The first field that is too deep."""
        for selection in selections.selections:
            match selection:
                case FieldNode(selection_set=inner):
                    if level == 0 and selection.name.value in _INTROSPECTION:
                        continue
                    if level == self._limit:
                        return selection
                    found = None if inner is None else self.into(inner, level + 1)
                case InlineFragmentNode(selection_set=inner):
                    found = self.into(inner, level)
                case FragmentSpreadNode():
                    found = self._spread(selection.name.value, level)
                case _:
                    found = None
            if found is not None:
                return found
        return None

    def _spread(self, name: str, level: int) -> FieldNode | None:
        if level <= self._seen.get(name, -1):
            return None
        self._seen[name] = level
        return self.into(self._fragments[name].selection_set, level)
