"""How many values an answer may hold: told from the document and the variables, before anything is read.

Each field counts once for each place where the answer may have it. A list has as many places as it is asked for (``first``,
``last``); one that cannot be asked so counts as ``UNSIZED``. docs/settings.md has examples.

It is counted before the document is validated, which takes longer: what is not valid counts as little as it can, and is refused
afterwards. How much there is to count is bounded by then (``document_size.check_size``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_list_type,
)

from bff.serving.cache_policy import STORED

__all__ = ["DEFAULT_PAGE", "MAX_PAGE", "UNSIZED", "Cost"]

DEFAULT_PAGE: Final = 50
"""How long a page is that is asked for without a length (``bff.resolvers.page`` has the same, and the next)."""
MAX_PAGE: Final = 500
"""The longest page of a list of bff's own."""
UNSIZED: Final = 10
"""What a list of objects counts as whose length only the stored view knows: linked views, nested models."""

_SIZES: Final = ("first", "last")
_LONGEST_INT: Final = 11
_Type: TypeAlias = GraphQLNamedType | None
"""What is selected from; None where the schema does not have it."""
_Place: TypeAlias = tuple[_Type, SelectionSetNode]
_Named: TypeAlias = dict[str, list[tuple[_Type, FieldNode]]]


class Cost:
    """What one operation costs, valid or not. ``most`` is that with the longest pages that its variables could ask for."""

    __slots__ = ("_fragments", "_operation", "_schema", "depends", "most")

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        self.depends = False
        """Whether variables say how long a page is."""
        self.most = self._count(None)
        if not self.depends:
            self._fragments = {}  # it is kept with each document, and is not to keep more than a number

    def of(self, variables: Mapping[str, Any]) -> float:
        """With these variables, coerced."""
        return self._count(variables) if self.depends else self.most

    def _count(self, variables: Mapping[str, Any] | None) -> float:
        root = self._schema.get_root_type(self._operation.operation)
        return 0 if root is None else self._at([(root, self._operation.selection_set)], None, variables)

    def _at(self, places: Sequence[_Place], size: float | None, variables: Mapping[str, Any] | None) -> float:
        """Of what is selected at one place, merged as the execution merges it. ``size`` is that of the next list below."""
        names: _Named = {}
        visited: set[str] = set()
        for parent, selections in places:
            self._select(parent, selections, visited, names)
        return sum(self._field(fields, size, variables) for fields in names.values())

    def _select(self, parent: _Type, selections: SelectionSetNode, visited: set[str], names: _Named) -> None:
        """Put the fields that are selected under their names in the response."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                names.setdefault((node.alias or node.name).value, []).append((parent, node))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                narrowed = parent if condition is None else self._schema.get_type(condition.name.value)
                self._select(narrowed, node.selection_set, visited, names)
            elif (name := cast(Any, node).name.value) not in visited:
                visited.add(name)
                fragment = self._fragments.get(name)
                if fragment is not None:
                    narrowed = self._schema.get_type(fragment.type_condition.name.value)
                    self._select(narrowed, fragment.selection_set, visited, names)

    def _field(
        self,
        fields: Sequence[tuple[_Type, FieldNode]],
        size: float | None,
        variables: Mapping[str, Any] | None,
    ) -> float:
        places: list[_Place] = []
        sizes: list[float] = []
        listed = False
        for owner, node in fields:
            definition = _definition(owner, node.name.value)
            if definition is None or node.selection_set is None:
                continue  # a leaf, or introspection, for which graphql-core has a rule of its own
            asked = self._size(definition, node, variables)
            if asked is None:
                asked = size
            if asked is not None:
                sizes.append(asked)
            # Fields of one name are all of them lists, or none is: otherwise the document is not valid.
            listed = _is_list(definition)
            places.append((get_named_type(definition.type), node.selection_set))
        if not places:
            return 1
        longest = max(sizes, default=None)
        if not listed:
            return 1 + self._at(places, longest, variables)
        times = UNSIZED if longest is None else longest
        return 1 + times * (1 + self._at(places, None, variables)) if times else 1

    def _size(self, field: GraphQLField, node: FieldNode, variables: Mapping[str, Any] | None) -> float | None:
        """The length of the page that a field is asked for; None where it has none."""
        arguments = [name for name in _SIZES if name in field.args and get_named_type(field.args[name].type) is GraphQLInt]
        if not arguments:
            return None
        longest = MAX_PAGE if field.extensions.get(STORED) else math.inf
        given = {argument.name.value: argument.value for argument in node.arguments}
        sizes: list[float] = []
        for name in arguments:
            value: Any = given.get(name)
            default = field.args[name].default_value
            if isinstance(value, VariableNode):
                self.depends = True
                if variables is None:
                    return longest
                one = variables.get(value.name.value, default)
            elif isinstance(value, IntValueNode):
                one = _int(value.value)
            else:
                one = None if isinstance(value, NullValueNode) else default
            if isinstance(one, int | float):
                sizes.append(min(max(one, 0), longest))
        return max(sizes, default=DEFAULT_PAGE)


def _definition(owner: _Type, name: str) -> GraphQLField | None:
    return owner.fields.get(name) if isinstance(owner, GraphQLObjectType | GraphQLInterfaceType) else None


def _is_list(field: GraphQLField) -> bool:
    return is_list_type(field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type)


def _int(text: str) -> float:
    """A literal, which may be longer than Python reads."""
    if len(text) <= _LONGEST_INT:
        return int(text)
    return 0 if text.startswith("-") else math.inf
