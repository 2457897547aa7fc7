"""A rebuild says beforehand what it would change, evaluates everything, and goes on where it was interrupted."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore, Merge, Set
from bff.errors import DatastoreUnavailable
from bff.model.view_model import ViewModel
from bff.projection.difference import Difference
from bff.projection.every_key import every_key
from bff.projection.preview import Change, Preview, preview
from bff.projection.rebuild import RebuildProgress, rebuild
from bff.projection.rebuild_place import REBUILDS, RebuildPlace
from bff.values import MISSING
from tests.projection.support import Wrapped, delete, everything, get, write
from tests.projection.test_definitions import NEW, OLD, Shelf, with_old_views

pytestmark = pytest.mark.anyio

SHELVES = 40


async def test_a_preview_says_what_would_change_and_writes_nothing(datastore: Datastore) -> None:
    await with_old_views(datastore, 4)
    await write(datastore, Shelf(id="s4", name="late"))
    await delete(datastore, "shelves/s0")
    await datastore.commit(
        [Merge("ShelfPage/s1", {"name": "N1", "length": 2}), Set("shelves/s2", {"objType": "Shelf", "name": 7})]
    )
    before = await documents(datastore)
    told: list[int] = []
    found = await preview(datastore, NEW, show=2, on_progress=lambda so_far: told.append(so_far.keys))
    assert await documents(datastore) == before
    assert told[-1] == found.keys == 5
    assert (found.unchanged, found.changed, found.created, found.removed, found.failed) == (1, 1, 1, 1, 1)
    assert found.fields == {"name": 1, "length": 1}
    assert found.shown == [
        Change("s0", "removed"),
        Change("s3", "changed", (Difference("length", MISSING, 2), Difference("name", "n3", "N3"))),
    ]
    [(key, error)] = found.failures
    assert key == "s2"
    assert "expected str, got int 7" in error


async def test_a_preview_of_what_is_built_already_is_empty(datastore: Datastore) -> None:
    await with_old_views(datastore)
    assert await preview(datastore, OLD) == Preview("ShelfPage", keys=5, unchanged=5)


async def test_every_key_comes_once(datastore: Datastore) -> None:
    await with_old_views(datastore, 3)
    await write(datastore, Shelf(id="new", name="n"))
    await delete(datastore, "shelves/s1")
    await datastore.commit([Set("ShelfPage/ghost", {"name": "boo"})])
    assert sorted([key async for page in every_key(datastore, OLD) for key in page]) == ["ghost", "new", "s0", "s1", "s2"]


async def test_a_rebuild_takes_nothing_over(datastore: Datastore) -> None:
    await with_old_views(datastore)
    await datastore.commit([Merge("ShelfPage/s1", {"name": "Hacked"})])
    await rebuild(datastore, [OLD])
    assert ((await get(datastore, "ShelfPage/s1")).data or {})["name"] == "n1"


class Failing(Wrapped):
    """Goes away before it stores this view."""

    def __init__(self, datastore: Datastore, at: str) -> None:
        super().__init__(datastore)
        self.at = at

    async def on_call(self, call: str) -> None:
        if call.startswith("commit ") and self.at in call.split(" "):
            raise DatastoreUnavailable("gone")
        await super().on_call(call)


async def interrupted(datastore: Datastore, view: type[ViewModel], at: str) -> RebuildPlace:
    with pytest.raises(DatastoreUnavailable):
        # One page after the other: otherwise what fails may be faster than all that comes before it.
        await rebuild(Failing(datastore, at), [view], resume=True, concurrency=1, page=5)
    place = await RebuildPlace.load(datastore, view)
    assert place is not None
    return place


async def with_shelves(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number:02}", name=f"n{number}") for number in range(SHELVES)))
    await rebuild(datastore, [OLD])


async def test_an_interrupted_rebuild_goes_on_after_what_it_has_built(datastore: Datastore) -> None:
    await with_shelves(datastore)
    place = await interrupted(datastore, NEW, "ShelfPage/s22")
    assert 0 < place.built <= 20
    assert place.after == f"shelves/s{place.built - 1:02}"
    wrapped = Wrapped(datastore)
    told: list[RebuildProgress] = []
    [done] = await rebuild(wrapped, [NEW], resume=True, page=5, on_progress=told.append)
    assert done == RebuildProgress("ShelfPage", found=SHELVES, built=SHELVES, failed=0, complete=True)
    assert told[0].built == place.built
    written = {word for call in wrapped.calls for word in call.split(" ") if word.startswith("ShelfPage/")}
    assert f"ShelfPage/s{place.built - 1:02}" not in written
    pages = await everything(datastore, "ShelfPage")
    assert {(page.data or {})["name"] for page in pages.values()} == {f"N{number}" for number in range(SHELVES)}
    assert await everything(datastore, REBUILDS) == {}


async def test_what_has_no_root_is_removed_also_after_an_interruption(datastore: Datastore) -> None:
    await with_shelves(datastore)
    await delete(datastore, "shelves/s01", "shelves/s39")
    place = await interrupted(datastore, NEW, "ShelfPage/s39")
    assert place.rest
    [done] = await rebuild(datastore, [NEW], resume=True, page=5)
    # What was stored and not noted is of this definition already: it is neither built nor counted again.
    assert SHELVES - 2 < done.built <= SHELVES
    assert sorted(await everything(datastore, "ShelfPage")) == [
        f"s{number:02}" for number in range(SHELVES) if number not in {1, 39}
    ]


async def test_what_failed_before_the_interruption_is_counted(datastore: Datastore) -> None:
    await with_shelves(datastore)
    await datastore.commit([Set("shelves/s00", {"objType": "Shelf", "name": 7})])
    place = await interrupted(datastore, NEW, "ShelfPage/s22")
    assert place.failed == 1
    [done] = await rebuild(datastore, [NEW], resume=True, page=5)
    assert (done.built, done.failed) == (SHELVES, 1)


async def test_other_code_begins_at_the_beginning(datastore: Datastore) -> None:
    await with_shelves(datastore)
    await interrupted(datastore, NEW, "ShelfPage/s22")
    assert await RebuildPlace.load(datastore, OLD) is None
    [done] = await rebuild(datastore, [OLD], resume=True)
    assert done.built == SHELVES
    assert {(page.data or {})["name"] for page in (await everything(datastore, "ShelfPage")).values()} == {
        f"n{number}" for number in range(SHELVES)
    }


async def documents(datastore: Datastore) -> dict[str, object]:
    return {
        document.path: (document.data, document.update_time)
        for collection in ("ShelfPage", "_bff_views", "_bff_unchecked", "_bff_definitions", REBUILDS)
        for document in (await everything(datastore, collection)).values()
    }
