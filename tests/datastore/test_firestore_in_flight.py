"""What a snapshot of the emulator waits for: the commits of this process that write what it reads, and no others."""

from __future__ import annotations

import asyncio

import pytest

from bff.datastore.firestore.in_flight import InFlight

pytestmark = pytest.mark.anyio


async def test_a_read_waits_for_a_commit_that_writes_what_it_reads() -> None:
    commits = InFlight()
    commit = commits.sent(["ships/a", "ships/b"])
    watch = commits.watch()
    settling = asyncio.create_task(watch.settle({"ships/b", "crews/b"}.__contains__))
    await asyncio.sleep(0)
    assert not settling.done()
    commits.ended(commit, 7)
    assert await settling


async def test_other_commits_are_none_of_its_concern() -> None:
    commits = InFlight()
    commits.sent(["ships/a"])
    assert not await commits.watch().settle({"ships/b"}.__contains__)


async def test_a_commit_that_is_sent_and_answered_while_it_reads_counts() -> None:
    commits = InFlight()
    watch = commits.watch()
    commits.ended(commits.sent(["ships/a"]), 7)
    assert await watch.settle({"ships/a"}.__contains__)


async def test_a_commit_that_is_sent_once_the_timepoint_is_known_does_not() -> None:
    commits = InFlight()
    watch = commits.watch()
    watch.close()
    commits.sent(["ships/a"])
    assert not await watch.settle({"ships/a"}.__contains__)


async def test_a_moment_is_waited_where_others_have_just_written() -> None:
    commits = InFlight()
    commits.ended(commits.sent(["ships/a"]), 5_000_000)
    assert not await commits.others(5_000_000, [1, 5_000_000])
    assert await commits.others(5_000_000, [4_999_999])


async def test_it_remembers_the_last_answers_only() -> None:
    commits = InFlight()
    for moment in range(1, 1000):
        commits.ended(commits.sent(["ships/a"]), moment)
    assert not await commits.others(1000, [999])
    assert await commits.others(1000, [1])
