"""Which reads of the SQLite datastore run on the event loop, and that none of them holds it for long."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from bff.datastore.port import Delete, Set
from bff.datastore.sqlite import readers as sqlite_readers
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.pace import HERE_DOCUMENTS, MOST_HERE, UNHURRIED, Pace
from bff.datastore.sqlite.rounds import Rounds
from bff.errors import DatastoreUnavailable
from bff.query import Compare, Op, Order, Query
from bff.testing.datastore_case import PATIENCE, data_of, get
from bff.types import Timepoint

pytestmark = pytest.mark.anyio

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def here() -> bool:
    return threading.current_thread() is threading.main_thread()


async def test_a_short_read_runs_on_the_loop() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        await data_of(datastore, "a/b")  # opens the connection, in a thread
        ran_here: list[bool] = []
        async with datastore.snapshot() as snapshot:
            await snapshot.read_here(lambda connection, pace: ran_here.append(here()))
            await snapshot.read(lambda connection: ran_here.append(here()))
        assert ran_here == [True, False]


async def test_a_read_that_turns_out_long_leaves_the_loop_to_others() -> None:
    loop = asyncio.get_running_loop()
    released = threading.Event()
    ran_here: list[bool] = []

    def work(connection: sqlite3.Connection, pace: Pace) -> bool:
        ran_here.append(here())
        if pace is not UNHURRIED:
            connection.execute(FOREVER).fetchone()
        return released.wait(PATIENCE)  # as long as the loop does not run, it is not released

    async with SQLiteDatastore() as datastore, datastore.snapshot() as snapshot:
        await snapshot.get(["a/b"])
        loop.call_soon(loop.call_soon, released.set)
        assert await snapshot.read_here(work)
        assert ran_here == [True, False]
        assert not (await snapshot.get(["a/b"]))[0].exists  # the snapshot is none the worse for it


async def test_what_is_handed_over_to_a_thread_is_answered_as_it_would_have_been_here(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"a/{n:03}" for n in range(40)]
    ask = Query("a", Compare("n", Op.GE, 5), (Order("n"),))
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(path, {"n": n % 20}) for n, path in enumerate(paths)])
        async with datastore.snapshot() as snapshot:
            expected = [await snapshot.get(paths), await snapshot.query(ask)], await snapshot.count(ask), snapshot.timepoint
        monkeypatch.setattr(sqlite_readers, "HERE_SECONDS", 1e-9)
        async with datastore.snapshot() as snapshot:
            first = await snapshot.get(paths)
            await datastore.commit([Delete(path) for path in paths])
            assert ([first, await snapshot.query(ask)], await snapshot.count(ask), snapshot.timepoint) == expected


async def test_many_documents_are_read_in_a_thread_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"a/{n}" for n in range(MOST_HERE + 1)]
    async with SQLiteDatastore() as datastore, datastore.snapshot() as snapshot:
        await snapshot.get(paths[:1])

        def never(*args: object) -> None:
            raise AssertionError("on the event loop")

        monkeypatch.setattr(snapshot, "_read_here", never)
        assert len(await snapshot.get(paths)) == len(paths)


async def test_some_hundred_documents_are_read_on_the_loop_in_parts_between_which_others_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_readers, "HERE_SECONDS", 1.0)
    paths = [f"a/{n}" for n in range(3 * HERE_DOCUMENTS + 1)]
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(path, {"n": n}) for n, path in enumerate(paths)])
        await data_of(datastore, paths[0])
        async with datastore.snapshot() as snapshot:
            parts: list[int] = []

            class Counted(Rounds):
                def spend(self, seconds: float) -> None:
                    parts.append(1)
                    super().spend(seconds + 1.0)  # so that the loop has its turn before the next

            monkeypatch.setattr(snapshot._readers, "rounds", Counted())
            reading = asyncio.ensure_future(snapshot.get(paths))
            await asyncio.sleep(0)
            assert len(parts) == 1
            assert [document.data for document in await reading] == [{"n": n} for n in range(len(paths))]
            assert len(parts) == 4


async def test_one_that_reads_on_and_on_does_not_keep_the_others_from_running() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        stopped = False

        async def read() -> None:
            while not stopped:
                await get(datastore, "a/b")

        reading = [asyncio.create_task(read()) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
        stopped = True
        await asyncio.gather(*reading)


async def test_a_lock_is_waited_for_in_a_thread() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        await data_of(datastore, "a/b")
        readers = datastore._readers
        assert readers is not None
        ran_here: list[bool] = []
        begin = readers.begin

        def locked() -> tuple[sqlite3.Connection, Timepoint]:
            ran_here.append(here())
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error

        def begun() -> tuple[sqlite3.Connection, Timepoint]:
            ran_here.append(here())
            return begin()

        readers.begin_here = locked  # type: ignore[method-assign]
        readers.begin = begun  # type: ignore[method-assign]
        assert await data_of(datastore, "a/b") == {"n": 1}
        assert ran_here == [True, False]


async def test_a_damaged_file_is_refused_here_as_in_a_thread(tmp_path: Path) -> None:
    path = tmp_path / "city.db"
    async with SQLiteDatastore(path) as datastore, datastore.snapshot() as snapshot:
        await snapshot.get([])
        with pytest.raises(DatastoreUnavailable, match="SQLite refused"):
            await snapshot.read_here(lambda connection, pace: connection.execute("SELECT nothing"))


async def test_reads_of_one_snapshot_take_turns_wherever_they_run() -> None:
    order: list[str] = []
    async with SQLiteDatastore() as datastore, datastore.snapshot() as snapshot:
        begun, released = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def slow(connection: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(begun.set)
            released.wait(PATIENCE)
            order.append("in a thread")

        reading = asyncio.create_task(snapshot.read(slow))
        await begun.wait()
        second = asyncio.create_task(snapshot.read_here(lambda connection, pace: order.append("here")))
        await asyncio.sleep(0)
        released.set()
        await asyncio.gather(reading, second)
        assert order == ["in a thread", "here"]


async def test_commits_that_come_together_share_a_transaction_and_its_flush(tmp_path: Path) -> None:
    async with SQLiteDatastore(tmp_path / "city.db") as datastore:
        assert datastore._connection is not None
        statements: list[str] = []
        datastore._connection.set_trace_callback(statements.append)
        commits = await asyncio.gather(*(datastore.commit([Set(f"a/{n}", {"n": n})]) for n in range(8)))
        assert len({commit.timepoint for commit in commits}) == 8
        assert [statement for statement in statements if statement.startswith(("BEGIN", "COMMIT"))] == [
            "BEGIN IMMEDIATE",
            "COMMIT",
        ]
        assert not [statement for statement in statements if "SAVEPOINT" in statement]
