"""Connections to the file: how they are set up, how long they wait for a lock, and what their errors mean."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bff.errors import DatastoreError, DatastoreUnavailable

__all__ = [
    "CHECKPOINT_PAGES",
    "LOCKED",
    "LOCK_SECONDS",
    "begin_writing",
    "connect",
    "move_log",
    "patiently",
    "primary_code",
    "translated",
    "translation",
]

T = TypeVar("T")
log = logging.getLogger(__name__)

LOCK_SECONDS = 10.0
"""For how long a write waits for the writers of other processes."""

CHECKPOINT_PAGES = 4000
"""A commit in so many pages moves the log into the file, not one in SQLite's thousand: each page is moved once for more changes
of it, and fewer commits wait for that."""

LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
MEANING = {
    sqlite3.SQLITE_READONLY: "it is read-only: give this process the right to write to the file and its directory",
    sqlite3.SQLITE_PERM: "this process may not open it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: does its directory exist, and may this process write there?",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database: choose another file",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore it from a backup, or try SQLite's `.recover`",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reported an error",
    sqlite3.SQLITE_INTERRUPT: "the call was interrupted: it took too long, or was cancelled",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is the driver's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and waits for no lock (``patiently`` does).

    ``synchronous=FULL`` flushes the log to the disk in every commit: an acknowledged commit survives the loss of power,
    not only of the process (``Writer`` leaves that out for what is derived). Connections are used by one thread at a time, not
    always the same.
    """
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path, doing: str, *, on_disk_error: type[DatastoreError] = DatastoreUnavailable) -> Iterator[None]:
    """What SQLite raises, as a DatastoreError that says what was done to which file and what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise translation(error, path, doing, on_disk_error=on_disk_error) from error


def translation(
    error: sqlite3.Error, path: Path, doing: str, *, on_disk_error: type[DatastoreError] = DatastoreUnavailable
) -> DatastoreError:
    code = primary_code(error)
    if code in LOCKED:
        meaning = f"another process has locked it for over {LOCK_SECONDS:g} s"
    else:
        meaning = MEANING.get(code, "SQLite refused")
    kind = on_disk_error if code == sqlite3.SQLITE_IOERR else DatastoreUnavailable
    return kind(f"sqlite: {doing} {os.fspath(path)}: {meaning} ({error})")


def patiently(work: Callable[[], T], seconds: float = LOCK_SECONDS, wanted: Callable[[], bool] = lambda: True) -> T:
    """Do the work, again and again while another connection holds the lock, for so many seconds, and while it is wanted.

    In place of SQLite's own busy handler, which sleeps up to 100 ms, is not asked in every case in which a lock is
    refused (changing the journal mode, recovery), and cannot be called off.
    """
    deadline = time.monotonic() + seconds
    pause = 0.0005
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if primary_code(error) not in LOCKED or time.monotonic() > deadline or not wanted():
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 1.5, 0.01)


def begin_writing(connection: sqlite3.Connection, wanted: Callable[[], bool] = lambda: True) -> None:
    """Take the one write lock, waiting for it."""
    patiently(lambda: connection.execute("BEGIN IMMEDIATE"), wanted=wanted)


class _HeldUp(sqlite3.OperationalError):
    """What SQLite says in a row of the result, and not by an error."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


def move_log(connection: sqlite3.Connection, wanted: Callable[[], bool] = lambda: True) -> None:
    """Move the whole log into the file and flush that, waiting for those who still read what was before."""

    def move() -> None:
        [is_held_up, *_] = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if is_held_up:
            raise _HeldUp("others read an older state, or write")

    patiently(move, wanted=wanted)
