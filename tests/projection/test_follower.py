"""What a projector and a mediator have in common: nothing is lost, whatever the work on it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from time import thread_time

import pytest

from bff.datastore.port import Datastore
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.document import Document
from bff.errors import DatastoreUnavailable
from bff.projection.dirty_keys import Batch, Item
from bff.projection.follower import Follower
from bff.supervisor import Backoff
from tests.projection.support import Student, everything, write

pytestmark = pytest.mark.anyio


class Reading:
    """A subject that remembers what it worked off; ``bad`` keys raise, ``away`` is a datastore that is not there."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.bad: set[str] = set()
        self.away = 0

    async def begin(self) -> None: ...

    def seen(self, documents: Sequence[Document]) -> None: ...

    async def concerned(self, documents: Sequence[Document]) -> AsyncIterator[Item]:
        for document in documents:
            yield "students", document.id

    async def missing(self) -> AsyncIterator[Item]:
        return
        yield

    async def work(self, batch: Batch) -> None:
        if self.away:
            self.away -= 1
            raise DatastoreUnavailable("away")
        if self.bad.intersection(batch[1]):
            raise LookupError("bad")
        self.done += batch[1]

    async def note(self) -> None: ...


async def test_one_key_that_cannot_be_worked_off_stops_no_other(datastore: Datastore, caplog: pytest.LogCaptureFixture) -> None:
    subject = Reading()
    subject.bad = {"s3"}
    follower = Follower(datastore, "test", ["students"], subject, retry=Backoff(first=0.01, limit=0.01))
    with caplog.at_level(logging.CRITICAL):
        follower.start()
        try:
            timepoint = await write(datastore, *(Student(id=f"s{number}", name="") for number in range(6)))
            async with asyncio.timeout(20):
                await follower.wait_for(timepoint)
                assert {"s0", "s1", "s2", "s4", "s5"} <= set(subject.done)
                assert ("students", "s3") in follower.failures
                subject.bad.clear()
                while "s3" not in subject.done:  # noqa: ASYNC110 - what is waited for is a state, not an event
                    await asyncio.sleep(0.01)
        finally:
            await follower.close()


async def test_as_of_waits_for_a_datastore_that_is_away(datastore: Datastore, caplog: pytest.LogCaptureFixture) -> None:
    subject = Reading()
    subject.away = 5
    follower = Follower(datastore, "test", ["students"], subject, backoff=Backoff(first=0.01, limit=0.01))
    with caplog.at_level(logging.CRITICAL):
        follower.start()
        try:
            timepoint = await write(datastore, Student(id="s", name=""))
            async with asyncio.timeout(20):
                await follower.wait_for(timepoint)
            assert subject.away == 0
            assert subject.done == ["s"]
        finally:
            await follower.close()


async def test_closing_saves_where_it_has_come_to(datastore: Datastore) -> None:
    subject = Reading()
    follower = Follower(datastore, "test", ["students"], subject, save_seconds=3600)
    follower.start()
    timepoint = await write(datastore, Student(id="s", name=""))
    async with asyncio.timeout(20):
        await follower.wait_for(timepoint)
    await follower.close()
    saved = (await everything(datastore, "_bff_projectors"))["test"].data
    assert saved is not None
    assert int(saved["timepoint"]) >= timepoint  # type: ignore[arg-type]
    again = Reading()
    follower = Follower(datastore, "test", ["students"], again)
    follower.start()
    async with asyncio.timeout(20):
        await follower.wait_for(await write(datastore, Student(id="t", name="")))
    await follower.close()
    assert again.done == ["t"]


class Laborious(Reading):
    """Keeps the processor busy, and lets others change documents meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.works = 0

    async def work(self, batch: Batch) -> None:
        self.works += 1
        until = thread_time() + 0.01
        while thread_time() < until:  # noqa: ASYNC110 - it is the work
            await asyncio.sleep(0)
        await super().work(batch)


async def test_what_changes_faster_than_it_is_worked_off_is_taken_together(datastore: Datastore) -> None:
    subject = Laborious()
    follower = Follower(datastore, "test", ["students"], subject)
    follower.start()
    try:
        timepoint = 0
        for number in range(60):
            timepoint = await write(datastore, Student(id="s", name=str(number)))
            if number == 30:
                await write(datastore, Student(id="t", name=""))
        async with asyncio.timeout(20):
            await follower.wait_for(timepoint)
        assert set(subject.done) == {"s", "t"}
        assert subject.works < 60
        assert not follower.dirty.building
    finally:
        await follower.close()


async def test_what_is_held_back_is_not_said_to_be_done(datastore: Datastore) -> None:
    subject = Laborious()
    follower = Follower(datastore, "test", ["students"], subject, save_seconds=3600)
    follower.start()
    first = await write(datastore, Student(id="s", name="1"))
    async with asyncio.timeout(20):
        while not subject.works:  # noqa: ASYNC110 - what is waited for is a state, not an event
            await asyncio.sleep(0)
        second = await write(datastore, Student(id="s", name="2"))
        await follower.wait_for(first)
        assert follower.progress.as_of < second or subject.works > 1
    await follower.close()
    again = Reading()
    follower = Follower(datastore, "test", ["students"], again)
    follower.start()
    async with asyncio.timeout(20):
        await follower.wait_for(second)
    await follower.close()
    assert subject.works > 1 or again.done == ["s"]


class Holding(Reading):
    """Is held up by one key until it is ``released``; counts how many batches are with it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()
        self.at_once = 0
        self._now = 0
        self._moved = asyncio.Event()

    async def work(self, batch: Batch) -> None:
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        self._moved.set()
        if "slow" in batch[1]:
            await self.released.wait()
        await asyncio.sleep(0)
        await super().work(batch)
        self._now -= 1
        self._moved.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._moved.clear()
                await self._moved.wait()


async def held_up(seconds: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Follower, Holding]:
    """One whose batches do not overlap, at the moment in which its only batch is held up and other keys come."""
    monkeypatch.setattr("bff.projection.follower.HELD_UP_SECONDS", seconds)
    subject = Holding()
    follower = Follower(SQLiteDatastore(), "test", ["students"], subject, concurrency=3, overlapping=False, batch=2)
    for number in range(1, 4):
        follower.supervisor.start(f"work {number}", partial(follower._work, f"work {number}"))
    follower.dirty.add("students", "slow")
    await subject.until(lambda: subject.at_once)
    for number in range(6):
        follower.dirty.add("students", f"s{number}")
    return follower, subject


async def test_where_batches_need_not_overlap_one_worker_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    follower, subject = await held_up(3600.0, monkeypatch)
    for _ in range(20):
        await asyncio.sleep(0)
    assert subject.done == []
    subject.released.set()
    await subject.until(lambda: len(subject.done) == 7)
    await follower.supervisor.close()
    assert subject.done == ["slow", *(f"s{number}" for number in range(6))]
    assert subject.at_once == 1


async def test_where_that_one_is_held_up_another_goes_on_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    follower, subject = await held_up(0.01, monkeypatch)
    await subject.until(lambda: len(subject.done) == 6)
    assert "slow" not in subject.done
    subject.released.set()
    await subject.until(lambda: "slow" in subject.done)
    await follower.supervisor.close()
    assert not follower.dirty.building
