"""Which commits of the SQLite datastore are made on the event loop, and that none of them holds it for long."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bff.datastore.port import Delete, Merge, Precondition, Set, Write
from bff.datastore.sqlite import rounds, short_commits, writing
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.pace import HERE_BYTES, HERE_WRITES, UNHURRIED, Pace, TooLong
from bff.errors import Conflict
from bff.testing.datastore_case import PATIENCE, data_of

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer for a short commit."""
    monkeypatch.setattr(short_commits, "HERE_SECONDS", PATIENCE)
    monkeypatch.setattr(rounds, "HERE_SECONDS", PATIENCE)


class Opened:
    """A datastore that has made its first commit, and of each transaction since whether the event loop has begun it."""

    def __init__(self, datastore: SQLiteDatastore) -> None:
        self.datastore = datastore
        self.here: list[bool] = []
        self.held: threading.Event | None = None
        """Where there is one, transactions of the thread wait for it before they are committed."""
        self.committing = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        assert datastore._connection is not None
        datastore._connection.set_trace_callback(self._statement)

    async def commit(self, *writes: Write) -> None:
        await self.datastore.commit(writes)

    def _statement(self, statement: str) -> None:
        here = threading.current_thread() is threading.main_thread()
        if statement.startswith("BEGIN"):
            self.here.append(here)
        if statement == "COMMIT" and not here and self.held is not None:
            self._loop.call_soon_threadsafe(self.committing.set)
            self.held.wait(PATIENCE)


@asynccontextmanager
async def opened(path: Path | None = None) -> AsyncIterator[Opened]:
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set("a/b", {"n": 0})])
        yield Opened(datastore)


def view(n: int, path: str = "v/w") -> Set:
    return Set(path, {"n": n}, derived=True)


async def test_what_waits_for_no_disk_is_committed_on_the_loop_and_a_flush_is_waited_for_in_the_thread(tmp_path: Path) -> None:
    async with opened(tmp_path / "city.db") as file:
        await file.commit(view(1))
        await file.commit(Set("a/b", {"n": 1}))
        await file.commit(view(2), Set("a/b", {"n": 2}))
        await file.commit(view(3), Delete("v/x", derived=True))
        assert file.here == [True, False, False, True]
        assert await data_of(file.datastore, "v/w") == {"n": 3}
    async with opened() as memory:
        await memory.commit(Set("a/b", {"n": 1}))
        assert memory.here == [True]


async def test_a_flush_that_takes_its_time_does_not_hold_the_loop(tmp_path: Path) -> None:
    async with opened(tmp_path / "city.db") as file:
        file.held = threading.Event()
        slow = asyncio.create_task(file.commit(Set("a/b", {"n": 1})))
        async with asyncio.timeout(PATIENCE):
            await file.committing.wait()
        # The writer is not idle: what is derived waits as well, and not on the loop.
        derived = asyncio.create_task(file.commit(view(1)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not slow.done()
        assert not derived.done()
        file.held.set()
        await asyncio.gather(slow, derived)
        assert file.here == [False, False]


@pytest.mark.parametrize(
    "writes",
    [
        [Set(f"a/{n}", {}) for n in range(HERE_WRITES + 1)],
        [Set("a/c", {"text": "x" * HERE_BYTES})],
        [Merge("a/c", {"text": "x" * HERE_BYTES})],
        [Delete("a/large")],
    ],
    ids=["many", "large", "much of one", "what was large"],
)
async def test_what_is_known_to_be_long_is_committed_in_the_thread(writes: list[Write]) -> None:
    async with opened() as memory:
        await memory.commit(Set("a/large", {"text": "x" * HERE_BYTES}))
        memory.here.clear()
        await memory.commit(*writes)
        assert memory.here[-1] is False
        for write in writes:
            expected = None if isinstance(write, Delete) else write.data
            assert await data_of(memory.datastore, write.path) == expected


async def test_one_that_turns_out_long_is_begun_anew_in_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as memory:
        monkeypatch.setattr(short_commits, "HERE_SECONDS", 0.0)
        await memory.commit(Set("new/b", {"n": 1}), Merge("a/b", {"m": 1}))
        assert memory.here == [True, False]
        monkeypatch.setattr(short_commits, "HERE_SECONDS", PATIENCE)
        await memory.commit(Set("new/c", {"n": 2}))
        assert memory.here == [True, False, True]
        assert [await data_of(memory.datastore, path) for path in ("new/b", "a/b", "new/c")] == [
            {"n": 1},
            {"n": 0, "m": 1},
            {"n": 2},
        ]


@pytest.mark.parametrize("ticks", range(4))
async def test_one_that_is_out_of_time_is_rolled_back_however_long_that_takes(
    ticks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is over between two statements, and SQLite looks at the clock before each of its instructions."""
    monkeypatch.setattr(writing, "STEPS", 1)
    left = iter([False] * ticks)
    over = False

    def tick(pace: Pace) -> None:
        nonlocal over
        over = pace is not UNHURRIED and next(left, True)
        if over:
            raise TooLong

    async with opened() as memory:
        await memory.commit(Set("new/b", {"n": 1}))
        memory.here.clear()
        monkeypatch.setattr(Pace, "tick", tick)
        monkeypatch.setattr(Pace, "is_over", lambda pace: over)
        writes = [Set(f"new/{n}", {"n": n}) for n in range(3)]
        await memory.commit(*writes)
        assert memory.here[0] is True
        assert [await data_of(memory.datastore, one.path) for one in writes] == [{"n": n} for n in range(3)]


async def test_a_lock_of_another_process_is_waited_for_in_the_thread(tmp_path: Path) -> None:
    async with opened(tmp_path / "city.db") as file:
        other = sqlite3.connect(tmp_path / "city.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(file.commit(view(1)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        other.close()
        await waiting
        assert file.here[0]
        assert not any(file.here[1:])
        assert await data_of(file.datastore, "v/w") == {"n": 1}


async def test_a_refused_one_is_refused_here_and_leaves_no_trace() -> None:
    async with opened() as memory:
        with pytest.raises(Conflict):
            await memory.commit(Set("a/c", {}), Set("a/b", {"n": 1}, Precondition(exists=False)))
        assert memory.here == [True]
        assert await data_of(memory.datastore, "a/c") is None
        await memory.commit(Set("a/c", {"n": 1}))
        assert await data_of(memory.datastore, "a/c") == {"n": 1}


async def test_the_log_is_moved_into_the_file_in_the_thread_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_PAGES", 1)
    monkeypatch.setattr(short_commits, "IN_A_ROW", 5)
    path = tmp_path / "city.db"
    async with opened(path) as file:
        await file.commit(Set("a/b", {"n": 1}))  # from here on five are made on the loop
        file.here.clear()
        for n in range(5):
            before = path.stat().st_size
            await file.commit(Set(f"v/{n}", {"text": "x" * (HERE_BYTES // 2)}, derived=True))
            assert path.stat().st_size == before
        await file.commit(view(5))
        assert path.stat().st_size > before
        assert file.here == [True] * 5 + [False]


async def test_the_commit_after_the_log_was_moved_is_made_in_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "city.db"
    async with opened(path) as file:
        await file.commit(view(1))
        other = sqlite3.connect(path, isolation_level=None)
        os.utime(path, ns=(0, 0))  # the clock of the file system may be coarse
        await file.commit(view(2))
        await file.commit(view(3))
        other.execute("PRAGMA wal_checkpoint")
        other.close()
        await file.commit(view(4))
        await file.commit(view(5))
        assert file.here == [True, False, True, False, True]


async def test_one_that_commits_on_and_on_does_not_keep_the_others_from_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "HERE_SECONDS", 1e-9)
    async with opened() as memory:
        stopped = False

        async def commit() -> None:
            n = 0
            while not stopped:
                n += 1
                await memory.commit(view(n))

        committing = asyncio.create_task(commit())
        for _ in range(10):
            await asyncio.sleep(0)
        stopped = True
        await committing
        assert set(memory.here) == {True, False}
