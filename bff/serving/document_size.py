"""How much a document asks for, counted before it is validated: validation itself takes time that grows faster than the text.

That fields of one name can be merged is checked pair by pair (https://spec.graphql.org/October2021/#sec-Field-Selection-Merging):
a text of 2,000 tokens can keep graphql-core busy for half a second. So what grows is counted first, and stops the count itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)

from bff.serving.errors import RequestRefused, format_request_error
from bff.serving.limits import Limits

__all__ = ["TooLarge", "check_size", "too_large"]

_INTROSPECTION = frozenset({"__schema", "__type"})


class TooLarge(GraphQLError):
    """A document asks for more than ``limit`` allows: the name of a limit in ``Limits``."""

    def __init__(self, message: str, limit: str, node: Node) -> None:
        super().__init__(message, [node])
        self.limit = limit


def too_large(error: TooLarge) -> RequestRefused:
    """What a client is told of it."""
    return RequestRefused([format_request_error(error, "GRAPHQL_VALIDATION_FAILED")], limit=error.limit)


def check_size(document: DocumentNode, limits: Limits) -> None:
    """Raises TooLarge. The document need not be valid."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    size = _Size(limits, fragments)
    for definition in document.definitions:
        # A fragment counts where it is spread, and once by itself: it is validated whether anybody spreads it or not.
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            size.directives += len(definition.directives or ())
            size.count([definition.selection_set], 0, deep=isinstance(definition, OperationDefinitionNode))


class _Size:
    """What was counted so far, of all operations together: one text is one piece of work."""

    def __init__(self, limits: Limits, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._limits = limits
        self._fragments = fragments
        self.fields = 0
        self.aliases = 0
        self.directives = 0
        self.pairs = 0

    def count(self, sets: Sequence[SelectionSetNode], level: int, *, deep: bool) -> None:
        """Count what is selected at one place of the response, and below it; ``sets`` are merged there.

        Unless ``deep``, it does not matter on which level that is: a fragment by itself is on none.
        """
        names: dict[str, list[FieldNode]] = {}
        spreads = self._collect(sets, names, set())
        selected = sum(map(len, names.values()))
        self.pairs += spreads * (spreads - 1) // 2 + spreads * min(spreads, selected)
        for fields in names.values():
            self.pairs += len(fields) * (len(fields) - 1) // 2
            self._check("query_pairs", self.pairs, "compares", "pairs of fields", fields[-1])
            inner = [field.selection_set for field in fields if field.selection_set is not None]
            if deep and level >= self._limits.query_depth:
                raise TooLarge(
                    f"The document nests its fields deeper than {self._limits.query_depth} levels.", "query_depth", fields[0]
                )
            if inner:
                # graphql-core has a rule of its own for how deep introspection goes, and none for how wide.
                introspects = level == 0 and all(field.name.value in _INTROSPECTION for field in fields)
                self.count(inner, level + 1, deep=deep and not introspects)

    def _collect(self, sets: Iterable[SelectionSetNode], names: dict[str, list[FieldNode]], visited: set[str]) -> int:
        """The fields by their names in the response; how many fragments were spread on the way."""
        spreads = 0
        for selections in sets:
            for selection in selections.selections:
                self.directives += len(selection.directives or ())
                self._check("query_directives", self.directives, "has", "directives", selection)
                match selection:
                    case FieldNode():
                        self._field(selection)
                        names.setdefault((selection.alias or selection.name).value, []).append(selection)
                    case InlineFragmentNode():
                        spreads += self._collect([selection.selection_set], names, visited)
                    case FragmentSpreadNode():
                        spreads += 1 + self._spread(selection.name.value, names, visited)
        return spreads

    def _field(self, field: FieldNode) -> None:
        self.fields += 1
        self._check("query_fields", self.fields, "selects", "fields, fragments counted wherever they are spread", field)
        if field.alias is not None:
            self.aliases += 1
            self._check("query_aliases", self.aliases, "has", "aliases", field)

    def _spread(self, name: str, names: dict[str, list[FieldNode]], visited: set[str]) -> int:
        fragment = self._fragments.get(name)
        if fragment is None or name in visited:
            return 0
        visited.add(name)
        return self._collect([fragment.selection_set], names, visited)

    def _check(self, limit: str, counted: int, verb: str, what: str, node: Node) -> None:
        most = getattr(self._limits, limit)
        if counted > most:
            raise TooLarge(f"The document {verb} more than {most} {what}.", limit, node)
