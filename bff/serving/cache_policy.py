"""Which operations are answered from stored views alone, and for how long such an answer holds."""

from __future__ import annotations

from typing import Final, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)

__all__ = ["MAX_AGE", "STORED", "max_age"]

STORED: Final = "bff.stored"
"""In the ``extensions`` of a field: its value follows from what was read of stored views. Of a type, False: it may not."""

MAX_AGE: Final = "bff.max_age"
"""In the ``extensions`` of a field: for how long its value may be shown without asking again. Seconds."""


def max_age(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> int | None:
    """The smallest age of all that an operation selects, 0 where nothing has one. Seconds.

    None where something in it is not stored view data: introspection, or what is resolved by hand.
    """
    root = schema.get_root_type(operation.operation)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    selected = _Selected(schema, fragments)
    if root is None or not selected.all_stored(root, operation.selection_set):
        return None
    return min(selected.ages, default=0)


class _Selected:
    """A walk over what is selected, skipped or not: whether all of it is stored, and the ages on the way."""

    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.ages: list[int] = []
        self._schema = schema
        self._fragments = fragments
        self._seen: set[tuple[str, int]] = set()

    def all_stored(self, parent: GraphQLCompositeType, selections: SelectionSetNode) -> bool:
        # Once each: fragments that are spread twice, and interfaces of many types, would multiply the work at every level.
        if (parent.name, id(selections)) in self._seen:
            return True
        self._seen.add((parent.name, id(selections)))
        for node in selections.selections:
            match node:
                case FieldNode():
                    stored = self._field(parent, node)
                case FragmentSpreadNode():
                    stored = self._fragment(node.name.value)
                case InlineFragmentNode():
                    stored = self.all_stored(self._narrowed(parent, node), node.selection_set)
                case _:
                    stored = False
            if not stored:
                return False
        return True

    def _fragment(self, name: str) -> bool:
        fragment = self._fragments[name]
        return self.all_stored(self._named(fragment.type_condition.name.value), fragment.selection_set)

    def _narrowed(self, parent: GraphQLCompositeType, node: InlineFragmentNode) -> GraphQLCompositeType:
        return parent if node.type_condition is None else self._named(node.type_condition.name.value)

    def _named(self, name: str) -> GraphQLCompositeType:
        # The document is valid: fragments are on types that have fields.
        return cast(GraphQLCompositeType, self._schema.type_map[name])

    def _field(self, parent: GraphQLCompositeType, node: FieldNode) -> bool:
        name = node.name.value
        if name == "__typename":
            return True
        for owner in self._owners(parent):
            field = owner.fields.get(name)
            if field is None or not field.extensions.get(STORED):
                return False
            age = field.extensions.get(MAX_AGE)
            if age is not None:
                self.ages.append(age)
            # What an interface promises, each of its types may narrow: these are the types that values have.
            inner = get_named_type(field.type)
            if not inner.extensions.get(STORED, True):
                return False
            if node.selection_set is not None and not self.all_stored(cast(GraphQLCompositeType, inner), node.selection_set):
                return False
        return True

    def _owners(self, parent: GraphQLCompositeType) -> list[GraphQLObjectType]:
        return [parent] if isinstance(parent, GraphQLObjectType) else list(self._schema.get_possible_types(parent))
