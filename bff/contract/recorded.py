"""The operations that clients are known to send: from manifests, and from ``.graphql`` files."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
)

from bff.contract.fragments import with_fragments
from bff.errors import SettingsError
from bff.serving.manifest import read_manifest

__all__ = ["RecordedOperation", "read_operations"]


@dataclass(frozen=True, slots=True)
class RecordedOperation:
    """An operation, with the fragments that it uses. ``where`` is its file, or its id in a manifest."""

    name: str
    where: str
    document: DocumentNode


def read_operations(places: Sequence[str]) -> tuple[RecordedOperation, ...]:
    """The operations of manifests (``.json``, as ``bff.serving.manifest`` reads them) and of files of GraphQL, in their order.

    A place is a file or a glob (``src/**/*.graphql``); a file that is in two of them is read once. Fragments are found in all of
    the files. Raises SettingsError where a place is empty, a document is not GraphQL, or there is no operation in any of them:
    what is compared with none breaks none, and nobody would notice.
    """
    paths: dict[Path, None] = {}
    for place in places:
        # A path may have brackets (src/routes/[id]/query.graphql).
        named = [place] if Path(place).is_file() else glob.glob(place, recursive=True)
        found = sorted(path for path in map(Path, named) if path.is_file())
        if not found:
            raise SettingsError(f"there is no file {place}")
        paths.update(dict.fromkeys(found))
    documents: list[tuple[str, DocumentNode]] = []
    for path in paths:
        if path.suffix == ".json":
            documents += [(one.id, _parse(f"{path}: {one.name or one.id}", one.body)) for one in read_manifest(path)]
        else:
            documents.append((str(path), _parse(str(path), _read(path))))
    fragments = {name: fragment for _, document in documents for name, fragment in _fragments(document).items()}
    operations = tuple(
        RecordedOperation(
            definition.name.value if definition.name else "(no name)",
            where,
            # Those of its own document before others of their name.
            with_fragments(definition, {**fragments, **_fragments(document)}),
        )
        for where, document in documents
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    )
    if places and not operations:
        raise SettingsError(f"there is no operation in {', '.join(map(str, paths))}")
    return operations


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}") from None


def _parse(where: str, text: str) -> DocumentNode:
    try:
        return parse(text)
    except GraphQLError as error:
        raise SettingsError(f"{where} is not GraphQL: {error.message}") from None


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
