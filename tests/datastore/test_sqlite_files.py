"""What can be wrong with a file is said, with what to do about it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bff.datastore.port import Delete, ExpectQuery, Set, Write
from bff.datastore.sqlite import connection as sqlite_connection
from bff.datastore.sqlite import readers as sqlite_readers
from bff.datastore.sqlite import schema
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.url import path_of_url
from bff.errors import Conflict, DatastoreUnavailable, SettingsError
from bff.query import Query
from bff.testing.datastore_case import data_of, get, query

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///city.db", "city.db"),
        ("sqlite:///data/city.db", "data/city.db"),
        ("sqlite:////var/lib/city.db", "/var/lib/city.db"),
        ("sqlite:///my%20city.db", "my city.db"),
        ("sqlite://", None),
        ("sqlite:///", None),
        ("sqlite://:memory:", None),
        ("sqlite:///:memory:", None),
    ],
)
def test_urls(url: str, path: str | None) -> None:
    assert path_of_url(url) == (None if path is None else Path(path))


@pytest.mark.parametrize("url", ["sqlite://city.db", "sqlite:///a.db?mode=ro", "firestore://x", "sqlite://:memory:/x"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(SettingsError, match=r"sqlite:///relative\.db"):
        path_of_url(url)


async def test_it_tells_its_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/city.db"
    assert SQLiteDatastore.from_url(url).url == url
    assert SQLiteDatastore.from_url("sqlite://:memory:").url == "sqlite://"


async def opened(path: Path) -> None:
    async with SQLiteDatastore(path):
        raise AssertionError("it opened")


async def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no directory .*nowhere: create it"):
        await opened(tmp_path / "nowhere" / "a.db")


async def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a directory"):
        await opened(tmp_path)


async def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(DatastoreUnavailable, match=r"notes\.txt: it is not a SQLite database: choose another file"):
        await opened(path)
    assert path.read_text().startswith("Dear diary")


async def test_a_database_of_another_application(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE notes (text)")
    other.close()
    with pytest.raises(SettingsError, match="of another application: choose another file"):
        await opened(path)


async def test_a_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    async with SQLiteDatastore(path):
        pass
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(SettingsError, match=r"of a newer bff .*: upgrade bff"):
        await opened(path)


@contextmanager
def as_somebody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that others may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


def forbid_writing(directory: Path) -> None:
    for path in directory.iterdir():
        path.chmod(0o444)
    directory.chmod(0o555)


async def test_a_read_only_file(directory: Path) -> None:
    path = directory / "fixed.db"
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set("a/b", {})])
    forbid_writing(directory)
    with as_somebody(), pytest.raises(DatastoreUnavailable, match=r"fixed\.db: (it is read-only: give|it cannot be opened: )"):
        await opened(path)


async def test_a_file_that_another_process_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connection.patiently, "__defaults__", (0.2, lambda: True))
    path = tmp_path / "city.db"
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatastoreUnavailable, match="another process has locked it"):
            await datastore.commit([Set("a/b", {"n": 2})])
        assert await data_of(datastore, "a/b") == {"n": 1}  # reading goes on
        with pytest.raises(DatastoreUnavailable, match="another process has locked it"):
            await opened(path)
        other.execute("ROLLBACK")
        other.close()
        await datastore.commit([Set("a/b", {"n": 3})])
        assert await data_of(datastore, "a/b") == {"n": 3}


async def test_a_commit_waits_for_another_process_that_is_writing(tmp_path: Path) -> None:
    path = tmp_path / "city.db"
    async with SQLiteDatastore(path) as datastore:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        committing = asyncio.create_task(datastore.commit([Set("a/b", {"n": 1})]))
        await datastore.ping()
        assert not committing.done()
        other.execute("ROLLBACK")
        other.close()
        await committing
        assert await data_of(datastore, "a/b") == {"n": 1}


async def test_a_full_disk_refuses_the_write_and_keeps_what_was(tmp_path: Path) -> None:
    async with SQLiteDatastore(tmp_path / "city.db") as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        assert datastore._connection is not None
        pages = datastore._connection.execute("PRAGMA page_count").fetchone()[0]
        datastore._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(DatastoreUnavailable, match="the disk is full"):
            await datastore.commit([Set("a/b", {"n": 2}), Set("a/large", {"text": "x" * 500_000})])
        assert await data_of(datastore, "a/b") == {"n": 1}
        await datastore.commit([Set("a/b", {"n": 3})])
        assert await data_of(datastore, "a/b") == {"n": 3}


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "city.db"
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set(f"a/{n}", {"text": "x" * 500, "n": n}) for n in range(500)])
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 12288))

    async def use() -> None:
        async with SQLiteDatastore(path) as datastore:
            await query(datastore, Query("a"))
            await datastore.commit([Set("a/b", {"n": 1})])

    with pytest.raises(DatastoreUnavailable, match=r"city\.db: it is (damaged|not a SQLite database)"):
        await use()


async def test_before_it_is_opened_it_says_so(tmp_path: Path) -> None:
    datastore = SQLiteDatastore(tmp_path / "city.db")
    with pytest.raises(DatastoreUnavailable, match="open it with `async with`"):
        await datastore.ping()


async def test_memory_leaves_nothing_behind() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        assert datastore._directory is not None
        directory = datastore._directory.name
        assert os.path.exists(directory)  # noqa: ASYNC240
    assert not os.path.exists(directory)  # noqa: ASYNC240


async def test_memories_are_apart() -> None:
    async with SQLiteDatastore() as one, SQLiteDatastore() as other:
        await one.commit([Set("a/b", {"n": 1})])
        assert await data_of(other, "a/b") is None


async def test_a_file_keeps_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "city.db"
    async with SQLiteDatastore(path) as datastore:
        commit = await datastore.commit([Set("a/b", {"n": 1})])
    assert os.listdir(tmp_path) == ["city.db"]
    async with SQLiteDatastore(path) as datastore:
        [document] = await get(datastore, "a/b")
        assert (document.data, document.update_time) == ({"n": 1}, commit.timepoint)
        assert await datastore.ping() == commit.timepoint


async def test_only_commits_of_derived_documents_alone_do_not_wait_for_the_disk(tmp_path: Path) -> None:
    async def flushed(datastore: SQLiteDatastore, *commits: list[Write]) -> int:
        await asyncio.gather(*map(datastore.commit, commits))  # one transaction
        assert datastore._connection is not None
        return int(datastore._connection.execute("PRAGMA synchronous").fetchone()[0])

    def ordinary(number: int) -> Set:
        return Set("a/b", {"n": number})

    def derived(number: int) -> Set:
        return Set("v/b", {"n": number}, derived=True)

    off, normal, full = 0, 1, 2
    async with SQLiteDatastore(tmp_path / "city.db") as datastore:
        assert [await flushed(datastore, [ordinary(n), derived(n)]) for n in range(2)] == [full, full]
        assert [await flushed(datastore, [derived(n)]) for n in (2, 3)] == [normal, normal]
        assert await flushed(datastore, [Delete("v/b", derived=True)]) == normal
        assert await flushed(datastore, [ordinary(2)]) == full
        assert await flushed(datastore, [derived(4)], [derived(5)]) == normal
        assert await flushed(datastore, [derived(6)], [ordinary(3)], [derived(7)]) == full
    async with SQLiteDatastore() as datastore:
        assert await flushed(datastore, [ordinary(1)]) == off
        assert await flushed(datastore, [derived(1)]) == off


async def test_what_is_made_again_after_a_loss_of_power_is_of_a_later_time(tmp_path: Path) -> None:
    """What is lost is the end of the log: all that has not been flushed."""
    path, log = tmp_path / "city.db", tmp_path / "city.db-wal"
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set("v/a", {"n": 1}, derived=True)])
        kept = await datastore.commit([Set("a/b", {"n": 1})])
        flushed = log.read_bytes()
        lost = await datastore.commit([Set("v/b", {"n": 1}, derived=True)])
        assert log.read_bytes()[: len(flushed)] == flushed
        (tmp_path / "left.db").write_bytes(path.read_bytes())
        (tmp_path / "left.db-wal").write_bytes(flushed)
    async with SQLiteDatastore(tmp_path / "left.db") as datastore:
        documents = await get(datastore, "v/a", "a/b", "v/b")
        assert [document.exists for document in documents] == [True, True, False]
        assert documents[1].update_time == kept.timepoint
        assert await datastore.ping() > lost.timepoint


async def test_timepoints_rise_when_the_clock_of_the_machine_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteDatastore() as datastore:
        first = await datastore.commit([Set("a/b", {"n": 1})])
        monkeypatch.setattr("bff.datastore.sqlite.writing.now", lambda: 1)
        second = await datastore.commit([Set("a/b", {"n": 2})])
        third = await datastore.commit([Set("a/b", {"n": 3})])
    assert [second.timepoint, third.timepoint] == [first.timepoint + 1, first.timepoint + 2]


async def test_a_read_that_takes_too_long_is_ended_and_the_datastore_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    async with SQLiteDatastore() as datastore:
        monkeypatch.setattr(sqlite_readers, "READ_SECONDS", 0.05)
        with pytest.raises(DatastoreUnavailable, match="was ended"):
            async with datastore.snapshot() as snapshot:
                await snapshot.read(lambda connection: connection.execute(forever).fetchone())
        monkeypatch.setattr(sqlite_readers, "READ_SECONDS", 60)
        async with datastore.snapshot() as snapshot:
            await snapshot.get([])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await snapshot.read(lambda connection: connection.execute(forever).fetchone())
        assert await query(datastore, Query("a")) == []


async def test_closing_ends_the_reads_that_are_under_way() -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        connection.execute(forever).fetchone()

    async def read(datastore: SQLiteDatastore) -> None:
        async with datastore.snapshot() as snapshot:
            await snapshot.read(never)

    async with SQLiteDatastore() as datastore:
        reading = asyncio.create_task(read(datastore))
        await begun.wait()
    with pytest.raises(DatastoreUnavailable, match="interrupted"):
        await reading


async def test_a_cancelled_commit_is_made_or_not_and_nothing_hangs() -> None:
    async with SQLiteDatastore() as datastore:
        for n in range(50):
            committing = [asyncio.create_task(datastore.commit([Set(f"a/{n}-{k}", {}), Set(f"b/{n}-{k}", {})])) for k in range(3)]
            for _ in range(n % 5):
                await asyncio.sleep(0)
            committing[1].cancel()
            await asyncio.gather(*committing, return_exceptions=True)
            assert committing[0].exception() is committing[2].exception() is None
        left, right = await query(datastore, Query("a")), await query(datastore, Query("b"))
        assert [document.id for document in left] == [document.id for document in right]
        assert len(left) >= 100


async def test_one_that_conflicts_does_not_spoil_those_that_share_its_transaction() -> None:
    async with SQLiteDatastore() as datastore:
        wrong = ExpectQuery(Query("a"), (("a/nobody", 1),))
        outcomes = await asyncio.gather(
            *(datastore.commit([Set(f"a/{n}", {f"field{n}": n})], [wrong] if n % 3 == 1 else []) for n in range(30)),
            return_exceptions=True,
        )
        assert [isinstance(outcome, Conflict) for outcome in outcomes] == [n % 3 == 1 for n in range(30)]
        timepoints = [outcome.timepoint for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(set(timepoints)) == 20
        assert len(await query(datastore, Query("a"))) == 20


async def test_many_snapshots_at_once() -> None:
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set("a/b", {"n": 1})])
        opened_snapshots = asyncio.Barrier(60)

        async def read() -> None:
            async with datastore.snapshot() as snapshot:
                await snapshot.get(["a/b"])
                await opened_snapshots.wait()
                assert (await snapshot.get(["a/b"]))[0].exists

        async with asyncio.timeout(30):
            await asyncio.gather(*(read() for _ in range(60)))


async def test_a_closed_snapshot_says_so() -> None:
    async with SQLiteDatastore() as datastore:
        async with datastore.snapshot() as snapshot:
            with pytest.raises(RuntimeError, match="after its first read"):
                _ = snapshot.timepoint
        with pytest.raises(RuntimeError, match="within its `async with`"):
            await snapshot.get(["a/b"])
