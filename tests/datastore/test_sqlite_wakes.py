"""Listeners look once for commits that follow each other."""

from __future__ import annotations

import asyncio

import pytest

from bff.datastore.port import Set, Target
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.readers import SQLiteSnapshot
from bff.datastore.sqlite.wakes import Wakes

pytestmark = pytest.mark.anyio


class Written:
    """How often listeners were woken; ``busy`` while a commit is under way."""

    def __init__(self) -> None:
        self.busy = False
        self.woken = asyncio.Event()
        self._count = 0
        self.wakes = Wakes(self.wake, lambda: self.busy)

    def wake(self) -> None:
        self._count += 1
        self.woken.set()

    def count(self) -> int:
        return self._count


async def rounds(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_who_has_awaited_a_commit_goes_on_first() -> None:
    written = Written()
    written.wakes.committed()
    await asyncio.sleep(0)
    assert not written.count()
    await rounds()
    assert written.count() == 1


async def test_a_commit_that_follows_is_found_by_the_same_look() -> None:
    written = Written()
    written.wakes.committed()
    written.busy = True
    await rounds()
    assert not written.count()
    written.busy = False
    written.wakes.committed()
    await rounds()
    assert written.count() == 1


async def test_commits_without_end_keep_nobody_waiting_for_long() -> None:
    written = Written()
    written.busy = True
    written.wakes.committed()
    async with asyncio.timeout(10):
        await written.woken.wait()


async def test_nobody_is_woken_after_the_end() -> None:
    written = Written()
    written.wakes.committed()
    written.wakes.close()
    await rounds()
    assert not written.count()


async def test_a_listener_that_has_heard_of_all_there_is_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteDatastore() as datastore, datastore.listen([Target("a")]) as listening, asyncio.timeout(10):
        await datastore._stop_watching()  # which wakes it for our own commits, too
        changes = aiter(listening)
        while (await anext(changes)).resume is None:
            pass
        await datastore.commit([Set("a/1", {})])
        assert [one.path for one in (await anext(changes)).documents] == ["a/1"]
        reads = 0
        snapshot = listening._readers.snapshot

        def counted() -> SQLiteSnapshot:
            nonlocal reads
            reads += 1
            return snapshot()

        monkeypatch.setattr(listening._readers, "snapshot", counted)
        waiting = asyncio.ensure_future(anext(changes))
        await rounds()
        assert listening.following
        assert not reads
        monkeypatch.undo()
        await datastore.commit([Set("a/2", {})])
        assert [one.path for one in (await waiting).documents] == ["a/2"]
