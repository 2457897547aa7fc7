"""What a client asks, from its ``.graphql`` files: one document for each operation, with the fragments that it uses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    Visitor,
    parse,
    print_ast,
    visit,
)

from bff.contract.fragments import with_fragments
from bff.contract.validity import problems_of
from bff.errors import SettingsError
from bff.serving.manifest import PersistedDocument

__all__ = ["client_documents"]

OPERATION: Final = "operation"
FRAGMENT: Final = "fragment"


def client_documents(schema: GraphQLSchema, paths: Iterable[Path], *, typename: bool = False) -> list[PersistedDocument]:
    """A document for each operation in the files, by name, with the SHA-256 hash of its text for an id.

    Fragments are shared between the files; a document has those that its operation uses, by name, after the operation: as
    ``@apollo/generate-persisted-query-manifest`` writes them. ``typename`` adds ``__typename`` to every selection but the
    outermost, as Apollo's cache does.

    Raises SettingsError naming every place that is wrong: what cannot be read or parsed, has no name or the name of something
    else, or is not allowed by the schema.
    """
    known: dict[tuple[str, str], Any] = {}
    problems: list[str] = []
    for path in paths:
        try:
            definitions = parse(Source(path.read_text(encoding="utf-8"), str(path))).definitions
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
            continue
        except UnicodeDecodeError:
            problems.append(f"{path}: is not UTF-8")
            continue
        except GraphQLError as error:
            problems.append(_placed(error))
            continue
        for one in definitions:
            problem = _add(one, known)
            if problem is not None:
                problems.append(f"{_place(one)}: {problem}")
    fragments = {name: one for (kind, name), one in known.items() if kind == FRAGMENT}
    documents = []
    for name, operation in sorted((name, one) for (kind, name), one in known.items() if kind == OPERATION):
        document = with_fragments(operation, fragments)
        document = visit(document, _Typename()) if typename else document
        problems += [_placed(error) for error in problems_of(schema, document)]
        body = print_ast(document)
        documents.append(PersistedDocument(hashlib.sha256(body.encode()).hexdigest(), body, name, operation.operation.value))
    if problems:
        raise SettingsError("\n".join(dict.fromkeys(problems)))
    return documents


def _add(one: Any, known: dict[tuple[str, str], Any]) -> str | None:
    """Take a definition; what is wrong with it, if anything."""
    if not isinstance(one, OperationDefinitionNode | FragmentDefinitionNode):
        return "this is a definition of a schema, and no operation or fragment; leave the file out"
    if one.name is None:
        return "this operation has no name; give it one"
    kind = OPERATION if isinstance(one, OperationDefinitionNode) else FRAGMENT
    first = known.setdefault((kind, one.name.value), one)
    return None if first is one else f"there is another {kind} {one.name.value} at {_place(first)}"


class _Typename(Visitor):
    """Adds ``__typename`` where Apollo's cache does: not to an operation's own fields, nor beside introspection."""

    def leave_selection_set(self, node: SelectionSetNode, _: Any, parent: Any, *__: Any) -> SelectionSetNode | None:
        if isinstance(parent, OperationDefinitionNode):
            return None
        if any(isinstance(one, FieldNode) and one.name.value.startswith("__") for one in node.selections):
            return None
        return SelectionSetNode(
            selections=(*node.selections, FieldNode(name=NameNode(value="__typename"), directives=(), arguments=()))
        )


def _place(node: Any) -> str:
    location = node.loc
    line, column = location.source.get_location(location.start)
    return f"{location.source.name}:{line}:{column}"


def _placed(error: GraphQLError) -> str:
    source, locations = error.source, error.locations
    if source is None or not locations:
        return error.message
    return f"{source.name}:{locations[0].line}:{locations[0].column}: {error.message}"
