"""Listeners: nothing is missed, no commit comes in half, and what stopped goes on."""

from __future__ import annotations

import asyncio
import gc
import random
import threading

import pytest

from bff.datastore.port import Datastore, Delete, Merge, ResumePoint, Set, Target, Write
from bff.errors import DatastoreUnavailable
from bff.query import Query
from bff.testing.datastore_case import PATIENCE, DatastoreCase, Follower, NewDatastore, query

__all__ = ["ListeningConformance"]

USERS = Target("users")


async def now(datastore: Datastore) -> ResumePoint:
    return ResumePoint(await datastore.ping())


class ListeningConformance(DatastoreCase):
    async def test_it_begins_with_everything_there_is(self, datastore: Datastore) -> None:
        commit = await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 2}), Set("other/c", {"n": 3})])
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            first = await follower.step()
            assert first.reset
            await follower.until(commit.timepoint)
            assert follower.present() == {"users/a": {"n": 1}, "users/b": {"n": 2}}
            assert all(document.update_time == commit.timepoint for document in follower.documents.values())

    async def test_it_begins_where_nothing_is(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            commit = await datastore.commit([Set("users/a", {"n": 1})])
            await follower.until(commit.timepoint)
            assert follower.present() == {"users/a": {"n": 1}}

    async def test_from_now_on_it_tells_only_what_changes(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 1})])
        async with datastore.listen([USERS], await now(datastore)) as listening:
            follower = Follower(listening)
            commit = await datastore.commit([Set("users/b", {"n": 2})])
            await follower.until(commit.timepoint)
            if not any(batch.reset for batch in follower.batches):  # a datastore may resend when it cannot tell
                assert follower.present() == {"users/b": {"n": 2}}
            assert follower.documents["users/b"].update_time == commit.timepoint

    async def test_creations_changes_and_deletions_come(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            commit = await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 1})])
            await follower.until(commit.timepoint)
            commit = await datastore.commit([Merge("users/a", {"n": 2}), Set("users/c", {"n": 1})])
            await follower.until(commit.timepoint)
            assert follower.present() == {"users/a": {"n": 2}, "users/b": {"n": 1}, "users/c": {"n": 1}}
            commit = await datastore.commit([Delete("users/a"), Merge("users/c", {"n": 2})])
            await follower.until(commit.timepoint)
            assert follower.present() == {"users/b": {"n": 1}, "users/c": {"n": 2}}
            deleted = follower.documents["users/a"]
            assert not deleted.exists
            assert deleted.update_time >= commit.timepoint

    async def test_a_document_that_comes_and_goes_between_two_batches_is_told_at_its_newest(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            await datastore.commit([Set("users/a", {"n": 1})])
            await datastore.commit([Delete("users/a")])
            await datastore.commit([Set("users/a", {"n": 2})])
            commit = await datastore.commit([Set("users/b", {"n": 1})])
            await follower.until(commit.timepoint)
            assert follower.present() == {"users/a": {"n": 2}, "users/b": {"n": 1}}

    async def test_what_happened_while_it_was_away_comes_after_it_resumes(self, datastore: Datastore) -> None:
        await datastore.commit([Set(f"users/{name}", {"n": 1}) for name in "abcd"])
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.until(await datastore.ping())
        await datastore.commit([Delete("users/a"), Merge("users/b", {"n": 2})])
        await datastore.commit([Set("users/e", {"n": 1}), Delete("users/c")])
        commit = await datastore.commit([Set("users/c", {"n": 3})])
        async with datastore.listen([USERS], follower.resume) as listening:
            resumed = Follower(listening)
            resumed.documents = dict(follower.documents)
            await resumed.until(commit.timepoint)
        assert resumed.present() == {"users/b": {"n": 2}, "users/c": {"n": 3}, "users/d": {"n": 1}, "users/e": {"n": 1}}

    async def test_a_resume_point_from_long_ago_gives_everything(self, datastore: Datastore) -> None:
        commit = await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 1})])
        async with datastore.listen([USERS], ResumePoint(1)) as listening:
            follower = Follower(listening)
            follower.documents = {}
            await follower.until(commit.timepoint)
            assert follower.present() == {"users/a": {"n": 1}, "users/b": {"n": 1}}

    async def test_collections_groups_and_nothing_else(self, datastore: Datastore) -> None:
        targets = [USERS, Target("users/u1/forms"), Target("tags", group=True), Target("users/u1/tags")]
        before: list[Write] = [Set("users/u1", {"n": 1}), Set("users/u1/tags/t", {"n": 1}), Set("posts/p", {"n": 1})]
        await datastore.commit(before)
        async with datastore.listen(targets) as listening:
            follower = Follower(listening)
            await follower.step()
            paths = [
                "users/u2",
                "users/u1/forms/f",
                "users/u2/forms/f",
                "tags/t",
                "users/u2/tags/t",
                "users/u2/tags/t/tags/t",
                "tag/t",
            ]
            commit = await datastore.commit([Set(path, {"n": 2}) for path in paths])
            await follower.until(commit.timepoint)
            assert set(follower.present()) == {
                "users/u1",
                "users/u2",
                "users/u1/tags/t",
                "users/u1/forms/f",
                "tags/t",
                "users/u2/tags/t",
                "users/u2/tags/t/tags/t",
            }
            commit = await datastore.commit([Delete("users/u2/tags/t"), Delete("tag/t")])
            await follower.until(commit.timepoint)
            assert not follower.documents["users/u2/tags/t"].exists
            assert "tag/t" not in follower.documents

    async def test_a_commit_comes_whole_over_several_targets(self, datastore: Datastore) -> None:
        names = [f"{collection}/{n}" for collection in ("left", "right") for n in range(5)]
        await datastore.commit([Set(name, {"n": 0}) for name in names])
        async with datastore.listen([Target("left"), Target("right")]) as listening:
            follower = Follower(listening)
            await follower.until(await datastore.ping())

            async def write() -> None:
                for n in range(1, 60):
                    await datastore.commit([Set(name, {"n": n}) for name in names])

            writing = asyncio.create_task(write())
            while follower.present()["left/0"] != {"n": 59}:
                await follower.step()
                if follower.batches[-1].resume is not None:
                    assert len({str(data) for data in follower.present().values()}) == 1, follower.present()
            await writing

    async def test_a_write_that_changes_nothing_is_no_change(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"n": 1})])
        async with datastore.listen([USERS], await now(datastore)) as listening:
            follower = Follower(listening)
            await datastore.commit([Set("users/a", {"n": 1}), Delete("users/nobody")])
            await datastore.commit([Merge("users/a", {"n": 1})])
            commit = await datastore.commit([Set("users/b", {"n": 1})])
            await follower.until(commit.timepoint)
            if not any(batch.reset for batch in follower.batches):
                assert set(follower.documents) == {"users/b"}

    async def test_nudged_it_comes_to_the_present_although_nothing_happens(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            for _ in range(3):
                await datastore.commit([Set("other/a", {"moment": await datastore.ping()})])
                present = await datastore.ping()
                listening.nudge()
                await follower.until(present)

    async def test_it_is_following_once_what_it_told_is_done_with(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"n": 1})])
        async with datastore.listen([USERS]) as listening:
            assert not listening.following
            follower = Follower(listening)
            while follower.resume is None:
                await follower.step()
                assert not listening.following, "its reader is still busy with what it was given"
            waiting = asyncio.create_task(follower.until(await datastore.ping() + 1))
            async with asyncio.timeout(PATIENCE):
                while not listening.following:  # noqa: ASYNC110 - a turn or two
                    await asyncio.sleep(0)
            commit = await datastore.commit([Set("users/a", {"n": 2})])
            await waiting
            await follower.until(commit.timepoint)
            assert listening.following, "news is no reason not to be"
        assert not listening.following

    async def test_every_listener_hears_everything(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as one, datastore.listen([USERS, Target("other")]) as two:
            followers = [Follower(one), Follower(two)]
            for follower in followers:
                await follower.step()
            commits = [await datastore.commit([Set(f"users/{n}", {"n": n}), Set("other/o", {"n": n})]) for n in range(5)]
            await asyncio.gather(*(follower.until(commits[-1].timepoint) for follower in followers))
            assert len(followers[0].present()) == 5
            assert len(followers[1].present()) == 6

    async def test_many_targets(self, datastore: Datastore) -> None:
        targets = [Target(f"kind{n}") for n in range(40)]
        async with datastore.listen(targets) as listening:
            follower = Follower(listening)
            await follower.step()
            commit = await datastore.commit([Set(f"kind{n}/d", {"n": n}) for n in range(41)])
            await follower.until(commit.timepoint)
            assert len(follower.present()) == 40

    async def test_a_resend_of_many_documents_is_complete(self, datastore: Datastore) -> None:
        for start in range(0, 1500, 250):
            await datastore.commit([Set(f"users/{n}", {"n": n}) for n in range(start, start + 250)])
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            commit = await datastore.commit([Delete("users/0"), Delete("users/1499"), Set("users/new", {"n": -1})])
            await follower.until(commit.timepoint)
            assert len(follower.present()) == 1499

    async def test_a_slow_reader_gets_the_last_state(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            commits = [await datastore.commit([Set("users/a", {"n": n})]) for n in range(100)]
            await follower.until(commits[-1].timepoint)
            assert follower.present() == {"users/a": {"n": 99}}

    async def test_a_read_that_is_given_up_loses_nothing(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.until(await datastore.ping())
            for n in range(10):
                waiting = asyncio.create_task(follower.step())
                await datastore.ping()
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                commit = await datastore.commit([Set("users/a", {"n": n})])
                await follower.until(commit.timepoint)
                assert follower.present() == {"users/a": {"n": n}}

    async def test_random_writes_end_in_what_is_stored(self, datastore: Datastore) -> None:
        chance = random.Random(7)
        async with datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            for n in range(60):
                writes: list[Write] = [Set("users/last", {"n": n})]
                for _ in range(chance.randint(1, 4)):
                    path = f"users/{chance.randint(0, 9)}"
                    kinds: list[Write] = [Set(path, {"n": n}), Merge(path, {"m": n % 5}), Delete(path)]
                    writes.append(chance.choice(kinds))
                commit = await datastore.commit(writes)
                if chance.random() < 0.3:
                    await follower.until(commit.timepoint)
            commit = await datastore.commit([Set("users/end", {"n": 0})])
            await follower.until(commit.timepoint)
            stored = {document.path: document.data for document in await query(datastore, Query("users"))}
            assert follower.present() == stored

    async def test_closing_ends_a_waiting_reader(self, datastore: Datastore) -> None:
        async with datastore.listen([USERS]) as listening:

            async def read() -> int:
                return sum([1 async for _ in listening])

            reading = asyncio.create_task(read())
            await datastore.commit([Set("users/a", {"n": 1})])
        async with asyncio.timeout(PATIENCE):
            assert await reading >= 0

    async def test_closing_leaves_no_tasks_and_no_threads(self, new_datastore: NewDatastore) -> None:
        tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
        async with new_datastore() as datastore, datastore.listen([USERS]) as listening:
            await Follower(listening).step()
            await asyncio.gather(*(datastore.commit([Set(f"users/{n}", {"n": n})]) for n in range(20)))
            await query(datastore, Query("users"))
        gc.collect()
        left = {task for task in asyncio.all_tasks() - tasks if not task.done()}
        assert not left
        ours = {thread.name for thread in set(threading.enumerate()) - threads if "bff" in thread.name}
        assert not ours

    async def test_a_closed_datastore_says_so(self, new_datastore: NewDatastore) -> None:
        datastore = new_datastore()
        async with datastore:
            await datastore.ping()
        with pytest.raises(DatastoreUnavailable):
            await datastore.ping()
        with pytest.raises(DatastoreUnavailable):
            await datastore.commit([Set("users/a", {})])

    async def test_it_opens_again_after_closing(self, new_datastore: NewDatastore) -> None:
        datastore = new_datastore()
        for n in range(3):
            async with datastore:
                await datastore.commit([Set("users/a", {"n": n})])
