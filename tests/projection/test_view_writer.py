"""Views are written together, and stand or fall each by itself."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore, Set
from bff.errors import Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.projection.build import prepare
from bff.projection.stored_view import metadata_path
from bff.projection.unchecked import UNCHECKED, Unchecked
from bff.projection.view_writer import Writing, Written
from bff.types import Timepoint
from tests.projection.support import Course, CoursePage, Teacher, Wrapped, everything, get, metadata, stored_course_pages, write

pytestmark = pytest.mark.anyio

ANN = Teacher(id="ann", name="Ann")
KEYS = [f"c{number}" for number in range(40)]


def course(key: str, title: str = "Title") -> Course:
    return Course(id=key, title=title, teacher=ANN.ref)


async def stored(datastore: Datastore) -> Timepoint:
    return await write(datastore, ANN, *(course(key) for key in KEYS))


async def test_many_are_written_in_few_commits(datastore: Datastore) -> None:
    await stored(datastore)
    counting, told = Wrapped(datastore), []
    writing = Writing(counting, Unchecked(), 1, (), told.append)
    written = await writing.store(await prepare(datastore, CoursePage, KEYS))
    assert [one.view.key for one in written if one is not None] == KEYS
    assert sorted(told, key=lambda one: KEYS.index(one.view.key)) == written
    assert sum(call.startswith("commit ") for call in counting.calls) == 2
    assert len(await stored_course_pages(datastore)) == 40
    for one in written:
        assert isinstance(one, Written)
        assert one.metadata is not None
        assert one.committed_at == (await get(datastore, one.metadata.path)).update_time


async def test_one_that_somebody_else_has_built_holds_up_no_other(datastore: Datastore) -> None:
    await stored(datastore)
    unchecked = Unchecked()
    builds = await prepare(datastore, CoursePage, KEYS[:8])
    await Writing(datastore, unchecked, 1).store([builds[5]])
    written = await Writing(datastore, unchecked, 2).store(builds)
    assert [one is None for one in written] == [key == "c5" for key in KEYS[:8]]
    assert set(await stored_course_pages(datastore)) == set(KEYS[:8])


async def test_one_that_no_datastore_takes_fails_alone(datastore: Datastore) -> None:
    await stored(datastore)
    await write(datastore, course("c3", "x" * 1_048_450))
    builds = await prepare(datastore, CoursePage, KEYS[:6])
    written = await Writing(datastore, Unchecked(), 1).store(builds)
    errors = {one.view.key: one.build.error for one in written if one is not None and one.build.error is not None}
    assert list(errors) == ["c3"]
    assert set(await stored_course_pages(datastore)) == {"c0", "c1", "c2", "c4", "c5"}
    failed = await metadata(datastore, CoursePage, "c3")
    assert failed is not None
    assert failed.failure is not None
    assert failed.failure.kind == "DocumentTooLarge"


class Refusing(Wrapped):
    """Raises before or after it has committed."""

    def __init__(self, datastore: Datastore, before: Exception | None = None, after: Exception | None = None) -> None:
        super().__init__(datastore)
        self.before = before
        self.after = after

    async def on_call(self, call: str) -> None:
        error = self.before if call.startswith("commit ") else self.after if call == "committed" else None
        if error is not None:
            raise error


async def test_what_was_not_written_leaves_no_note(datastore: Datastore) -> None:
    await stored(datastore)
    unchecked = Unchecked()
    builds = await prepare(datastore, CoursePage, KEYS[:3])
    with pytest.raises(DatastoreUnavailable):
        await Writing(Refusing(datastore, before=DatastoreUnavailable("gone")), unchecked, 1).store(builds)
    assert await Writing(Refusing(datastore, before=Conflict("changed")), unchecked, 2).store(builds) == [None, None, None]
    for key in KEYS[:3]:
        unchecked.passed(("CoursePage", key), 3)
    assert unchecked.done == 0
    assert not await everything(datastore, UNCHECKED)


async def test_what_may_have_been_written_is_noted_until_it_is_checked(datastore: Datastore) -> None:
    await stored(datastore)
    unchecked = Unchecked()
    builds = await prepare(datastore, CoursePage, KEYS[:3])
    lost = Refusing(datastore, after=OutcomeUnknown("lost"))
    assert await Writing(lost, unchecked, 1).store(builds) == [None, None, None]
    assert len(await everything(datastore, UNCHECKED)) == 1
    for key in KEYS[:3]:
        unchecked.passed(("CoursePage", key), 2)
    await unchecked.flush(datastore)
    assert not await everything(datastore, UNCHECKED)


async def test_nothing_is_committed_where_nothing_differs(datastore: Datastore) -> None:
    await stored(datastore)
    unchecked = Unchecked()
    await Writing(datastore, unchecked, 1).store(await prepare(datastore, CoursePage, KEYS[:3]))
    await datastore.commit([Set("teachers/other", {"objType": "Teacher", "name": "Other"})])
    counting = Wrapped(datastore)
    again = await Writing(counting, unchecked, 2).store(await prepare(datastore, CoursePage, KEYS[:3]))
    assert [one is not None and one.registered for one in again] == [False, False, False]
    assert not counting.calls
    assert (await get(datastore, metadata_path("CoursePage", "c0"))).exists
