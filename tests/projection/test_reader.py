"""Reading views: stored ones in one read, missing ones built, absent ones null without a trace."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore
from bff.errors import BadUserInput
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.query import Compare, Op, Order, Query
from tests.projection.support import (
    CATALOG,
    EVALUATIONS,
    Course,
    CoursePage,
    Seat,
    Student,
    Teacher,
    Wrapped,
    delete,
    everything,
    settled,
    write,
)

pytestmark = pytest.mark.anyio

ANN = Teacher(id="ann", name="Ann")
MATHS = Course(id="maths", title="Mathematics", teacher=ANN.ref)
ART = Course(id="art", title="Art", teacher=ANN.ref)


async def test_a_missing_view_is_built_stored_and_answered(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS)
    views = ViewReader(datastore, CATALOG)
    [first] = await views.read(CoursePage, ["maths"])
    assert first.document is not None
    assert first.document["title"] == "Mathematics"
    assert first.document["version"] == first.version
    [again] = await views.read(CoursePage, ["maths"])
    assert again == first
    assert EVALUATIONS["title"] == 1


async def test_stored_views_cost_one_read(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS, ART)
    wrapped = Wrapped(datastore)
    views = ViewReader(wrapped, CATALOG)
    await views.read(CoursePage, ["maths", "art"])
    wrapped.calls.clear()
    pages = await views.read(CoursePage, ["art", "maths", "art"])
    assert [page.key for page in pages] == ["art", "maths", "art"]
    assert wrapped.calls == ["get 2"]


async def test_an_unknown_id_is_null_and_leaves_no_trace(datastore: Datastore) -> None:
    views = ViewReader(datastore, CATALOG)
    for id in ("nobody", "no one"):
        [view] = await views.read(CoursePage, [id])
        assert view.document is None
    assert not await everything(datastore, "_bff_views")
    assert not await everything(datastore, "CoursePage")


async def test_a_view_created_after_it_was_null_is_newer(datastore: Datastore) -> None:
    views = ViewReader(datastore, CATALOG)
    [absent] = await views.read(CoursePage, ["maths"])
    await write(datastore, MATHS)
    [present] = await views.read(CoursePage, ["maths"])
    assert present.version > absent.version


async def test_what_cannot_be_a_key_is_refused(datastore: Datastore) -> None:
    views = ViewReader(datastore, CATALOG)
    for key in ("", "a/b", "x" * 2000, "__x__"):
        with pytest.raises(BadUserInput):
            await views.read(CoursePage, [key])
    for key in ("one", "a:b:c", ":", "a:"):
        with pytest.raises(BadUserInput):
            await views.read(Seat, [key])
    await write(datastore, MATHS)
    bad, good = await views.read_each(CoursePage, ["a/b", "maths"])
    assert isinstance(bad, BadUserInput)
    assert not isinstance(good, Exception)


async def test_a_key_whose_metadata_cannot_be_named_after_it(datastore: Datastore) -> None:
    long = Course(id="x" * 1491, title="Long", teacher=ANN.ref)
    await write(datastore, long)
    views = ViewReader(datastore, CATALOG)
    [view] = await views.read(CoursePage, [long.id])
    assert view.exists
    assert (await views.fresh(CoursePage, [long.id]))[0] == view


async def test_a_view_of_two_roots_is_built_when_asked_for_and_then_kept_up(datastore: Datastore) -> None:
    async with Projector(datastore, CATALOG) as projector:
        await write(datastore, MATHS, Student(id="bob", name="Bob"))
        await settled(datastore, projector)
        assert not await everything(datastore, "Seat")
        [seat] = await projector.views.read(Seat, ["maths:bob"])
        assert seat.document is not None
        assert seat.document["label"] == "Bob in Mathematics"
        await write(datastore, Student(id="bob", name="Robert"))
        await settled(datastore, projector)
        assert (await everything(datastore, "Seat"))["maths:bob"].data["label"] == "Robert in Mathematics"  # type: ignore[index]


async def test_the_absence_of_a_view_of_two_roots_is_kept_up_too(datastore: Datastore) -> None:
    """Somebody may be looking at it: it comes to be as soon as its roots do, and goes with either."""
    async with Projector(datastore, CATALOG) as projector:
        [absent] = await projector.views.read(Seat, ["maths:bob"])
        assert not absent.exists
        await write(datastore, MATHS)
        await settled(datastore, projector)
        assert not await everything(datastore, "Seat")
        await write(datastore, Student(id="bob", name="Bob"))
        await settled(datastore, projector)
        assert (await everything(datastore, "Seat"))["maths:bob"].data["version"] > absent.version  # type: ignore[index, operator]
        await delete(datastore, MATHS.path)
        await settled(datastore, projector)
        assert not await everything(datastore, "Seat")


async def test_fresh_sees_every_commit_before_it(datastore: Datastore) -> None:
    async with Projector(datastore, CATALOG) as projector:
        for reader in (projector.views, ViewReader(datastore, CATALOG)):
            for number in range(20):
                await write(datastore, Course(id="maths", title=f"Number {number}", teacher=ANN.ref))
                [page] = await reader.fresh(CoursePage, ["maths"])
                assert page.document is not None
                assert page.document["title"] == f"Number {number}"


async def test_fresh_versions_never_go_back(datastore: Datastore) -> None:
    versions = []
    async with Projector(datastore, CATALOG) as projector:
        for number in range(20):
            await write(datastore, Course(id="maths", title=f"Number {number}", teacher=ANN.ref))
            versions.append((await projector.views.fresh(CoursePage, ["maths"]))[0].version)
            versions.append((await projector.views.read(CoursePage, ["maths"]))[0].version)
    assert versions == sorted(versions)


async def test_find_answers_stored_views_in_the_order_of_the_query(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS, ART)
    views = ViewReader(datastore, CATALOG)
    await views.read(CoursePage, ["maths", "art"])
    found = await views.find(Query("CoursePage", Compare("teacher", Op.EQ, "Ann"), (Order("title"),)), CoursePage)
    assert [view.key for view in found] == ["art", "maths"]
    assert found == await views.read(CoursePage, ["art", "maths"])


async def test_versions_are_those_of_what_is_stored_and_cost_one_read(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS, ART)
    wrapped = Wrapped(datastore)
    views = ViewReader(wrapped, CATALOG)
    assert await views.versions(CoursePage, ["maths", "art"]) == [None, None]
    maths, art = await views.read(CoursePage, ["maths", "art"])
    wrapped.calls.clear()
    assert await views.versions(CoursePage, ["art", "nobody", "maths", "art"]) == [art.version, None, maths.version, art.version]
    assert wrapped.calls == ["get 4"]
    with pytest.raises(BadUserInput):
        await views.versions(CoursePage, ["a/b"])


async def test_versions_and_the_number_of_what_a_query_finds(datastore: Datastore) -> None:
    await write(datastore, ANN, MATHS, ART)
    views = ViewReader(datastore, CATALOG)
    maths, art = await views.read(CoursePage, ["maths", "art"])
    collection = CoursePage.__view__.collection
    by_title = Query(collection, order_by=(Order("title"),))
    assert await views.find_versions(by_title, CoursePage) == [("art", art.version), ("maths", maths.version)]
    assert await views.count(by_title, CoursePage) == 2
    only_art = Query(collection, Compare("title", Op.EQ, "Art"))
    assert await views.find_versions(only_art, CoursePage) == [("art", art.version)]
    assert await views.count(only_art, CoursePage) == 1
    await write(datastore, Course(id="art", title="Drawing", teacher=ANN.ref))
    await views.fresh(CoursePage, ["art"])
    assert await views.count(only_art, CoursePage) == 0
    [version] = await views.versions(CoursePage, ["art"])
    assert version is not None
    assert version > art.version
