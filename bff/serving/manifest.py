"""Manifests of persisted documents: what a client's build says that the client will ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bff.errors import SettingsError

__all__ = ["PersistedDocument", "dump_manifest", "read_manifest"]

FORMAT: Final = "apollo-persisted-query-manifest"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class PersistedDocument:
    """A document that clients name by its ``id``.

    ``name`` and ``type`` (``query``, ``mutation``, ``subscription``) are of its operation, None where the manifest does not say.
    """

    id: str
    body: str
    name: str | None = None
    type: str | None = None


def read_manifest(path: Path) -> tuple[PersistedDocument, ...]:
    """The documents of a manifest, in its order.

    Either Apollo's, ``{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{id, name, type, body}]}``
    (https://www.apollographql.com/docs/graphos/platform/security/persisted-queries#manifest-format), or the plain
    ``{"<id>": "<body>"}`` of graphql-codegen and Relay. Raises SettingsError where it cannot be read, is neither, or gives one id
    to two documents.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is not a manifest of persisted documents: it is not a JSON object")
    documents: dict[str, PersistedDocument] = {}
    for document in _apollo(path, content) if "format" in content else _plain(path, content):
        known = documents.setdefault(document.id, document)
        if known.body != document.body:
            raise SettingsError(f"{path}: two documents have the id {document.id!r}")
    return tuple(documents.values())


def dump_manifest(documents: Iterable[PersistedDocument]) -> bytes:
    """Apollo's manifest, the same bytes for the same documents."""
    operations = [{"id": one.id, "name": one.name, "type": one.type, "body": one.body} for one in documents]
    content = {"format": FORMAT, "version": VERSION, "operations": operations}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _apollo(path: Path, content: Mapping[str, Any]) -> Iterable[PersistedDocument]:
    found = content["format"], content.get("version")
    if found != (FORMAT, VERSION):
        raise SettingsError(
            f"{path}: format {found[0]!r}, version {found[1]!r} is not known; there is {FORMAT!r}, version {VERSION}"
        )
    operations = content.get("operations")
    if not isinstance(operations, list):
        raise SettingsError(f"{path}: 'operations' is not a list")
    for index, one in enumerate(operations):
        where = f"{path}: operations[{index}]"
        if not isinstance(one, dict):
            raise SettingsError(f"{where} is not an object")
        id, body = (_text(where, one.get(key), key) for key in ("id", "body"))
        name, type_ = (None if one.get(key) is None else _text(where, one[key], key) for key in ("name", "type"))
        yield PersistedDocument(id, body, name, type_)


def _plain(path: Path, content: Mapping[str, Any]) -> Iterable[PersistedDocument]:
    for id, body in content.items():
        yield PersistedDocument(_text(str(path), id, "a key"), _text(str(path), body, id))


def _text(where: str, value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: {key!r} is missing, empty or not a string")
    return value
