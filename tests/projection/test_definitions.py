"""A view whose code changed is rebuilt, its old documents serving meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from bff.datastore.port import Datastore
from bff.errors import BuildError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.definitions import Definitions
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.rebuild import RebuildProgress, rebuild
from bff.query import Query
from tests.projection.support import Wrapped, delete, everything, get, metadata, write

pytestmark = pytest.mark.anyio


class Shelf(DomainModel, collection="shelves"):
    name: str


class ShelfStore(Store):
    shelf = reference(Shelf)


def old() -> type[ViewModel]:
    class ShelfPage(ViewModel):
        store: ShelfStore

        @field
        def name(self) -> str:
            return self.store.shelf.name

    return ShelfPage


def new() -> type[ViewModel]:
    class ShelfPage(ViewModel):
        store: ShelfStore

        @field
        def name(self) -> str:
            return self.store.shelf.name.upper()

        @field
        def length(self) -> int:
            return len(self.store.shelf.name)

    return ShelfPage


OLD, NEW = old(), new()
OLD_CATALOG, NEW_CATALOG = Catalog.of([OLD]), Catalog.of([NEW])


async def stored(datastore: Datastore) -> dict[str, tuple[object, object]]:
    documents = await everything(datastore, "ShelfPage")
    return {id: (document.data or {}).get("name") for id, document in documents.items()}  # type: ignore[misc]


async def with_old_views(datastore: Datastore, count: int = 5) -> None:
    async with Projector(datastore, OLD_CATALOG) as projector:
        await projector.wait_rebuilt()
        await projector.wait_for(await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(count))))


async def test_a_changed_definition_is_rebuilt_at_the_start(datastore: Datastore) -> None:
    await with_old_views(datastore)
    before = {id: document.data for id, document in (await everything(datastore, "ShelfPage")).items()}
    async with Projector(datastore, NEW_CATALOG) as projector:
        await projector.wait_rebuilt()
        after = {id: document.data for id, document in (await everything(datastore, "ShelfPage")).items()}
    assert {id: (data or {})["name"] for id, data in after.items()} == {f"s{number}": f"N{number}" for number in range(5)}
    for id, data in after.items():
        assert int((data or {})["version"]) > int((before[id] or {})["version"])  # type: ignore[arg-type, call-overload]
    recorded = await metadata(datastore, NEW, "s1")
    assert recorded is not None
    assert recorded.definition == NEW.__view__.definition_hash


async def test_the_same_definition_is_left_alone(datastore: Datastore) -> None:
    await with_old_views(datastore)
    before = await everything(datastore, "_bff_views")
    async with Projector(datastore, Catalog.of([OLD])) as projector:
        await projector.wait_rebuilt()
    after = await everything(datastore, "_bff_views")
    assert {id: (document.data or {})["builtAt"] for id, document in after.items()} == {
        id: (document.data or {})["builtAt"] for id, document in before.items()
    }


async def test_a_view_that_is_new_in_the_app_is_built_for_what_is_there(datastore: Datastore) -> None:
    class ShelfLabel(ViewModel):
        store: ShelfStore

        @field
        def text(self) -> str:
            return f"[{self.store.shelf.name}]"

    await with_old_views(datastore)
    async with Projector(datastore, Catalog.of([OLD, ShelfLabel])) as projector:
        await projector.wait_rebuilt()
    labels = await everything(datastore, "ShelfLabel")
    assert {(document.data or {})["text"] for document in labels.values()} == {f"[n{number}]" for number in range(5)}


async def test_an_old_document_that_lacks_a_field_is_built_when_asked_for(datastore: Datastore) -> None:
    await with_old_views(datastore)
    [view] = await ViewReader(datastore, NEW_CATALOG).read(NEW, ["s1"])
    assert view.document is not None
    assert (view.document["name"], view.document["length"]) == ("N1", 2)


async def test_an_old_document_that_holds_another_type_is_built_when_asked_for(datastore: Datastore) -> None:
    class Book(BaseModel):
        title: str

    class Edition(BaseModel):
        title: str
        year: int | None = None

    def view(number: Any, model: Any) -> type[ViewModel]:
        class ShelfPage(ViewModel):
            store: ShelfStore

            @field
            def size(self) -> number:
                return number(self.store.shelf.name)

            @field
            def books(self) -> list[model]:
                return [model(title=self.store.shelf.name)]

        return ShelfPage

    before = view(str, Book)
    async with Projector(datastore, Catalog.of([before])) as projector:
        await projector.wait_for(await write(datastore, *(Shelf(id=f"s{name}", name=name) for name in ("1", "2", "x"))))
    for after, first in ((view(int, Book), {"size": 1}), (view(str, Edition), {"books": [{"title": "1", "year": None}]})):
        reader = ViewReader(datastore, Catalog.of([after]))
        documents = [one.document for one in await reader.find(Query("ShelfPage"), after)]
        assert [None if one is None else one["id"] for one in documents] == ["s1", "s2", "sx" if "books" in first else None]
        assert first.items() <= (documents[0] or {}).items()
        [by_id] = await reader.read(after, ["s2"])
        assert by_id.document == documents[1]
    with pytest.raises(BuildError):
        await ViewReader(datastore, NEW_CATALOG).read(view(int, Book), ["sx"])


async def test_a_rebuild_tells_how_far_it_is_and_removes_what_has_no_root(datastore: Datastore) -> None:
    await with_old_views(datastore)
    await delete(datastore, "shelves/s0")
    told: list[RebuildProgress] = []
    [done] = await rebuild(datastore, [NEW], on_progress=told.append)
    assert done == RebuildProgress("ShelfPage", found=5, built=5, failed=0, complete=True)
    assert told[0] == RebuildProgress("ShelfPage")
    assert told[-1] is done
    assert not (await get(datastore, "ShelfPage/s0")).exists
    assert len(await everything(datastore, "ShelfPage")) == 4


async def test_an_interrupted_rebuild_goes_on_where_it_was(datastore: Datastore) -> None:
    await with_old_views(datastore)
    await ViewReader(datastore, NEW_CATALOG).fresh(NEW, ["s0", "s1"])
    [done] = await rebuild(datastore, [NEW], force=False)
    assert done.built == 3


async def test_what_older_code_builds_after_the_rebuild_is_built_again(datastore: Datastore) -> None:
    """A rolling deploy: a process of the old code goes on for a while, and builds what changes."""
    await with_old_views(datastore)
    definitions = Definitions(datastore)
    async with Projector(datastore, NEW_CATALOG, mixed_seconds=3600) as projector:
        await projector.wait_rebuilt()
    await write(datastore, Shelf(id="s1", name="moved"))
    await ViewReader(datastore, OLD_CATALOG).fresh(OLD, ["s1"])
    assert (await stored(datastore))["s1"] == "moved", "by the old code"
    assert await definitions.mixed([OLD]) == [], "the old code is not wanted any more: it leaves the others alone"
    async with Projector(datastore, NEW_CATALOG, mixed_seconds=0.01):
        async with asyncio.timeout(20):
            while (await stored(datastore))["s1"] != "MOVED":  # noqa: ASYNC110 - what is waited for is a state, not an event
                await asyncio.sleep(0.01)
    assert await definitions.mixed([NEW]) == []


async def test_what_the_wanted_code_builds_over_others_is_no_mix(datastore: Datastore) -> None:
    await with_old_views(datastore)
    definitions = Definitions(datastore)
    await ViewReader(datastore, NEW_CATALOG).fresh(NEW, ["s0"])
    assert await definitions.mixed([OLD]) == [OLD], "nobody has said yet that the new code is wanted"
    await rebuild(datastore, [NEW])
    assert await definitions.mixed([NEW]) == []


async def test_a_rebuild_beside_a_running_projector(datastore: Datastore) -> None:
    async with Projector(datastore, NEW_CATALOG) as projector:
        await projector.wait_rebuilt()
        await projector.wait_for(await write(datastore, *(Shelf(id=f"s{number}", name="a") for number in range(30))))
        [done] = await projector.rebuild()
    assert (done.built, done.failed) == (30, 0)


async def test_what_a_rebuild_has_built_is_not_looked_up_again(datastore: Datastore) -> None:
    await with_old_views(datastore)
    wrapped = Wrapped(datastore)
    await rebuild(wrapped, [NEW])
    scanned = wrapped.calls.index("query _bff_views")
    assert not [call for call in wrapped.calls[scanned:] if call.startswith("get")]


async def test_views_are_read_and_built_while_others_are_written(datastore: Datastore) -> None:
    class Slow(Wrapped):
        """Makes its first commit of views once all the others have come to be written."""

        def __init__(self, datastore: Datastore) -> None:
            super().__init__(datastore)
            self.begun = 0
            self.all_begun = asyncio.Event()

        async def on_call(self, call: str) -> None:
            before = self.begun
            self.begun += call.startswith("commit ") * call.count(" ShelfPage/")
            if self.begun == 60:
                self.all_begun.set()
            if not before and self.begun:
                await self.all_begun.wait()

    await with_old_views(datastore, 60)
    async with asyncio.timeout(20):
        [done] = await rebuild(Slow(datastore), [NEW])
    assert (done.found, done.built, done.failed) == (60, 60, 0)


def test_an_equal_definition_has_an_equal_hash() -> None:
    assert old().__view__.definition_hash == OLD.__view__.definition_hash
    assert OLD.__view__.definition_hash != NEW.__view__.definition_hash
