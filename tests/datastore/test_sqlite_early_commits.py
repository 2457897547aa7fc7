"""What is made while a commit is flushed: nobody is told of it before the flush is done."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bff import App, Settings
from bff.datastore.port import EarlyCommit, Precondition, Set, Write
from bff.datastore.sqlite import log_flush, rounds, short_commits
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.errors import Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.testing.datastore_case import PATIENCE, data_of
from bff.testing.harness import AppHarness
from tests.lamps import Lamp, LampView

pytestmark = pytest.mark.anyio


class Disk:
    """It flushes when it is let; ``asked`` says that somebody waits for that."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.flushed: list[str] = []
        self.fails = False
        self._loop = asyncio.get_running_loop()
        self._let = threading.Event()

    def let(self) -> None:
        self._let.set()

    def flush(self, file: int) -> None:
        self.flushed.append(os.readlink(f"/proc/self/fd/{file}"))
        self._loop.call_soon_threadsafe(self.asked.set)
        self._let.wait(PATIENCE)
        if self.fails:
            raise OSError(5, "Input/output error")


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Disk]:
    # A busy machine takes longer for a short commit.
    monkeypatch.setattr(short_commits, "HERE_SECONDS", PATIENCE)
    monkeypatch.setattr(rounds, "HERE_SECONDS", PATIENCE)
    disk = Disk()
    monkeypatch.setattr(log_flush, "FLUSH", disk.flush)
    yield disk
    disk.let()


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLiteDatastore]:
    async with SQLiteDatastore(path) as datastore:
        await datastore.commit([Set("a/b", {"n": 0})])
        yield datastore


async def begun(disk: Disk) -> None:
    async with asyncio.timeout(PATIENCE):
        await disk.asked.wait()


async def over(disk: Disk) -> None:
    """The thread has come back from the disk, as far as others can see."""
    await begun(disk)
    for _ in range(100):
        await asyncio.to_thread(lambda: None)


def view(n: int) -> Write:
    return Set("v/w", {"n": n}, derived=True)


async def test_it_can_be_read_while_it_is_flushed(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        early = await datastore.commit_early([Set("a/b", {"n": 1})])
        flushed = asyncio.ensure_future(early.flushed())
        await begun(disk)
        assert await data_of(datastore, "a/b") == {"n": 1}
        assert not flushed.done()
        disk.let()
        await flushed
        assert disk.flushed == [str(tmp_path / "city.db-wal")]


@pytest.mark.parametrize("write", [view(1), Set("a/c", {"n": 1})], ids=["derived", "another"])
async def test_no_later_commit_is_made_before_it_is_flushed(tmp_path: Path, disk: Disk, write: Write) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        early = await datastore.commit_early([Set("a/b", {"n": 1})])
        later = asyncio.create_task(datastore.commit([write]))
        await begun(disk)
        assert await data_of(datastore, write.path) is None
        assert not later.done()
        disk.let()
        await asyncio.gather(later, early.flushed())
        assert await data_of(datastore, write.path) == {"n": 1}


async def test_whoever_stops_waiting_stops_it_for_nobody_else(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        early = await datastore.commit_early([Set("a/b", {"n": 1})])
        one, other = asyncio.ensure_future(early.flushed()), asyncio.ensure_future(early.flushed())
        await begun(disk)
        one.cancel()
        await asyncio.wait([one])
        disk.let()
        await other


async def test_where_one_is_being_flushed_others_share_the_next_flush(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        first = await datastore.commit_early([Set("a/b", {"n": 1})])
        others = [asyncio.create_task(datastore.commit_early([Set(f"a/{n}", {"n": n})])) for n in range(3)]
        await begun(disk)
        assert not any(other.done() for other in others)
        disk.let()
        for early in [first, *await asyncio.gather(*others)]:
            await early.flushed()
        assert len(disk.flushed) == 1, "SQLite has made the others, in one transaction"


async def test_a_disk_that_fails_leaves_the_outcome_unknown(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        disk.fails = True
        early = await datastore.commit_early([Set("a/b", {"n": 1})])
        flushed, later = asyncio.ensure_future(early.flushed()), asyncio.create_task(datastore.commit([view(1)]))
        await begun(disk)
        disk.let()
        with pytest.raises(DatastoreUnavailable, match=r"nothing was written.*Input/output error"):
            await later
        with pytest.raises(OutcomeUnknown, match="Input/output error"):
            await flushed
        assert await data_of(datastore, "v/w") is None


async def test_a_disk_that_fails_before_anybody_waits_is_told_of_to_whoever_does(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        disk.fails = True
        early = await datastore.commit_early([Set("a/b", {"n": 1})])
        disk.let()
        await over(disk)
        with pytest.raises(DatastoreUnavailable, match=r"nothing was written.*Input/output error"):
            await datastore.commit([view(1)])
        with pytest.raises(OutcomeUnknown, match="Input/output error"):
            await early.flushed()


@pytest.mark.parametrize("write", [view(1), Set("a/c", {"n": 1})], ids=["derived", "another"])
async def test_what_a_disk_failed_to_flush_is_written_again_before_anything_else_is(
    tmp_path: Path, disk: Disk, write: Write
) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        disk.fails = True
        disk.let()
        early = await datastore.commit_early([Set("a/b", {"n": 1})])
        with pytest.raises(OutcomeUnknown):
            await early.flushed()
        disk.fails = False
        async with datastore.snapshot() as reading:
            assert await data_of(datastore, write.path) is None
            await reading.get(["a/b"])
            await datastore.commit([write])
        # To the system the log was written: it is the file that tells, and it alone.
        shutil.copyfile(tmp_path / "city.db", tmp_path / "copy.db")
        async with SQLiteDatastore(tmp_path / "copy.db") as copy:
            assert await data_of(copy, "a/b") == {"n": 1}
        assert await data_of(datastore, write.path) == {"n": 1}


async def test_a_refused_one_is_flushed_by_nobody(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        with pytest.raises(Conflict):
            await datastore.commit_early([Set("a/b", {"n": 1}, Precondition(exists=False))])
        assert await data_of(datastore, "a/b") == {"n": 0}
    assert disk.flushed == []


async def test_in_memory_there_is_nothing_to_flush(disk: Disk) -> None:
    async with SQLiteDatastore() as datastore:
        early: EarlyCommit = await datastore.commit_early([Set("a/b", {"n": 1})])
        await early.flushed()
        assert disk.flushed == []


async def test_it_is_flushed_before_the_datastore_is_closed(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "city.db") as datastore:
        await datastore.commit_early([Set("a/b", {"n": 1})])
        await begun(disk)
        asyncio.get_running_loop().call_soon(disk.let)
    async with SQLiteDatastore(tmp_path / "city.db") as again:
        assert await data_of(again, "a/b") == {"n": 1}


@pytest.mark.parametrize(
    "changing",
    [
        'mutation { changed: lampSwitch(id: "l") { switched } }',
        'mutation { changed: updateLampView(id: "l", input: { switched: 1 }) { switched } }',
    ],
    ids=["method", "setter"],
)
async def test_neither_who_asked_nor_who_looks_on_is_told_before_it_is_flushed(tmp_path: Path, disk: Disk, changing: str) -> None:
    # Without a projector, which commits something now and then: a commit beside another one is made in the thread.
    settings = Settings(datastore_url=f"sqlite:///{tmp_path / 'lamps.db'}", broadcast_url="memory://", role="web")
    async with AppHarness(App(views=[LampView]), settings=settings) as running:
        await Lamp(id="l").save()
        async with running.watch('subscription { lampView(id: "l") { switched } }') as looking:
            assert await looking.next() == {"data": {"lampView": {"switched": 0}}}
            pushed = asyncio.create_task(looking.next())
            answered = asyncio.create_task(running.execute(changing))
            await begun(disk)
            for _ in range(100):
                shown = await data_of(running.runtime.datastore, "LampView/l")
                assert shown is not None
                assert shown["switched"] == 0
            assert not answered.done()
            assert not pushed.done()
            disk.let()
            assert (await answered)["data"] == {"changed": {"switched": 1}}
            assert await pushed == {"data": {"lampView": {"switched": 1}}}
