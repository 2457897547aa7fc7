"""Whatever happens, in whatever order: when writes stop, every stored view equals its build, and no version ever went back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.datastore.connect import open_datastore
from bff.datastore.port import Changes, Datastore, Delete, Listening, ResumePoint, Set, Target, Write
from bff.document import Document
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.supervisor import Backoff
from tests.projection.support import (
    CATALOG,
    Course,
    CoursePage,
    Enrolment,
    Holding,
    Student,
    Teacher,
    check_course_pages,
    metadata,
    settled,
    stored_course_pages,
)

COURSES, TEACHERS, STUDENTS, ENROLMENTS = ("c1", "c2", "c3"), ("t1", "t2"), ("s1", "s2", "s3"), ("e1", "e2", "e3", "e4")
NAMES = st.sampled_from(["a", "b", "c"])
WRITES: st.SearchStrategy[Write] = st.one_of(
    st.builds(
        lambda id, name, of: _set(Course(id=id, title=name, teacher=Teacher.ref(of))),
        st.sampled_from(COURSES),
        NAMES,
        st.sampled_from(TEACHERS),
    ),
    st.builds(lambda id, name: _set(Teacher(id=id, name=name)), st.sampled_from(TEACHERS), NAMES),
    st.builds(lambda id, name: _set(Student(id=id, name=name)), st.sampled_from(STUDENTS), NAMES),
    st.builds(
        lambda id, course, student, grade: _set(
            Enrolment(id=id, course=Course.ref(course), student=Student.ref(student), grade=grade)
        ),
        st.sampled_from(ENROLMENTS),
        st.sampled_from(COURSES),
        st.sampled_from(STUDENTS),
        st.integers(0, 3),
    ),
    st.builds(Delete, st.sampled_from([f"courses/{id}" for id in COURSES])),
    st.builds(Delete, st.sampled_from([f"enrolments/{id}" for id in ENROLMENTS])),
    st.builds(
        Delete, st.sampled_from([f"{name}/{id}" for name, ids in (("teachers", TEACHERS), ("students", STUDENTS)) for id in ids])
    ),
)
COMMIT = st.lists(WRITES, min_size=1, max_size=4, unique_by=lambda write: write.path)
STEPS = st.lists(
    st.one_of(
        COMMIT,
        COMMIT,
        COMMIT,
        st.sampled_from(["start", "close", "kill", "settle", "forget where it was", "another"]),
        st.tuples(st.sampled_from(["read", "fresh", "read elsewhere", "die elsewhere"]), st.sampled_from(COURSES)),
    ),
    min_size=3,
    max_size=25,
)
Step = list[Write] | str | tuple[str, str]


def _set(model: Course | Teacher | Student | Enrolment) -> Set:
    return Set(model.path, model.to_data())


class Repeating(Holding):
    """Its listeners repeat what they delivered before, among what is new, in another order."""

    @asynccontextmanager
    async def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AsyncIterator[Listening]:
        async with self.inner.listen(targets, since) as listening:
            yield _Repeated(listening)


class _Repeated:
    def __init__(self, listening: Listening) -> None:
        self._listening = listening

    @property
    def following(self) -> bool:
        return self._listening.following

    def nudge(self) -> None:
        self._listening.nudge()

    async def __aiter__(self) -> AsyncIterator[Changes]:
        before: list[Document] = []
        async for changes in self._listening:
            yield Changes((*reversed(changes.documents), *before), changes.resume, changes.reset)
            before = list(changes.documents[:2])


class World:
    """A datastore, the projectors that come and go, and whoever watches the versions."""

    def __init__(self, datastore: Datastore) -> None:
        self.datastore = datastore
        self.running: list[tuple[Projector, Holding]] = []
        self.seen: dict[str, int] = {}

    async def start(self) -> None:
        link = Repeating(self.datastore, None)
        backoff = Backoff(first=0.001, limit=0.01)
        projector = Projector(link, CATALOG, save_seconds=0.005, sweep_seconds=0.05, backoff=backoff, concurrency=2)
        await projector.__aenter__()
        self.running.append((projector, link))

    async def end(self, *, kill: bool) -> None:
        while self.running:
            projector, link = self.running.pop()
            if kill:
                link.drop()
            await projector.__aexit__(None, None, None)

    async def do(self, step: Step) -> None:
        if isinstance(step, list):
            await self.datastore.commit(step)
        elif isinstance(step, tuple):
            await self._read(*step)
        elif step == "settle":
            for projector, _ in self.running:
                await settled(self.datastore, projector)
        elif step == "forget where it was":
            await self.end(kill=True)
            await self.datastore.commit([Delete("_bff_projectors/main")])
        elif step == "another":
            await self.start()
        else:
            await self.end(kill=step == "kill")
            if step != "close":
                await self.start()

    async def _read(self, how: str, key: str) -> None:
        views = self.running[0][0].views if self.running and "elsewhere" not in how else ViewReader(self.datastore, CATALOG)
        if how == "die elsewhere":
            dying = Holding(self.datastore, 4)
            task = asyncio.create_task(ViewReader(dying, CATALOG).fresh(CoursePage, [key]))
            held = asyncio.create_task(dying.held.wait())
            await asyncio.wait({task, held}, return_when=asyncio.FIRST_COMPLETED)
            task.cancel()
            held.cancel()
            await asyncio.gather(task, held, return_exceptions=True)
            return
        read = views.fresh if how == "fresh" else views.read
        [view] = await read(CoursePage, [key])
        if view.exists:
            assert view.version >= self.seen.get(key, 0)

    async def watch(self) -> None:
        """Versions only ever rise."""
        async with self.datastore.listen([Target("CoursePage")]) as listening:
            async for changes in listening:
                for document in changes.documents:
                    if document.data is not None:
                        version = document.data["version"]
                        assert isinstance(version, int)
                        assert version >= self.seen.get(document.id, 0)
                        self.seen[document.id] = version


async def scenario(url: str, steps: list[Step]) -> None:
    async with AsyncExitStack() as stack:
        datastore = await stack.enter_async_context(open_datastore(url))
        world = World(datastore)
        stack.push_async_callback(world.end, kill=False)
        watching = asyncio.create_task(world.watch())
        await world.start()
        for step in steps:
            await world.do(step)
        if not world.running:
            await world.start()
        for projector, _ in world.running:
            await projector.wait_rebuilt()
            await settled(datastore, projector)
        await check_course_pages(datastore)
        # Nothing is owed that would only show later.
        [(projector, _), *_] = world.running
        pages = await stored_course_pages(datastore)
        await projector.rebuild()
        assert await stored_course_pages(datastore) == pages
        for key in pages:
            known = await metadata(datastore, CoursePage, key)
            assert known is not None
            assert known.failure is None
        if watching.done():
            watching.result()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Killed projectors complain, as they should."""
    caplog.set_level(logging.CRITICAL)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_it_converges_on_sqlite(tmp_path: Path, steps: list[Step]) -> None:
    asyncio.run(scenario(f"sqlite:///{tmp_path / uuid4().hex}.db", steps))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_it_converges_on_firestore(firestore_emulator: str, steps: list[Step]) -> None:
    asyncio.run(scenario(f"firestore://test-{uuid4().hex[:16]}?emulator={firestore_emulator}", steps))
