"""The projector keeps every view equal to its build, and does no more than that takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bff.datastore.port import Datastore, Merge
from bff.projection.projector import Projector
from tests.projection.support import (
    CATALOG,
    EVALUATIONS,
    Course,
    CoursePage,
    Enrolment,
    Student,
    Teacher,
    Wrapped,
    check_course_pages,
    delete,
    everything,
    get,
    metadata,
    settled,
    stored_course_pages,
    write,
)

pytestmark = pytest.mark.anyio

ANN = Teacher(id="ann", name="Ann")
MATHS = Course(id="maths", title="Mathematics", teacher=ANN.ref)


def student(number: int) -> Student:
    return Student(id=f"s{number}", name=f"Student {number}")


def enrolment(course: Course, number: int, grade: int = 1) -> Enrolment:
    return Enrolment(id=f"{course.id}-{number}", course=course.ref, student=Student.ref(f"s{number}"), grade=grade)


@pytest.fixture
async def projector(datastore: Datastore) -> AsyncIterator[Projector]:
    async with Projector(datastore, CATALOG, save_seconds=0.05) as running:
        await running.wait_rebuilt()
        yield running


async def test_a_created_root_becomes_a_view(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, ANN, MATHS)
    await settled(datastore, projector)
    assert await stored_course_pages(datastore) == {
        "maths": {"id": "maths", "title": "Mathematics", "teacher": "Ann", "students": [], "size": 0, "points": 0}
    }


async def test_a_query_that_gains_and_loses_documents(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, ANN, MATHS, student(1), student(2), enrolment(MATHS, 1))
    await settled(datastore, projector)
    await check_course_pages(datastore)
    await write(datastore, enrolment(MATHS, 2))
    await settled(datastore, projector)
    assert (await stored_course_pages(datastore))["maths"]["students"] == ["Student 1", "Student 2"]
    await delete(datastore, "enrolments/maths-1")
    await settled(datastore, projector)
    assert (await stored_course_pages(datastore))["maths"]["students"] == ["Student 2"]


async def test_a_document_that_moves_changes_the_view_it_leaves_and_the_one_it_comes_to(
    datastore: Datastore, projector: Projector
) -> None:
    art = Course(id="art", title="Art", teacher=ANN.ref)
    await write(datastore, ANN, MATHS, art, student(1), Enrolment(id="e", course=MATHS.ref, student=Student.ref("s1")))
    await settled(datastore, projector)
    await write(datastore, Enrolment(id="e", course=art.ref, student=Student.ref("s1")))
    await settled(datastore, projector)
    pages = await stored_course_pages(datastore)
    assert (pages["maths"]["size"], pages["art"]["size"]) == (0, 1)


async def test_an_absent_document_is_a_dependency(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, MATHS)
    await settled(datastore, projector)
    assert (await stored_course_pages(datastore))["maths"]["teacher"] is None
    await write(datastore, ANN)
    await settled(datastore, projector)
    assert (await stored_course_pages(datastore))["maths"]["teacher"] == "Ann"
    await delete(datastore, ANN.path)
    await settled(datastore, projector)
    assert (await stored_course_pages(datastore))["maths"]["teacher"] is None


async def test_a_deleted_root_takes_its_view_along_and_a_recreated_one_has_a_higher_version(
    datastore: Datastore, projector: Projector
) -> None:
    await write(datastore, ANN, MATHS)
    await settled(datastore, projector)
    first = (await projector.views.read(CoursePage, ["maths"]))[0]
    await delete(datastore, MATHS.path)
    await settled(datastore, projector)
    gone = (await projector.views.read(CoursePage, ["maths"]))[0]
    assert not gone.exists
    assert gone.version > first.version
    assert not (await get(datastore, "CoursePage/maths")).exists
    await write(datastore, MATHS)
    await settled(datastore, projector)
    again = (await projector.views.read(CoursePage, ["maths"]))[0]
    assert again.exists
    assert again.version > gone.version
    await check_course_pages(datastore)


async def test_only_fields_whose_inputs_changed_are_evaluated(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, ANN, MATHS, student(1), enrolment(MATHS, 1))
    await settled(datastore, projector)
    EVALUATIONS.clear()
    await write(datastore, Teacher(id="ann", name="Anna"))
    await settled(datastore, projector)
    assert EVALUATIONS == {"teacher": 1}
    EVALUATIONS.clear()
    await write(datastore, Student(id="s1", name="Renamed"))
    await settled(datastore, projector)
    assert EVALUATIONS == {"students": 1, "size": 1}
    await check_course_pages(datastore)


async def test_a_field_whose_inputs_changed_without_effect_is_taken_over_afterwards(
    datastore: Datastore, projector: Projector
) -> None:
    """The content is not written again, and still the next build knows what it was made of."""
    await write(datastore, ANN, MATHS, student(1), enrolment(MATHS, 1))
    await settled(datastore, projector)
    await write(datastore, Student(id="s1", name="Student 1", shoe_size=47))
    await settled(datastore, projector)
    EVALUATIONS.clear()
    await write(datastore, Teacher(id="ann", name="Anna"))
    await settled(datastore, projector)
    assert EVALUATIONS == {"teacher": 1}


async def test_nothing_is_written_that_does_not_differ(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, ANN, MATHS, student(1), enrolment(MATHS, 1))
    await settled(datastore, projector)
    before = await get(datastore, "CoursePage/maths")
    built_at = await metadata(datastore, CoursePage, "maths")
    await write(datastore, Student(id="s1", name="Student 1", shoe_size=47))
    await settled(datastore, projector)
    assert EVALUATIONS["students"] == 2
    assert await get(datastore, "CoursePage/maths") == before
    after = await metadata(datastore, CoursePage, "maths")
    assert built_at is not None
    assert after is not None
    assert after.built_at == built_at.built_at


async def test_a_change_costs_the_views_that_read_it(datastore: Datastore) -> None:
    """Whether there are three courses or thirty: one renamed student costs as many calls."""
    costs = []
    wrapped = Wrapped(datastore)
    async with Projector(wrapped, CATALOG, save_seconds=60, sweep_seconds=60) as projector:
        await projector.wait_rebuilt()
        await write(datastore, ANN, student(1), student(2))
        for number, count in enumerate((3, 30)):
            courses = [Course(id=f"c{number}-{index}", title="T", teacher=ANN.ref) for index in range(count)]
            await write(datastore, *courses, *(enrolment(course, 2) for course in courses[1:]))
            await write(datastore, enrolment(courses[0], 1))
            await settled(datastore, projector)
            await delete(datastore, *(f"enrolments/{course.id}-1" for course in courses[1:]))
            await settled(datastore, projector)
            wrapped.calls.clear()
            EVALUATIONS.clear()
            await write(datastore, Student(id="s1", name=f"Name {number}"))
            await settled(datastore, projector)
            assert EVALUATIONS["students"] == number + 1
            costs.append(len([call for call in wrapped.calls if call.startswith(("get", "query"))]))
    # The second time the student is in two courses, which are built together: one more query, one a level otherwise.
    assert costs[1] <= costs[0] + 1


async def test_reads_do_not_grow_with_the_documents(datastore: Datastore) -> None:
    """N+1-free: a course of fifty students is built with as many datastore calls as a course of one."""
    counts = []
    for count in (1, 50):
        course = Course(id=f"c{count}", title="T", teacher=ANN.ref)
        await write(datastore, ANN, course, *map(student, range(count)))
        await write(datastore, *(enrolment(course, number) for number in range(count)))
        wrapped = Wrapped(datastore)
        projector = Projector(wrapped, CATALOG)
        [page] = await projector.views.fresh(CoursePage, [course.id])
        assert page.document is not None
        assert page.document["size"] == count
        counts.append([call.split()[0] for call in wrapped.calls])
    assert counts[0] == counts[1]
    reading = counts[0][: counts[0].index("commit")]
    assert sorted(reading) == ["get", "get", "get", "query"]  # own documents and root; teacher beside enrolments; students


async def test_a_view_is_never_half_of_a_transaction(datastore: Datastore, projector: Projector) -> None:
    """Two grades move between two enrolments in single commits: no stored page shows another sum."""
    await write(datastore, ANN, MATHS, student(1), student(2), enrolment(MATHS, 1, 500), enrolment(MATHS, 2, 500))
    await settled(datastore, projector)
    seen = set()
    for step in range(40):
        await datastore.commit(
            [Merge("enrolments/maths-1", {"grade": 500 - step}), Merge("enrolments/maths-2", {"grade": 500 + step})]
        )
        page = (await everything(datastore, "CoursePage"))["maths"].data
        assert page is not None
        seen.add(page["points"])
    await settled(datastore, projector)
    await check_course_pages(datastore)
    assert seen == {1000}


async def test_changes_and_deletions_while_away_are_made_up_for(datastore: Datastore) -> None:
    art = Course(id="art", title="Art", teacher=ANN.ref)
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_rebuilt()
        await write(datastore, ANN, MATHS, art, student(1), enrolment(MATHS, 1))
        await settled(datastore, projector)
    await write(datastore, Student(id="s1", name="Renamed"), Course(id="new", title="New", teacher=ANN.ref))
    await delete(datastore, art.path, ANN.path)
    EVALUATIONS.clear()
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_rebuilt()
        await settled(datastore, projector)
        await check_course_pages(datastore)
    # What was read by nobody who changed is not built again.
    assert EVALUATIONS["title"] == 1


async def test_a_restart_without_changes_builds_nothing(datastore: Datastore) -> None:
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_rebuilt()
        await write(datastore, ANN, MATHS, student(1), enrolment(MATHS, 1))
        await settled(datastore, projector)
    EVALUATIONS.clear()
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_rebuilt()
        await settled(datastore, projector)
    assert not EVALUATIONS


async def test_a_lost_checkpoint_is_made_up_for_by_a_full_resend(datastore: Datastore) -> None:
    """Deletions then show by what does not come; what has not changed is not built again."""
    art = Course(id="art", title="Art", teacher=ANN.ref)
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_rebuilt()
        await write(datastore, ANN, MATHS, art, student(1), student(2), enrolment(MATHS, 1), enrolment(MATHS, 2))
        await settled(datastore, projector)
    await delete(datastore, "_bff_projectors/main", art.path, "enrolments/maths-1")
    await write(datastore, Course(id="new", title="New", teacher=ANN.ref))
    EVALUATIONS.clear()
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_rebuilt()
        await settled(datastore, projector)
        await check_course_pages(datastore)
    assert EVALUATIONS["title"] == 1


async def test_two_projectors_share_a_datastore(datastore: Datastore) -> None:
    async with Projector(datastore, CATALOG) as one, Projector(datastore, CATALOG) as other:
        await write(datastore, ANN, MATHS, *map(student, range(5)))
        for round in range(10):
            await write(datastore, *(enrolment(MATHS, number, round) for number in range(5) if (round + number) % 2))
            await delete(datastore, *(f"enrolments/maths-{number}" for number in range(5) if not (round + number) % 3))
        await settled(datastore, one)
        await settled(datastore, other)
        await check_course_pages(datastore)


async def test_waiting_for_a_timepoint_that_does_not_come_ends(datastore: Datastore, projector: Projector) -> None:
    with pytest.raises(TimeoutError):
        await projector.wait_for(2**62, timeout=0.05)


async def test_one_document_that_many_views_read(datastore: Datastore, projector: Projector) -> None:
    """More views than a page of lookups or a batch of builds holds."""
    courses = [Course(id=f"c{number:03}", title="T", teacher=ANN.ref) for number in range(350)]
    for start in range(0, 350, 50):
        await write(datastore, *courses[start : start + 50])
    await write(datastore, ANN)
    await settled(datastore, projector)
    await write(datastore, Teacher(id="ann", name="Anna"))
    await settled(datastore, projector)
    pages = await stored_course_pages(datastore)
    assert len(pages) == 350
    assert {page["teacher"] for page in pages.values()} == {"Anna"}


async def test_a_document_of_the_longest_id(datastore: Datastore, projector: Projector) -> None:
    """No datastore looks up a value as long as its path is."""
    long = Student(id="x" * 1500, name="Long")
    await write(datastore, ANN, MATHS, long, Enrolment(id="e", course=MATHS.ref, student=long.ref))
    await settled(datastore, projector)
    await write(datastore, Student(id=long.id, name="Longer"))
    await settled(datastore, projector)
    assert (await stored_course_pages(datastore))["maths"]["students"] == ["Longer"]
    known = await metadata(datastore, CoursePage, "maths")
    assert known is not None
    assert long.path in known.present()
    await delete(datastore, long.path)
    await settled(datastore, projector)
    await check_course_pages(datastore)


async def test_hot_documents_do_not_starve_the_others(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, ANN, MATHS, student(1), enrolment(MATHS, 1))
    stop = asyncio.Event()

    async def heat() -> None:
        grade = 0
        while not stop.is_set():
            grade += 1
            await datastore.commit([Merge("enrolments/maths-1", {"grade": grade})])
            # The emulator resends a collection on each write to it: at full speed it, not the projector, would be tested.
            await asyncio.sleep(0.01)

    heating = asyncio.create_task(heat())
    try:
        async with asyncio.timeout(20):
            for number in range(5):
                timepoint = await write(datastore, Course(id=f"cool{number}", title="Cool", teacher=ANN.ref))
                await projector.wait_for(timepoint)
                assert (await get(datastore, f"CoursePage/cool{number}")).exists
    finally:
        stop.set()
        await heating
    await settled(datastore, projector)
    await check_course_pages(datastore)
