"""What may be stored: Firestore's rules, so that a document that one datastore takes is one that every datastore takes.

https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from bff.document import MAX_ID_BYTES, check_id
from bff.errors import BadUserInput, DocumentTooLarge, InvalidDocument
from bff.types import GeoPoint, Value
from bff.values import dump_document

__all__ = ["MAX_DOCUMENT_BYTES", "check_document", "check_path", "checked", "document_size"]

MAX_DOCUMENT_BYTES = 1_048_576
MAX_FIELD_NAME_BYTES = 1500
MAX_PATH_BYTES = 6144
MAX_DEPTH = 20
MIN_INT, MAX_INT = -(2**63), 2**63 - 1
CERTAINLY_SMALL = (MAX_DOCUMENT_BYTES - MAX_PATH_BYTES - 64) // 8
"""A document that is stored as so few bytes is within the limit: each of them adds at most 8 to what Firestore counts."""

SIMPLE = frozenset({str, bool, type(None), float, datetime, bytes, GeoPoint})


def check_path(path: str) -> str:
    """The path, if it is one of a document: ``collection/id``, ``collection/id/collection/id``, …

    Raises BadUserInput.
    """
    if _is_ordinary_path(path):
        return path
    segments = path.split("/")
    if len(segments) % 2:
        raise BadUserInput(f"{path!r} is not a document path: it has no even number of parts, as in 'collection/id'")
    for segment in segments:
        check_id(segment)
    if len(path) > MAX_PATH_BYTES // 4 and len(path.encode()) > MAX_PATH_BYTES:
        raise BadUserInput(f"a document path is over the limit of {MAX_PATH_BYTES} bytes: {path[:60]!r}…")
    return path


def _is_ordinary_path(path: str) -> bool:
    """Whether nothing is wrong with the path, as far as can be told without taking it apart: as of most."""
    return (
        path.count("/") % 2 == 1
        and len(path) <= MAX_ID_BYTES
        and path.isascii()
        and "//" not in path
        and "." not in path
        and "__" not in path
        and "\x00" not in path
        and path[0] != "/" != path[-1]
    )


def check_document(path: str, data: Mapping[str, Value]) -> None:
    """Refuse what Firestore would refuse to store, naming the document and the field.

    Raises InvalidDocument for a value that cannot be stored, DocumentTooLarge for a document over 1 MiB, BadUserInput
    for a path that is not one.
    """
    checked(path, data)


def checked(path: str, data: Mapping[str, Value]) -> bytes:
    """What ``bff.values.dump_document`` makes of a document that may be stored. Raises what ``check_document`` raises."""
    check_path(path)
    if _is_ordinary(data, 0, set()):
        try:
            raw = dump_document(data)
        except TypeError:  # a text that is not valid Unicode, or a datetime without a zone: the way below names it
            pass
        else:
            if len(raw) < CERTAINLY_SMALL:
                return raw
    try:
        size = document_size(path, data)
    except ValueError as error:
        raise InvalidDocument(f"{path}: {error}") from None
    if size > MAX_DOCUMENT_BYTES:
        raise DocumentTooLarge(f"{path}: a document of {size:,} bytes is over the limit of {MAX_DOCUMENT_BYTES:,}")
    return dump_document(data)


def _is_ordinary(data: Mapping[str, Value], depth: int, seen: set[tuple[str, ...]]) -> bool:
    """Whether nothing is wrong with the data, as far as can be told at little cost; ``seen`` are the names of maps before."""
    if depth > MAX_DEPTH or type(data) is not dict:
        return False
    names = tuple(data)
    if names not in seen:
        for name in names:
            if type(name) is not str or not 0 < len(name) <= MAX_FIELD_NAME_BYTES // 4 or name.startswith("__"):
                return False
        seen.add(names)
    values: Iterable[Any] = data.values()
    if SIMPLE.issuperset(map(type, values)):
        return True
    for value in values:
        kind = type(value)
        if kind in SIMPLE or (kind is int and MIN_INT <= value <= MAX_INT):
            continue
        if kind is dict:
            if not _is_ordinary(value, depth + 1, seen):
                return False
        elif not (kind is list and _is_ordinary_array(value, depth + 1, seen)):
            return False
    return True


def _is_ordinary_array(array: Sequence[Any], depth: int, seen: set[tuple[str, ...]]) -> bool:
    if depth > MAX_DEPTH:
        return False
    for item in array:
        kind = type(item)
        if kind in SIMPLE or (kind is int and MIN_INT <= item <= MAX_INT):
            continue
        if not (kind is dict and _is_ordinary(item, depth + 1, seen)):
            return False
    return True


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
