"""The race to know: whatever changes while a build is anywhere between two calls, the view ends up as its documents say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bff.datastore.port import Datastore, Target
from bff.projection.builder import Builder
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.stored_view import METADATA, metadata_path
from bff.projection.unchecked import UNCHECKED
from tests.projection.support import (
    CATALOG,
    Course,
    CoursePage,
    Enrolment,
    Holding,
    Student,
    Teacher,
    check_course_pages,
    delete,
    everything,
    metadata,
    settled,
    stored_course_pages,
    write,
)

pytestmark = pytest.mark.anyio

ANN = Teacher(id="ann", name="Ann")
MATHS = Course(id="maths", title="Mathematics", teacher=ANN.ref)
ART = Course(id="art", title="Art", teacher=ANN.ref)
ONE, TWO = Student(id="one", name="One"), Student(id="two", name="Two")
FIRST = Enrolment(id="first", course=MATHS.ref, student=ONE.ref, grade=1)

Change = Callable[[Datastore], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "nothing": lambda datastore: asyncio.sleep(0),
    "the root": lambda datastore: write(datastore, Course(id="maths", title="Maths", teacher=ANN.ref)),
    "the root's reference": lambda datastore: write(datastore, Course(id="maths", title="M", teacher=Teacher.ref("bea"))),
    "the root goes": lambda datastore: delete(datastore, MATHS.path),
    "a referenced document": lambda datastore: write(datastore, Teacher(id="ann", name="Anna")),
    "a referenced document goes": lambda datastore: delete(datastore, ANN.path),
    "an absent document comes": lambda datastore: write(datastore, Teacher(id="bea", name="Bea")),
    "a result of the query": lambda datastore: write(datastore, Enrolment(id="first", course=MATHS.ref, student=TWO.ref)),
    "a result leaves": lambda datastore: write(datastore, Enrolment(id="first", course=ART.ref, student=ONE.ref)),
    "a result goes": lambda datastore: delete(datastore, FIRST.path),
    "a new result": lambda datastore: write(datastore, Enrolment(id="new", course=MATHS.ref, student=TWO.ref, grade=5)),
    "a document of the last level": lambda datastore: write(datastore, Student(id="one", name="Uno")),
    "several at once": lambda datastore: write(
        datastore, Student(id="one", name="Uno"), Enrolment(id="new", course=MATHS.ref, student=TWO.ref)
    ),
}
CALLS = 14
"""More than a build makes: held at those that do not come, the change is simply made afterwards."""


def calls(datastore: Datastore, name: str) -> range:
    """Each call; on the emulator, which takes its time, every third one, beginning at another one for each change."""
    return range(1 + list(CHANGES).index(name) % 3, CALLS, 3) if "firestore" in datastore.url else range(1, CALLS)


async def prepared(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS, ONE, TWO, FIRST)


async def forgotten(datastore: Datastore) -> None:
    """As if nobody had ever asked for the view."""
    await delete(datastore, "CoursePage/maths", metadata_path("CoursePage", "maths"))


async def cleared(datastore: Datastore) -> None:
    for collection in ("courses", "teachers", "students", "enrolments", "CoursePage", METADATA):
        paths = [document.path for document in (await everything(datastore, collection)).values()]
        await delete(datastore, *paths)


async def held_or_done(holding: Holding, task: asyncio.Task[object]) -> None:
    """Until the call is reached, or there is no such call."""
    held = asyncio.create_task(holding.held.wait())
    try:
        async with asyncio.timeout(20):
            await asyncio.wait({held, task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        held.cancel()


async def all_checked(datastore: Datastore) -> None:
    """Until a projector's sweeps have found every build that nobody checked."""
    async with asyncio.timeout(20), datastore.listen([Target(UNCHECKED)]) as listening:
        async for _ in listening:
            if not await everything(datastore, UNCHECKED):
                return


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_between_any_two_calls_of_a_build_elsewhere(name: str, datastore: Datastore) -> None:
    """A projector looks the change up, finds nobody, and goes on: the build, in another process, has to notice by itself."""
    for at in calls(datastore, name):
        await prepared(datastore)
        async with Projector(datastore, CATALOG, save_seconds=60, sweep_seconds=60) as projector:
            await projector.wait_rebuilt()
            await settled(datastore, projector)
            await forgotten(datastore)
            holding = Holding(datastore, at)
            reading = asyncio.create_task(ViewReader(holding, CATALOG).fresh(CoursePage, ["maths"]))
            await held_or_done(holding, reading)
            await CHANGES[name](datastore)
            await settled(datastore, projector)
            holding.go_on.set()
            await reading
            await settled(datastore, projector)
            await check_course_pages(datastore)
        await cleared(datastore)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_between_any_two_calls_of_a_projector(name: str, datastore: Datastore) -> None:
    """Its own listener delivers the change while it is held; nothing will ever tell of it again."""
    for at in calls(datastore, name):
        holding = Holding(datastore, None)
        async with Projector(holding, CATALOG, save_seconds=60, sweep_seconds=60, concurrency=2) as projector:
            await projector.wait_rebuilt()
            await settled(datastore, projector)
            holding.hold(at)
            await prepared(datastore)
            waiting = asyncio.create_task(settled(datastore, projector))
            await held_or_done(holding, waiting)
            await CHANGES[name](datastore)
            holding.go_on.set()
            await waiting
            await settled(datastore, projector)
            await check_course_pages(datastore)
        await cleared(datastore)


@pytest.mark.parametrize("name", CHANGES)
async def test_who_dies_between_any_two_calls_is_cleaned_up_after(name: str, datastore: Datastore) -> None:
    """A process dies in the middle of a build; a projector saw the change long before, and found nobody."""
    for at in calls(datastore, name):
        await prepared(datastore)
        async with Projector(datastore, CATALOG, save_seconds=0.01, sweep_seconds=0.02) as projector:
            await projector.wait_rebuilt()
            await settled(datastore, projector)
            await forgotten(datastore)
            holding = Holding(datastore, at)
            dying = Holding(holding, at + 1)
            reading = asyncio.create_task(ViewReader(dying, CATALOG).fresh(CoursePage, ["maths"]))
            await held_or_done(holding, reading)
            await CHANGES[name](datastore)
            await settled(datastore, projector)
            holding.go_on.set()
            await held_or_done(dying, reading)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await all_checked(datastore)
            await settled(datastore, projector)
            if await metadata(datastore, CoursePage, "maths") is not None:
                await check_course_pages(datastore)
        await cleared(datastore)


@pytest.mark.parametrize("dies", [False, True])
async def test_a_slow_build_of_an_old_snapshot_does_not_stay(dies: bool, datastore: Datastore) -> None:
    """It lands after a newer build had found nothing to write: the content that it brings back is found out."""
    await prepared(datastore)
    held = Holding(datastore, None)
    async with Projector(held, CATALOG, save_seconds=0.01, sweep_seconds=0.02) as projector:
        await projector.wait_rebuilt()
        await settled(datastore, projector)
        await all_checked(datastore)
        held.hold_all()
        await write(datastore, Teacher(id="ann", name="For a moment"))
        slow = Holding(datastore, None, only="commit ")
        slow.hold(1)
        dying = Holding(slow, None, only="committed")
        dying.hold(1)
        building = asyncio.create_task(Builder(dying).build(CoursePage, ["maths"]))
        await held_or_done(slow, building)
        await write(datastore, ANN)
        held.go_on.set()
        await settled(datastore, projector)
        await check_course_pages(datastore)
        slow.go_on.set()
        await held_or_done(dying, building)
        assert (await stored_course_pages(datastore))["maths"]["teacher"] == "For a moment"
        if dies:
            building.cancel()
        else:
            dying.go_on.set()
        await asyncio.gather(building, return_exceptions=True)
        await all_checked(datastore)
        await settled(datastore, projector)
        await check_course_pages(datastore)
