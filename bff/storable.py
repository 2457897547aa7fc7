"""What may be stored: Firestore's rules, so that a document that one datastore takes is one that every datastore takes.

https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from bff.document import check_id
from bff.errors import BadUserInput, DocumentTooLarge, InvalidDocument
from bff.types import GeoPoint, Value

__all__ = ["MAX_DOCUMENT_BYTES", "check_document", "check_path", "document_size"]

MAX_DOCUMENT_BYTES = 1_048_576
MAX_FIELD_NAME_BYTES = 1500
MAX_PATH_BYTES = 6144
MAX_DEPTH = 20
MIN_INT, MAX_INT = -(2**63), 2**63 - 1


def check_path(path: str) -> str:
    """The path, if it is one of a document: ``collection/id``, ``collection/id/collection/id``, …

    Raises BadUserInput.
    """
    segments = path.split("/")
    if len(segments) % 2:
        raise BadUserInput(f"{path!r} is not a document path: it has no even number of parts, as in 'collection/id'")
    for segment in segments:
        check_id(segment)
    if len(path) > MAX_PATH_BYTES // 4 and len(path.encode()) > MAX_PATH_BYTES:
        raise BadUserInput(f"a document path is over the limit of {MAX_PATH_BYTES} bytes: {path[:60]!r}…")
    return path


def check_document(path: str, data: Mapping[str, Value]) -> None:
    """Refuse what Firestore would refuse to store, naming the document and the field.

    Raises InvalidDocument for a value that cannot be stored, DocumentTooLarge for a document over 1 MiB, BadUserInput
    for a path that is not one.
    """
    check_path(path)
    try:
        size = document_size(path, data)
    except ValueError as error:
        raise InvalidDocument(f"{path}: {error}") from None
    if size > MAX_DOCUMENT_BYTES:
        raise DocumentTooLarge(f"{path}: a document of {size:,} bytes is over the limit of {MAX_DOCUMENT_BYTES:,}")


def document_size(path: str, data: Mapping[str, Value]) -> int:
    """The bytes that Firestore counts for a document. Raises ValueError for what cannot be stored.

    https://firebase.google.com/docs/firestore/storage-size
    """
    return len(path.encode()) + 1 + 16 + 32 + _map_size(data, (), 0)


def _map_size(data: Mapping[str, Value], where: tuple[str, ...], depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(f"{_at(where)}: maps and arrays are nested over {MAX_DEPTH} levels deep")
    size = 0
    for name, value in data.items():
        size += _name_size(name, where)
        # The commonest types first: this runs once per value of every write.
        kind = type(value)
        if kind is str:
            size += _text_size(cast(str, value), (*where, name))
        elif kind is bool or value is None:
            size += 1
        else:
            size += _size(value, (*where, name), depth)
    return size


def _name_size(name: object, where: tuple[str, ...]) -> int:
    if not isinstance(name, str):
        raise ValueError(f"{_at((*where, repr(name)))}: a field name is a str")
    if not name:
        raise ValueError(f"{_at((*where, repr(name)))}: a field name is not empty")
    if name.startswith("__") and name.endswith("__") and len(name) >= 4:
        raise ValueError(f"{_at((*where, name))}: field names of the form __…__ are reserved")
    size = _text_size(name, (*where, repr(name)))
    if size > MAX_FIELD_NAME_BYTES + 1:
        raise ValueError(f"{_at((*where, name[:40]))}…: a field name is at most {MAX_FIELD_NAME_BYTES} bytes")
    return size


def _text_size(text: str, where: tuple[str, ...]) -> int:
    if text.isascii():
        return len(text) + 1
    try:
        return len(text.encode()) + 1
    except UnicodeEncodeError:
        raise ValueError(f"{_at(where)}: the text is not valid Unicode (a lone surrogate)") from None


def _size(value: Value, where: tuple[str, ...], depth: int) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return _text_size(value, where)
        case int():
            if not MIN_INT <= value <= MAX_INT:
                raise ValueError(f"{_at(where)}: {value} is beyond 64 bits")
            return 8
        case float():
            return 8
        case datetime():
            if value.utcoffset() is None:
                raise ValueError(f"{_at(where)}: {value!r} has no time zone, use datetime.now(timezone.utc)")
            return 8
        case bytes():
            return len(value)
        case GeoPoint():
            return 16
        case Mapping():
            return _map_size(value, where, depth + 1)
        case list() | tuple():
            return _array_size(value, where, depth + 1)
    raise ValueError(f"{_at(where)}: a {type(value).__qualname__} cannot be stored")


def _array_size(array: Sequence[Value], where: tuple[str, ...], depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(f"{_at(where)}: maps and arrays are nested over {MAX_DEPTH} levels deep")
    size = 0
    for index, item in enumerate(array):
        if isinstance(item, list | tuple):
            raise ValueError(f"{_at(where)}[{index}]: an array cannot hold an array directly, put a map between them")
        size += _size(item, (*where, f"[{index}]"), depth)
    return size


def _at(where: tuple[str, ...]) -> str:
    return ".".join(where).replace(".[", "[")
