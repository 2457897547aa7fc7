"""The queue of views to build: each once, in order, with room for others, and knowing what is owed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.datastore.port import ResumePoint
from bff.document import Document
from bff.projection.dependencies import Dependencies
from bff.projection.dirty_keys import DirtyKeys
from bff.projection.progress import Progress
from bff.projection.recent import RecentChanges

pytestmark = pytest.mark.anyio


async def test_a_key_waits_once_however_often_it_is_asked_for() -> None:
    dirty = DirtyKeys()
    for key in ("a", "b", "a", "a"):
        dirty.add("V", key)
    assert await dirty.take(10) == ("V", ("a", "b"))


async def test_views_take_turns() -> None:
    dirty = DirtyKeys()
    for key in "abcd":
        dirty.add("Many", key)
    dirty.add("Few", "x")
    assert [await dirty.take(2) for _ in range(3)] == [("Many", ("a", "b")), ("Few", ("x",)), ("Many", ("c", "d"))]


async def test_a_key_asked_for_while_it_is_built_is_built_once_more() -> None:
    dirty = DirtyKeys()
    dirty.add("V", "a")
    batch = await dirty.take(1)
    dirty.add("V", "a")
    dirty.add("V", "a")
    assert len(dirty) == 1
    dirty.done(batch)
    batch = await dirty.take(1)
    dirty.done(batch)
    assert batch == ("V", ("a",))
    assert len(dirty) == 0


async def test_whoever_fills_it_waits_while_it_is_full() -> None:
    dirty = DirtyKeys(limit=2)
    dirty.add("V", "a")
    await dirty.room()
    dirty.add("V", "b")
    waiting = asyncio.create_task(dirty.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await dirty.take(1)
    async with asyncio.timeout(5):
        await waiting


async def test_as_of_waits_for_a_build_that_began_before_the_last_change_of_its_key() -> None:
    """What is being built may have read the state before the change: its being done settles nothing about the change."""
    dirty = DirtyKeys()
    progress = Progress(dirty)
    dirty.add("V", "a")
    first = await dirty.take(1)
    dirty.add("V", "a")
    progress.seen(ResumePoint(20))
    dirty.add("V", "b")
    dirty.done(first)
    progress.advance()
    assert progress.as_of == 0
    batch = await dirty.take(10)
    assert batch == ("V", ("b", "a"))
    dirty.done(batch)
    progress.advance()
    assert progress.as_of == 20


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done", "seen"]), st.sampled_from("abc")), max_size=60))
def test_as_of_never_passes_what_is_owed(steps: list[tuple[str, str]]) -> None:
    """Whatever the order: as-of reaches a point exactly when every key asked for before it was taken and done afterwards."""
    dirty = DirtyKeys()
    progress = Progress(dirty)
    loop = asyncio.new_event_loop()
    taken: list[tuple[str, tuple[str, ...]]] = []
    owed: dict[str, int] = {}
    reading: dict[str, int] = {}
    point = 0
    for step, key in steps:
        if step == "add":
            dirty.add("V", key)
            owed.setdefault(key, point + 1)
        elif step == "take" and len(dirty) and any(one not in reading for one in owed):
            batch = loop.run_until_complete(dirty.take(1))
            taken.append(batch)
            reading[batch[1][0]] = owed.pop(batch[1][0])
        elif step == "done" and taken:
            batch = taken.pop(0)
            dirty.done(batch)
            del reading[batch[1][0]]
            progress.advance()
        elif step == "seen":
            point += 1
            progress.seen(ResumePoint(point))
        assert progress.as_of == min([*owed.values(), *reading.values()], default=point + 1) - 1
    loop.close()


async def test_waiting_for_a_timepoint_ends_when_it_is_written() -> None:
    dirty = DirtyKeys()
    progress = Progress(dirty)
    waiting = asyncio.create_task(progress.wait_for(5))
    progress.seen(ResumePoint(4))
    await asyncio.sleep(0)
    assert not waiting.done()
    progress.seen(ResumePoint(6))
    async with asyncio.timeout(5):
        assert await waiting == 6


def progress_of(dirty: DirtyKeys) -> Progress:
    progress = Progress(dirty)
    progress.seen(ResumePoint(1))
    return progress


async def test_what_was_built_in_vain_is_owed_since_it_was_asked_for() -> None:
    """A build that could not be stored has done nothing: as-of does not move past what asked for it."""
    dirty = DirtyKeys()
    dirty.add("V", "a")
    progress = progress_of(dirty)
    batch = await dirty.take(1)
    dirty.again("V", "a", in_vain=True)
    dirty.done(batch)
    progress.advance()
    assert progress.as_of == 0
    dirty.done(await dirty.take(1))
    progress.advance()
    assert progress.as_of == 1


async def test_what_was_overtaken_while_it_was_built_is_owed_since_the_build_began() -> None:
    """What the build has read is done, what came while it read is not, though nobody had asked for the key by then."""
    dirty = DirtyKeys()
    dirty.add("V", "a")
    progress = progress_of(dirty)
    batch = await dirty.take(1)
    progress.seen(ResumePoint(2))
    dirty.again("V", "a")
    dirty.done(batch)
    progress.advance()
    assert progress.as_of == 1
    dirty.done(await dirty.take(1))
    progress.advance()
    assert progress.as_of == 2


def test_recent_changes_are_kept_for_the_builds_under_way_only() -> None:
    recent = RecentChanges()
    recent.following = True
    read = Dependencies({"users/u": 1})
    recent.add(Document("users/u", {}, 5))
    mark = recent.begin()
    assert recent.touch(mark, 4, read) is False
    recent.add(Document("users/u", {}, 6))
    assert recent.touch(mark, 6, read) is False
    assert recent.touch(mark, 5, read) is True
    assert recent.touch(recent.begin(), 5, read) is False
    recent.end(mark)


def test_recent_changes_say_when_they_do_not_know() -> None:
    """Without a listener, or when more has changed than is kept, the answer is neither yes nor no."""
    recent = RecentChanges(limit=2)
    mark = recent.begin()
    assert recent.touch(mark, 0, Dependencies({})) is None
    recent.following = True
    for time in range(1, 4):
        recent.add(Document(f"users/{time}", {}, time))
    assert recent.touch(mark, 0, Dependencies({})) is None
