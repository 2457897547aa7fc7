"""What was built meanwhile, by whoever answered a mutation, is not built once more by the projector."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore
from bff.projection.builder import Builder
from bff.projection.dirty_keys import ANY, DirtyKeys
from tests.projection.support import Course, CoursePage, Teacher, Wrapped, get, write

pytestmark = pytest.mark.anyio


async def test_a_view_that_was_built_since_is_left_alone(datastore: Datastore) -> None:
    wrapped = Wrapped(datastore)
    builder = Builder(wrapped)
    first = await write(datastore, Teacher(id="t1", name="Ada"), Course(id="maths", title="Maths", teacher=Teacher.ref("t1")))
    await builder.build(CoursePage, ["maths"])
    wrapped.calls.clear()
    await builder.catch_up(CoursePage, {"maths": first})
    assert wrapped.calls == []

    second = await write(datastore, Teacher(id="t1", name="Emmy"))
    await builder.catch_up(CoursePage, {"maths": second})
    assert (await get(datastore, "CoursePage/maths")).data["teacher"] == "Emmy"
    wrapped.calls.clear()
    await builder.catch_up(CoursePage, {"maths": second})
    assert wrapped.calls == []
    await builder.catch_up(CoursePage, {"maths": ANY})
    assert wrapped.calls != []


async def test_a_key_is_wanted_as_new_as_the_newest_that_asked_for_it() -> None:
    dirty = DirtyKeys()
    dirty.add("V", "a", 5)
    dirty.add("V", "a", 7)
    dirty.add("V", "a", 6)
    batch = await dirty.take(10)
    assert dirty.wanted("V", "a") == 7

    dirty.add("V", "a", 9)  # while it is being built
    assert dirty.wanted("V", "a") == 7
    dirty.done(batch)
    await dirty.take(10)
    assert dirty.wanted("V", "a") == 9


@pytest.mark.parametrize("again", [True, False])
async def test_whoever_asks_without_a_timepoint_has_it_built(again: bool) -> None:
    dirty = DirtyKeys()
    dirty.add("V", "a", 5)
    if again:
        dirty.again("V", "a")
    else:
        dirty.add("V", "a")
    dirty.add("V", "a", 7)
    await dirty.take(10)
    assert dirty.wanted("V", "a") == ANY


async def test_what_asks_again_during_a_build_has_it_built_whatever_else_asks() -> None:
    dirty = DirtyKeys()
    dirty.add("V", "a", 5)
    batch = await dirty.take(10)
    dirty.again("V", "a")
    dirty.add("V", "a", 6)
    dirty.done(batch)
    await dirty.take(10)
    assert dirty.wanted("V", "a") == ANY
