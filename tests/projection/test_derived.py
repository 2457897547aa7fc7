"""Commits of what a projector can make again do not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bff.datastore.port import Commit, Expectation, Write
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.document import collection_of
from bff.projection.projector import Projector
from tests.projection.support import CATALOG, Course, Teacher, Wrapped, check_course_pages, delete, settled, write

pytestmark = pytest.mark.anyio


class Noting(Wrapped):
    """Notes the collections of each write, by whether all of its commit are derived."""

    def __init__(self, datastore: SQLiteDatastore) -> None:
        super().__init__(datastore)
        self.written: dict[bool, set[str]] = {True: set(), False: set()}

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes = list(writes)
        self.written[all(write.derived for write in writes)].update(collection_of(write.path) for write in writes)
        return await super().commit(writes, expect)


async def test_views_and_what_is_known_of_them_are_derived_and_documents_are_not() -> None:
    ann = Teacher(id="ann", name="Ann")
    async with SQLiteDatastore() as datastore:
        noting = Noting(datastore)
        async with Projector(noting, CATALOG, save_seconds=0.01) as projector:
            await projector.wait_rebuilt()
            await write(noting, ann, Course(id="maths", title="Mathematics", teacher=ann.ref))
            await settled(noting, projector)
            await check_course_pages(noting)
            await delete(noting, "courses/maths")
            await settled(noting, projector)
        derived = {"CoursePage", "_bff_views", "_bff_unchecked", "_bff_shapes", "_bff_projectors"}
        assert derived <= noting.written[True]
        assert derived.isdisjoint(noting.written[False])
        assert {"teachers", "courses"} <= noting.written[False]
        assert {"teachers", "courses"}.isdisjoint(noting.written[True])
