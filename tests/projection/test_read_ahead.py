"""What a view has read by path when it was built last is read along with its roots."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore
from bff.projection.builder import MOST_AHEAD, Builder
from tests.projection.support import (
    Course,
    CoursePage,
    Enrolment,
    Student,
    Teacher,
    Wrapped,
    check_course_pages,
    delete,
    write,
)

pytestmark = pytest.mark.anyio

ANN, BEN = Teacher(id="ann", name="Ann"), Teacher(id="ben", name="Ben")
MATHS = Course(id="maths", title="Maths", teacher=ANN.ref)


def enrolment(number: int) -> Enrolment:
    return Enrolment(id=f"maths-{number}", course=MATHS.ref, student=Student.ref(f"s{number}"))


async def reads(builder: Builder, wrapped: Wrapped) -> list[str]:
    """The calls of one build, until it is stored."""
    wrapped.calls.clear()
    [built] = await builder.build(CoursePage, ["maths"])
    assert built.error is None
    calls = [call.split()[0] for call in wrapped.calls]
    return calls[: calls.index("commit")] if "commit" in calls else calls


async def test_a_view_that_was_built_here_is_read_in_one_round_and_its_query(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS, *(Student(id=f"s{n}", name=f"S{n}") for n in range(3)), enrolment(0), enrolment(1))
    wrapped = Wrapped(datastore)
    builder = Builder(wrapped)
    assert sorted(await reads(builder, wrapped)) == ["get", "get", "get", "query"]
    await write(datastore, Student(id="s0", name="Somebody else"))
    assert sorted(await reads(builder, wrapped)) == ["get", "query"]
    await check_course_pages(datastore)
    # Somebody whom it has not read: of the levels, the one that this is in.
    await write(datastore, enrolment(2))
    assert sorted(await reads(builder, wrapped)) == ["get", "get", "query"]
    await check_course_pages(datastore)


async def test_what_it_reads_no_more_is_no_part_of_it(datastore: Datastore) -> None:
    await write(datastore, ANN, BEN, MATHS, Student(id="s0", name="S0"), enrolment(0))
    builder = Builder(datastore)
    await builder.build(CoursePage, ["maths"])
    await write(datastore, MATHS.model_copy(update={"teacher": BEN.ref}))
    await delete(datastore, "enrolments/maths-0", "teachers/ann")
    [built] = await builder.build(CoursePage, ["maths"])
    await check_course_pages(datastore)
    assert built.metadata is not None
    assert not {"teachers/ann", "students/s0"} & {*built.metadata.dependencies}


async def test_of_a_view_that_reads_very_many_it_is_not_remembered(datastore: Datastore) -> None:
    many = range(MOST_AHEAD)
    await write(datastore, ANN, MATHS, *(Student(id=f"s{n}", name="S") for n in many), *map(enrolment, many))
    wrapped = Wrapped(datastore)
    builder = Builder(wrapped)
    await builder.build(CoursePage, ["maths"])
    await write(datastore, Student(id="s0", name="Somebody else"))
    assert sorted(await reads(builder, wrapped)) == ["get", "get", "get", "query"]
    await check_course_pages(datastore)
