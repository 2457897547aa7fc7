"""Reads on one connection, within one transaction: blocking, on the event loop for as long as ``Pace`` allows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from bff.datastore.sqlite.pace import UNHURRIED, Pace
from bff.datastore.sqlite.part import part_of
from bff.document import Document
from bff.order_key import path_key
from bff.storable import check_path
from bff.types import Timepoint
from bff.values import load_document

__all__ = ["padded", "path_of", "read_clock", "read_documents", "read_rows", "read_update_times"]

PATHS_PER_STATEMENT = 500


def path_of(key: bytes) -> str:
    """The path of which this is the order key (``bff.values.path_key``)."""
    return key.replace(b"\x00", b"/").decode()


def read_clock(connection: sqlite3.Connection) -> Timepoint:
    """The last commit that this transaction sees."""
    return int(connection.execute("SELECT last FROM clock").fetchone()[0])


def read_documents(
    connection: sqlite3.Connection, paths: Sequence[str], fields: Sequence[str] | None = None, pace: Pace = UNHURRIED
) -> list[Document]:
    """The documents, in the order of their paths, absent ones too.

    Raises BadUserInput for a path that is not one of a document; a document that is there has one.
    """
    found: dict[str, Document] = {}
    part = part_of(fields)
    wanted = list(dict.fromkeys(paths))
    for start in range(0, len(wanted), PATHS_PER_STATEMENT):
        rows = _by_path(connection, part.columns("data"), wanted[start : start + PATHS_PER_STATEMENT])
        if part.fields is None:
            for key, update_time, data in rows:
                pace.tick()
                path = path_of(key)
                found[path] = Document(path, load_document(data), update_time)
            continue
        for key, update_time, *cells in rows:
            pace.tick()
            path = path_of(key)
            found[path] = Document(path, part.load(cells), update_time)
    if fields is not None:
        return [found[path].only(fields) if path in found else Document(check_path(path), None) for path in paths]
    return [found.get(path) or Document(check_path(path), None) for path in paths]


def read_update_times(connection: sqlite3.Connection, paths: Sequence[str]) -> dict[str, Timepoint]:
    """When these documents were last changed; absent ones are left out."""
    return {
        path_of(key): update_time
        for start in range(0, len(paths), PATHS_PER_STATEMENT)
        for key, update_time in _by_path(connection, "", paths[start : start + PATHS_PER_STATEMENT])
    }


def read_rows(connection: sqlite3.Connection, columns: str, paths: Sequence[str]) -> dict[bytes, tuple[Any, ...]]:
    """By the order key of its path, the row of each of these documents that exists: path, update time, and these columns."""
    return {
        row[0]: row
        for start in range(0, len(paths), PATHS_PER_STATEMENT)
        for row in _by_path(connection, columns, paths[start : start + PATHS_PER_STATEMENT])
    }


def padded(number: int) -> int:
    """A power of two of parameters, so that there are ten statements to prepare and not five hundred."""
    return 1 << (number - 1).bit_length()


def _by_path(connection: sqlite3.Connection, columns: str, paths: Sequence[str]) -> sqlite3.Cursor:
    try:
        keys = [path_key(path) for path in paths]
    except UnicodeEncodeError:
        for path in paths:
            check_path(path)  # which says it of the one that it is
        raise
    room = padded(len(keys))
    return connection.execute(
        f"SELECT path, update_time{columns} FROM documents WHERE path IN ({','.join('?' * room)})",
        keys + [keys[-1]] * (room - len(keys)),
    )
