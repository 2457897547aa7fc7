"""The feed of the SQLite datastore: what is forgotten, what is too much, and what it costs to wait."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bff.datastore.port import Delete, Merge, ResumePoint, Set, Target
from bff.datastore.sqlite import feed, writing
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.errors import InvalidQuery
from bff.testing.datastore_case import Follower
from bff.types import Timepoint

pytestmark = pytest.mark.anyio

USERS = Target("users")


async def test_a_resend_comes_in_pages_and_says_where_it_begins_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PAGE_DOCUMENTS", 10)
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(f"users/{n:02}", {"n": n}) for n in range(25)])
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            for _ in range(3):
                await follower.step()
        assert [batch.reset for batch in follower.batches] == [True, False, False]
        assert [batch.resume is None for batch in follower.batches] == [True, True, False]
        assert [len(batch.documents) for batch in follower.batches] == [10, 10, 5]


async def test_changes_in_the_middle_of_a_resend_are_in_its_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PAGE_DOCUMENTS", 10)
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(f"users/{n:02}", {"n": n}) for n in range(25)])
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            commit = await datastore.commit([Delete("users/00"), Merge("users/01", {"n": -1}), Set("users/00a", {"n": 0})])
            await datastore.commit([Delete("users/20")])
            await follower.step()
            await follower.step()
            assert follower.resume is not None
            assert follower.resume.timepoint > commit.timepoint
            assert not follower.documents["users/00"].exists
            assert follower.present()["users/01"] == {"n": -1}
            assert follower.present()["users/00a"] == {"n": 0}
            assert "users/20" not in follower.present()
            assert len(follower.present()) == 24


async def test_more_changes_than_one_batch_may_hold_come_as_a_resend(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteDatastore() as datastore:
        since = ResumePoint(await datastore.ping())
        monkeypatch.setattr(feed, "MAX_CHANGES", 20)
        await datastore.commit([Set(f"users/{n:02}", {"n": n}) for n in range(20)])
        async with datastore.listen([USERS], since) as listening:
            assert not (await Follower(listening).step()).reset
        await datastore.commit([Set("users/21", {})])
        async with datastore.listen([USERS], since) as listening:
            follower = Follower(listening)
            assert (await follower.step()).reset
            assert len(follower.present()) == 21


async def test_a_listener_older_than_the_deletions_that_are_remembered_gets_a_resend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "TOMBSTONES", 10)
    monkeypatch.setattr(writing, "PRUNE_EVERY", 5)
    async with SQLiteDatastore() as datastore:
        await datastore.commit([Set(f"users/{n:02}", {"n": n}) for n in range(40)])
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
        old = follower.resume
        recent: ResumePoint | None = None
        for n in range(30):
            if n == 25:
                recent = ResumePoint(await datastore.ping())
            await datastore.commit([Delete(f"users/{n:02}")])
        async with datastore.listen([USERS], recent) as listening:
            batch = await anext(aiter(listening))
            assert not batch.reset
            assert len(batch.documents) == 5
        async with datastore.listen([USERS], old) as listening:
            resumed = Follower(listening)
            resumed.documents = dict(follower.documents)
            assert (await resumed.step()).reset
            assert set(resumed.present()) == {f"users/{n:02}" for n in range(30, 40)}
        async with datastore.snapshot() as snapshot:
            count = await snapshot.read(lambda connection: connection.execute("SELECT count(*) FROM tombstones").fetchone()[0])
        assert count <= 14


async def test_a_resume_point_of_another_file_gives_a_resend(tmp_path: Path) -> None:
    async with SQLiteDatastore(tmp_path / "one.db") as one, SQLiteDatastore(tmp_path / "two.db") as two:
        await one.commit([Set("users/a", {})])
        await two.commit([Set("users/b", {})])
        async with one.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
        async with two.listen([USERS], follower.resume) as listening:
            assert (await Follower(listening).step()).reset
        async with two.listen([USERS], ResumePoint(2**60)) as listening:
            assert (await Follower(listening).step()).reset


async def test_writes_elsewhere_only_move_the_resume_point_and_not_each_of_them() -> None:
    async with SQLiteDatastore() as datastore, datastore.listen([USERS]) as listening:
        follower = Follower(listening)
        await follower.step()
        for n in range(50):
            commit = await datastore.commit([Set("other/o", {"n": n})])
        await follower.until(commit.timepoint)
        assert follower.documents == {}
        assert len(follower.batches) < 20
        commit = await datastore.commit([Set("users/a", {"n": 1})])
        await follower.until(commit.timepoint)
        assert follower.present() == {"users/a": {"n": 1}}


async def test_what_others_commit_is_noticed_soon(tmp_path: Path) -> None:
    """Another connection stands for another process: the listener's datastore is not told by it."""
    path = tmp_path / "city.db"
    async with SQLiteDatastore(path) as datastore, SQLiteDatastore(path) as other, datastore.listen([USERS]) as listening:
        follower = Follower(listening)
        await follower.step()
        loop = asyncio.get_running_loop()
        delays: list[float] = []
        for n in range(10):
            commit = await other.commit([Set("users/a", {"n": n})])
            start = loop.time()
            await follower.until(commit.timepoint)
            delays.append(loop.time() - start)
        assert sorted(delays)[5] < 0.2  # 0.02 on an idle machine, at most 0.04


async def test_a_listener_waits_for_a_file_that_is_ill_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with SQLiteDatastore(tmp_path / "city.db") as datastore, datastore.listen([USERS]) as listening:
        follower = Follower(listening)
        await follower.step()
        readers = datastore._readers
        assert readers is not None
        begun = readers._begun
        failing = 2
        following: list[bool] = []

        def begun_failing(connection: sqlite3.Connection, first_read: Callable[[], Timepoint]) -> Timepoint:
            nonlocal failing
            following.append(listening.following)
            if failing:
                failing -= 1
                connection.close()
                raise sqlite3.OperationalError("disk I/O error")
            return begun(connection, first_read)

        readers._begun = begun_failing  # type: ignore[method-assign]
        commit = await datastore.commit([Set("users/a", {"n": 1})])
        await follower.until(commit.timepoint)
        assert follower.present() == {"users/a": {"n": 1}}
        assert following[:3] == [True, False, False]
        assert "trying again" in caplog.text


async def test_a_group_is_named_by_an_id() -> None:
    async with SQLiteDatastore() as datastore:
        with pytest.raises(InvalidQuery, match="by an id"):
            async with datastore.listen([Target("users/u1/forms", group=True)]):
                pass
