"""An audit finds every stored view that is not what its documents make of it, says why, and mistakes no lag for drift."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Delete, Merge, Set
from bff.model.catalog import Catalog
from bff.model.field import field
from bff.model.view_model import ViewModel
from bff.projection.as_of import LocalAsOf, RemoteAsOf
from bff.projection.audit import Audit, repair
from bff.projection.builder import Builder
from bff.projection.difference import Difference
from bff.projection.drift import Cause, Drift
from bff.projection.every_key import every_key, sample
from bff.projection.metadata import Metadata
from bff.projection.projector import Projector
from bff.projection.shapes import SHAPES
from bff.projection.unchecked import UNCHECKED, note_data
from bff.values import MISSING
from tests.projection.support import (
    CATALOG,
    Course,
    CoursePage,
    CourseStore,
    Enrolment,
    Seat,
    Student,
    Teacher,
    Wrapped,
    check_course_pages,
    delete,
    everything,
    get,
    metadata,
    settled,
    write,
)

pytestmark = pytest.mark.anyio

COURSES = 3


def school() -> list[Any]:
    teacher, student = Teacher(id="t", name="Ada"), Student(id="s", name="Bo")
    courses = [Course(id=f"c{number}", title=f"T{number}", teacher=teacher.ref) for number in range(COURSES)]
    enrolments = [Enrolment(id=f"e{one.id}", course=one.ref, student=student.ref, grade=1) for one in courses]
    return [teacher, student, *courses, *enrolments]


@asynccontextmanager
async def projected(datastore: Datastore, catalog: Catalog = CATALOG) -> AsyncIterator[Projector]:
    """A school whose pages are stored, and the projector that keeps them so."""
    async with Projector(datastore, catalog, save_seconds=0.01) as projector:
        await projector.wait_rebuilt()
        await write(datastore, *school())
        await settled(datastore, projector)
        await projector.views.read(Seat, ["c0:s", "c1:s"])
        yield projector


async def audited(datastore: Datastore, view: type[ViewModel], projector: Projector | None = None) -> tuple[Audit, list[Drift]]:
    """Every key looked at. Without a projector as from another process, that waits for none."""
    async with RemoteAsOf(datastore) as remote:
        as_of = remote if projector is None else LocalAsOf(projector)
        audit = Audit(datastore, view, as_of, seconds=0 if projector is None else 20)
        drifts = [drift async for some in audit.of(every_key(datastore, view)) for drift in some]
    return audit, sorted(drifts, key=lambda drift: drift.key)


async def edit(datastore: Datastore, path: str, data: Mapping[str, Any]) -> None:
    """By hand."""
    await datastore.commit([Merge(path, dict(data))])


async def edit_metadata(datastore: Datastore, view: type[ViewModel], key: str, **changes: Any) -> None:
    known = await metadata(datastore, view, key)
    assert known is not None
    changed: Metadata = replace(known, **changes)
    await datastore.commit([Set(changed.path, changed.to_data())])


async def repaired(datastore: Datastore, drifts: list[Drift], projector: Projector) -> None:
    """What was found is made right by a build, and nothing is left to find."""
    built = await repair(datastore, CoursePage, drifts)
    assert [one.error for one in built] == [None] * len(drifts)
    assert (await audited(datastore, CoursePage, projector))[1] == []
    await check_course_pages(datastore)


async def test_there_is_nothing_to_find_where_all_is_well(datastore: Datastore) -> None:
    async with projected(datastore) as projector:
        await projector.wait_for(await delete(datastore, "courses/c2"))
        audit, drifts = await audited(datastore, CoursePage, projector)
        assert (audit.checked, audit.behind, drifts) == (COURSES, 0, [])
        audit, drifts = await audited(datastore, Seat, projector)
        assert (audit.checked, audit.behind, drifts) == (2, 0, [])


async def test_an_edited_field_is_found_and_evaluated_again(datastore: Datastore) -> None:
    """A plain build takes over the fields whose inputs are as they were: also an edited one."""
    async with projected(datastore) as projector:
        await edit(datastore, "CoursePage/c1", {"title": "Hacked", "extra": 1})
        before = (await get(datastore, "CoursePage/c1")).data or {}
        await Builder(datastore).build(CoursePage, ["c1"])
        audit, [drift] = await audited(datastore, CoursePage, projector)
        assert (drift.key, drift.cause, audit.checked) == ("c1", Cause.EDITED, COURSES)
        assert Difference("title", "Hacked", "T1") in drift.differences
        assert str(drift.differences[-1]) == "title: 'Hacked' → 'T1'"
        await repaired(datastore, [drift], projector)
        after = (await get(datastore, "CoursePage/c1")).data or {}
        assert int(after["version"]) > int(before["version"])  # type: ignore[arg-type]


async def test_a_change_that_nobody_was_told_of_is_found(datastore: Datastore) -> None:
    async with projected(datastore) as projector:
        known = await metadata(datastore, CoursePage, "c1")
        assert known is not None
        deaf = tuple(one for one in known.dependencies if one != "teachers/t")
        await edit_metadata(datastore, CoursePage, "c1", dependencies=deaf)
        await write(datastore, Teacher(id="t", name="Eva"))
        await settled(datastore, projector)
        _, [drift] = await audited(datastore, CoursePage, projector)
        assert (drift.key, drift.cause) == ("c1", Cause.DEPENDENCY)
        assert drift.why == "it would not have been told of teachers/t"
        assert drift.differences == (Difference("teacher", "Ada", "Eva"),)
        await repaired(datastore, [drift], projector)
        await projector.wait_for(await write(datastore, Teacher(id="t", name="Ida")))
        await check_course_pages(datastore)


async def test_what_is_wrong_about_a_view_alone_is_found(datastore: Datastore) -> None:
    async with projected(datastore) as projector:
        await edit_metadata(datastore, CoursePage, "c0", dependencies=("courses/c0",))
        await edit_metadata(datastore, CoursePage, "c1", version=1)
        await datastore.commit([Delete("_bff_views/CoursePage:c2")])
        _, drifts = await audited(datastore, CoursePage, projector)
        assert [(drift.key, drift.cause, drift.differences) for drift in drifts] == [
            ("c0", Cause.METADATA, ()),
            ("c1", Cause.METADATA, ()),
            ("c2", Cause.METADATA, ()),
        ]
        assert drifts[0].why.startswith("lacks the dependency enrolments")
        assert drifts[1].why.startswith("says version 1, stored is ")
        assert drifts[2].why == "there is none"
        await repaired(datastore, drifts, projector)


async def test_missing_and_orphaned_views_and_wrong_tombstones_are_found(datastore: Datastore) -> None:
    async with projected(datastore) as projector:
        page = dict((await get(datastore, "CoursePage/c0")).data or {})
        await datastore.commit(
            [
                Delete("CoursePage/c0"),
                Delete("CoursePage/c1"),
                Delete("_bff_views/CoursePage:c1"),
                Set("CoursePage/ghost", {**page, "id": "ghost"}),
            ]
        )
        await edit_metadata(datastore, CoursePage, "c2", deleted=True)
        _, drifts = await audited(datastore, CoursePage, projector)
        assert [(drift.key, drift.cause, drift.why) for drift in drifts] == [
            ("c0", Cause.MISSING, "noted as stored"),
            ("c1", Cause.MISSING, "never built"),
            ("c2", Cause.METADATA, "says that it is deleted"),
            ("ghost", Cause.ORPHANED, "there is no courses/ghost"),
        ]
        assert Difference("title", MISSING, "T0") in drifts[0].differences
        await repaired(datastore, drifts, projector)
        assert not (await get(datastore, "CoursePage/ghost")).exists


async def test_a_kind_of_query_that_a_projector_would_not_know_is_found(datastore: Datastore) -> None:
    async with projected(datastore):
        pass
    shapes = await everything(datastore, SHAPES)
    await datastore.commit([Delete(document.path) for document in shapes.values()])
    async with Projector(datastore, CATALOG, save_seconds=0.01) as projector:
        await settled(datastore, projector)
        _, drifts = await audited(datastore, CoursePage, projector)
        assert {(drift.cause, drift.why) for drift in drifts} == {
            (Cause.METADATA, "_bff_shapes lacks enrolments?course: changes do not find it")
        }
        await repaired(datastore, drifts, projector)
    assert {id: document.data for id, document in (await everything(datastore, SHAPES)).items()} == {
        id: document.data for id, document in shapes.items()
    }


async def test_a_document_that_is_no_view_is_for_somebody_else_to_remove(datastore: Datastore) -> None:
    async with projected(datastore) as projector:
        await datastore.commit([Set("Seat/nonsense", {"label": "?"})])
        _, [drift] = await audited(datastore, Seat, projector)
        assert (drift.key, drift.cause, drift.repairable) == ("nonsense", Cause.ORPHANED, False)
        assert await repair(datastore, Seat, [drift]) == []


def other_code() -> type[ViewModel]:
    class CoursePage(ViewModel):
        store: CourseStore

        @field
        def title(self) -> str:
            return self.store.course.title.lower()

    return CoursePage


async def test_what_other_code_has_built_is_found_with_no_projector_there(datastore: Datastore) -> None:
    async with projected(datastore):
        pass
    _, drifts = await audited(datastore, other_code())
    assert {drift.cause for drift in drifts} == {Cause.DEFINITION}
    assert Difference("points", 1, MISSING) in drifts[0].differences
    assert Difference("title", "T0", "t0") in drifts[0].differences


async def test_a_view_that_cannot_be_built_is_told_of_and_not_repaired(datastore: Datastore) -> None:
    async with projected(datastore) as projector:
        await edit(datastore, "courses/c1", {"title": 7})
        await settled(datastore, projector)
        _, [drift] = await audited(datastore, CoursePage, projector)
        assert (drift.key, drift.cause, drift.repairable) == ("c1", Cause.FAILING, False)
        assert "courses/c1 cannot be read as Course" in drift.why


async def test_what_has_changed_since_a_projector_was_here_is_not_judged(datastore: Datastore) -> None:
    async with projected(datastore):
        pass
    await write(
        datastore,
        Course(id="new", title="N", teacher=Teacher.ref("t")),
        Enrolment(id="e", course=Course.ref("c1"), student=Student.ref("s")),
    )
    await delete(datastore, "courses/c2")
    await edit(datastore, "CoursePage/c0", {"title": "Hacked"})
    audit, [drift] = await audited(datastore, CoursePage)
    assert (drift.key, drift.cause) == ("c0", Cause.EDITED)
    assert (audit.checked, audit.behind) == (COURSES + 1, 3)
    async with Projector(datastore, CATALOG) as projector:
        await settled(datastore, projector)
        audit, drifts = await audited(datastore, CoursePage, projector)
    assert ([one.key for one in drifts], audit.behind) == (["c0"], 0)


async def test_live_writes_are_no_drift(tmp_path: Path) -> None:
    """On SQLite alone: what the adapters differ in is only how long that takes."""
    async with open_datastore(f"sqlite:///{tmp_path / 'school.db'}") as datastore, projected(datastore) as projector:
        done = asyncio.Event()

        async def keep_writing() -> None:
            rounds = 0
            while not done.is_set():
                rounds += 1
                await write(datastore, Teacher(id="t", name=f"N{rounds}"), Student(id="s", name=f"S{rounds}"))
                await write(datastore, Course(id=f"c{rounds % 5}", title=f"T{rounds}", teacher=Teacher.ref("t")))
                await delete(datastore, f"courses/c{(rounds + 3) % 5}")

        writing = asyncio.create_task(keep_writing())
        try:
            found = [await audited(datastore, CoursePage, projector) for _ in range(10)]
        finally:
            done.set()
            await writing
    assert [drifts for _, drifts in found] == [[]] * 10
    assert sum(audit.checked for audit, _ in found) >= 10


class Moving(Wrapped):
    """A datastore in which a course changes before everything that is built."""

    def __init__(self, datastore: Datastore) -> None:
        super().__init__(datastore)
        self.moves = 0
        self.moving = True

    async def on_call(self, call: str) -> None:
        if self.moving and call.startswith("get "):
            self.moves += 1
            await write(self.inner, Course(id="c1", title=f"M{self.moves}", teacher=Teacher.ref("t")))


class Everything:
    """Says that all is projected, which is not so."""

    def __init__(self, moving: Moving, looks: int) -> None:
        self._moving = moving
        self._looks = looks

    async def now(self) -> int:
        self._looks -= 1
        self._moving.moving = self._looks > 0
        return await self._moving.ping()

    async def wait_for(self, timepoint: int, seconds: float) -> int:
        return await self._moving.ping()


@pytest.mark.parametrize(("looks", "drifted", "behind"), [(100, 0, 1), (2, 1, 0)], ids=["always", "in the end"])
async def test_a_view_is_judged_once_it_has_stopped_changing(datastore: Datastore, looks: int, drifted: int, behind: int) -> None:
    async with projected(datastore):
        pass
    moving = Moving(datastore)
    audit = Audit(moving, CoursePage, Everything(moving, looks))

    async def keys() -> AsyncIterator[list[str]]:
        yield ["c1"]

    drifts = [drift async for some in audit.of(keys()) for drift in some]
    assert (len(drifts), audit.behind) == (drifted, behind)


async def test_a_view_that_is_still_being_checked_is_not_judged(datastore: Datastore) -> None:
    async with projected(datastore):
        pass
    await edit(datastore, "CoursePage/c0", {"title": "Hacked"})
    await datastore.commit([Set(f"{UNCHECKED}/another-1", note_data("CoursePage", ["c0"], 1))])
    audit, drifts = await audited(datastore, CoursePage)
    assert (drifts, audit.behind) == ([], 1)


async def test_a_sample_is_of_different_keys_and_of_no_more_than_there_are() -> None:
    async def keys() -> AsyncIterator[list[str]]:
        for start in range(0, 1000, 100):
            yield [str(number) for number in range(start, start + 100)]

    some = [await sample(keys(), 50) for _ in range(5)]
    assert all(len(set(one)) == 50 for one in some)
    assert max(int(key) for one in some for key in one) >= 500
    assert sorted(map(int, await sample(keys(), 5000))) == list(range(1000))
