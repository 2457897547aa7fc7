"""The tables, and how a file comes to have them.

- ``documents``: each document, under its path as an order key (``bff.values.path_key``). The listeners' feed of what is
  present is the index by ``update_time``: it holds every document once, at its newest change, and is never too old.
- ``tombstones``: what was deleted and when; the feed's other half. Bounded: see ``TOMBSTONES``. A listener that stopped
  before ``horizon`` may have missed one that is no longer there, so it gets everything again.
- ``entries``: the index. A row for every field and every map field below it (``kind`` 0), for every element of an array
  (``kind`` 1), and for the path itself (field ``PATH``, key empty). ``key`` is the beginning of the value's order key (see
  ``bff.datastore.sqlite.keys``), so that the rows of a field stand in the order of its values, and within equal values in the
  order of paths. Elements are looked for by equality alone: those that are maps share a row.
- ``scopes``: collections, by path; and ``*/<id>`` for the nested collections of that id. A collection group is the
  top-level collection of that id and this one: nested documents have their entries twice, others have not.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from pathlib import Path

from bff.datastore.sqlite.connection import begin_writing, connect, patiently, translated
from bff.datastore.sqlite.reindex import reindex
from bff.errors import SettingsError
from bff.types import Timepoint

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "TOMBSTONES", "now", "open_database"]

log = logging.getLogger(__name__)

APPLICATION_ID = 0x62666664  # "bffd", in the file's header: https://www.sqlite.org/fileformat2.html#application_id
SCHEMA_VERSION = 4
"""1: the index held more of long values, and elements of arrays that are maps as they are. 2: it held fields of bff's own that no
query names. 3: it held a hash of each element that is a map. Such a file is indexed anew when it is opened
(``bff.datastore.sqlite.reindex``), and opened by no older bff then."""

TOMBSTONES = 100_000
"""At most so many deletions are remembered (about 100 bytes each)."""

TABLES = """
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL,
    horizon INTEGER NOT NULL,
    database TEXT NOT NULL
);
CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, collection_id TEXT NOT NULL);
CREATE INDEX scopes_by_collection_id ON scopes (collection_id);
CREATE TABLE fields (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    scope INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX documents_by_update_time ON documents (update_time, scope);
CREATE TABLE tombstones (path BLOB PRIMARY KEY, scope INTEGER NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX tombstones_by_time ON tombstones (time, scope);
CREATE TABLE entries (
    scope INTEGER NOT NULL,
    field INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    path BLOB NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (scope, field, kind, key, path)
) WITHOUT ROWID;
"""


def now() -> Timepoint:
    return time.time_ns() // 1000


def open_database(path: Path, *, durable: bool) -> sqlite3.Connection:
    """A connection to the file, which has the tables then. Several processes may do so at once.

    Raises SettingsError where the file can never be a datastore of this version, DatastoreUnavailable where it is locked.
    """
    if not path.parent.is_dir():
        raise SettingsError(f"sqlite: {path}: there is no directory {path.parent}: create it, or correct the URL")
    if path.is_dir():
        raise SettingsError(f"sqlite: {path} is a directory: name a file in it")
    was_in_use = Path(f"{path}-wal").exists()  # by others who still do, or who did not close it
    with translated(path, "opening"):
        connection = patiently(lambda: connect(path, durable=durable))
        try:
            _check_header(connection, path)
            mode = patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
            if mode != "wal":
                raise SettingsError(
                    f"sqlite: {path}: the file system does not support WAL (is it a network share?): use a local one"
                )
            begin_writing(connection)  # always: a file that cannot be written to is refused now, not at the first commit
            try:
                version = _check_header(connection, path)
                if version == 0:
                    _create(connection)
                elif version < SCHEMA_VERSION:
                    log.warning("sqlite: %s has an index of an older form: it is made anew, which other processes wait for", path)
                    reindex(connection)
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                if was_in_use:
                    # Commits of derived documents may have been lost with the machine's power, after they had been read: what is
                    # made in their place is of a later time.
                    connection.execute("UPDATE clock SET last = max(last, ?)", (now(),))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except BaseException:
            connection.close()
            raise
        return connection


def _check_header(connection: sqlite3.Connection, path: Path) -> int:
    """The file's schema version, 0 for a new file. Raises SettingsError where the file is not for us."""

    def pragma(name: str) -> int:
        return int(patiently(lambda: connection.execute(f"PRAGMA {name}").fetchone()[0]))

    version = pragma("user_version")
    if pragma("application_id") == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise SettingsError(
                f"sqlite: {path} has schema version {version}, of a newer bff (this one knows {SCHEMA_VERSION}): upgrade bff"
            )
        return version
    if patiently(lambda: connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
        raise SettingsError(f"sqlite: {path} is a SQLite database of another application: choose another file")
    return 0


def _create(connection: sqlite3.Connection) -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    start = now()
    connection.execute("INSERT INTO clock VALUES (1, ?, ?, ?)", (start, start, uuid.uuid4().hex))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
