"""A school, its views, and datastores that count or hold what is asked of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

from bff.datastore.port import Commit, Datastore, Delete, Expectation, Listening, ResumePoint, Set, Snapshot, Target, Write
from bff.document import Document
from bff.errors import DatastoreUnavailable
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.metadata import Metadata
from bff.projection.projector import Projector
from bff.projection.stored_view import metadata_path
from bff.query import Query
from bff.types import Timepoint, Value


class Teacher(DomainModel, collection="teachers"):
    name: str


class Student(DomainModel, collection="students"):
    name: str
    shoe_size: int = 40


class Course(DomainModel, collection="courses"):
    title: str
    teacher: Ref[Teacher]


class Enrolment(DomainModel, collection="enrolments"):
    course: Ref[Course]
    student: Ref[Student]
    grade: int = 0


class CourseStore(Store):
    course = reference(Course)
    teacher = reference(Teacher, of=lambda s: s.course.teacher)
    enrolments = reference(Enrolment, where=lambda s: Enrolment.course == s.course.ref, many=True)
    students = reference(Student, of=lambda s: [one.student for one in s.enrolments], many=True)


EVALUATIONS: Counter[str] = Counter()
"""How often each field was evaluated; a fixture empties it."""


class CoursePage(ViewModel):
    """A course as its students see it."""

    store: CourseStore

    @field
    def title(self) -> str:
        EVALUATIONS["title"] += 1
        return self.store.course.title

    @field
    def teacher(self) -> str | None:
        EVALUATIONS["teacher"] += 1
        teacher = self.store.teacher
        return teacher.name if teacher is not None else None

    @field
    def students(self) -> list[str]:
        EVALUATIONS["students"] += 1
        return sorted(student.name for student in self.store.students)

    @field
    def size(self) -> int:
        EVALUATIONS["size"] += 1
        return len(self.students)

    @field
    def points(self) -> int:
        EVALUATIONS["points"] += 1
        return sum(one.grade for one in self.store.enrolments)


class SeatStore(Store):
    course = reference(Course)
    student = reference(Student)


class Seat(ViewModel):
    """A view of two roots."""

    store: SeatStore

    @field
    def label(self) -> str:
        return f"{self.store.student.name} in {self.store.course.title}"


CATALOG = Catalog.of([CoursePage, Seat])


async def write(datastore: Datastore, *models: DomainModel) -> Timepoint:
    """Store these in one commit."""
    return (await datastore.commit([Set(model.path, model.to_data()) for model in models])).timepoint


async def delete(datastore: Datastore, *paths: str) -> Timepoint:
    return (await datastore.commit([Delete(path) for path in paths])).timepoint


async def get(datastore: Datastore, path: str) -> Document:
    async with datastore.snapshot() as snapshot:
        [document] = await snapshot.get([path])
    return document


async def everything(datastore: Datastore, collection: str) -> dict[str, Document]:
    async with datastore.snapshot() as snapshot:
        return {document.id: document for document in await snapshot.query(Query(collection))}


async def metadata(datastore: Datastore, view: type[ViewModel], key: str) -> Metadata | None:
    return Metadata.from_document(await get(datastore, metadata_path(view.__view__.name, key)))


async def settled(datastore: Datastore, projector: Projector) -> None:
    """Every change so far is projected."""
    # A change that nobody reads is delivered at once, where a mere passing of time may be told of later.
    nudge = Student(id="nudge", name=str(uuid4()))
    await projector.wait_for(await write(datastore, nudge), 20)


async def expected_course_pages(datastore: Datastore) -> dict[str, dict[str, Value]]:
    """What the course pages should be, by a way that has nothing to do with stores and builds."""
    async with datastore.snapshot() as snapshot:
        found = {name: await snapshot.query(Query(name)) for name in ("courses", "teachers", "students", "enrolments")}
    data: dict[str, dict[str, Any]] = {name: {one.path: one.data for one in documents} for name, documents in found.items()}
    pages: dict[str, dict[str, Value]] = {}
    for path, course in data["courses"].items():
        mine = [one for one in data["enrolments"].values() if one["course"] == path]
        names = sorted(data["students"][one["student"]]["name"] for one in mine if one["student"] in data["students"])
        pages[path.partition("/")[2]] = {
            "id": path.partition("/")[2],
            "title": course["title"],
            "teacher": (data["teachers"].get(course["teacher"]) or {}).get("name"),
            "students": list(names),
            "size": len(names),
            "points": sum(one["grade"] for one in mine),
        }
    return pages


async def stored_course_pages(datastore: Datastore) -> dict[str, dict[str, Value]]:
    documents = await everything(datastore, CoursePage.__view__.collection)
    return {
        id: {name: value for name, value in (document.data or {}).items() if name != "version"}
        for id, document in documents.items()
    }


async def check_course_pages(datastore: Datastore) -> None:
    """Every stored page equals its build, and there are no others."""
    assert await stored_course_pages(datastore) == await expected_course_pages(datastore)


class Wrapped:
    """A datastore that passes everything on; ``on_call`` is awaited before each call with what is about to happen."""

    def __init__(self, datastore: Datastore) -> None:
        self.inner = datastore
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return self.inner.url

    async def __aenter__(self) -> Wrapped:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def on_call(self, call: str) -> None:
        self.calls.append(call)

    async def ping(self) -> Timepoint:
        return await self.inner.ping()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self.inner.snapshot() as snapshot:
            yield WrappedSnapshot(self, snapshot)

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes = list(writes)
        await self.on_call("commit " + " ".join(write.path for write in writes))
        commit = await self.inner.commit(writes, expect)
        await self.on_call("committed")
        return commit

    def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AbstractAsyncContextManager[Listening]:
        return self.inner.listen(targets, since)


class WrappedSnapshot:
    def __init__(self, outer: Wrapped, snapshot: Snapshot) -> None:
        self._outer = outer
        self._inner = snapshot

    @property
    def timepoint(self) -> Timepoint:
        return self._inner.timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        await self._outer.on_call(f"get {len(paths)}")
        return await self._inner.get(paths, fields)

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        await self._outer.on_call(f"query {query.collection}")
        return await self._inner.query(query, fields)

    async def count(self, query: Query) -> int:
        await self._outer.on_call(f"count {query.collection}")
        return await self._inner.count(query)


class Holding(Wrapped):
    """Stops at the n-th call and waits there to be let go on. ``only`` counts calls that begin so."""

    def __init__(self, datastore: Datastore, at: int | None, only: str = "") -> None:
        super().__init__(datastore)
        self._only = only
        self._left = at
        self._all = False
        self._gone = False
        self.held = asyncio.Event()
        self.go_on = asyncio.Event()

    def hold(self, at: int) -> None:
        """Stop at the n-th call from now."""
        self._left = at

    def hold_all(self) -> None:
        """Stop at every call from now."""
        self._all = True

    def drop(self) -> None:
        """From now every call fails, as for a process that is gone."""
        self._gone = True

    async def on_call(self, call: str) -> None:
        if self._gone:
            raise DatastoreUnavailable("gone")
        await super().on_call(call)
        if self._all:
            await self.go_on.wait()
        if not self._left or not call.startswith(self._only):
            return
        self._left -= 1
        if self._left == 0:
            self.held.set()
            await self.go_on.wait()
