"""The thread that waits for the disk: in order, to the end, and gone with the datastore."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import partial
from pathlib import Path

import pytest

from bff.datastore.port import Set
from bff.datastore.sqlite import log_flush, rounds, short_commits
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.writer_thread import WriterThread, tell
from bff.testing.datastore_case import PATIENCE

pytestmark = pytest.mark.anyio


def test_it_does_one_thing_after_the_other_and_closing_waits_for_them() -> None:
    thread, let, done = WriterThread("work"), threading.Event(), list[int]()

    def first() -> None:
        assert let.wait(PATIENCE)

    thread.hand_over(first)
    for number in range(10):
        thread.hand_over(partial(done.append, number))
    let.set()
    thread.close()
    assert done == list(range(10))


def test_an_event_loop_that_is_closed_is_told_nothing() -> None:
    thread, let, done = WriterThread("work"), threading.Event(), list[int]()

    async def begin() -> None:
        loop = asyncio.get_running_loop()

        def work() -> None:
            assert let.wait(PATIENCE)
            tell(loop, lambda: done.append(0))

        thread.hand_over(work)

    asyncio.run(begin())
    let.set()
    thread.close()  # and nothing is raised in the thread, which pytest would say
    assert not done


async def test_the_log_is_opened_once_and_closed_with_the_datastore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(log_flush, "FLUSH", flushed.append)
    # A busy machine takes longer for a short commit.
    monkeypatch.setattr(short_commits, "HERE_SECONDS", PATIENCE)
    monkeypatch.setattr(rounds, "HERE_SECONDS", PATIENCE)
    async with SQLiteDatastore(tmp_path / "city.db") as datastore:
        await datastore.commit([Set("a/b", {"n": 0})])
        for n in range(1, 4):
            await (await datastore.commit_early([Set("a/b", {"n": n})])).flushed()
        assert len(flushed) == 3
        [log] = set(flushed)
        os.fstat(log)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(log)
