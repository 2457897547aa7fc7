"""Two definitions of one view, each in its own storage: neither sees, overwrites or is told of what is the other's."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.every_key import every_key
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from tests.projection.support import delete, everything, write

pytestmark = pytest.mark.anyio


class Shelf(DomainModel, collection="shelves"):
    name: str


class ShelfStore(Store):
    shelf = reference(Shelf)


def old() -> type[ViewModel]:
    class ShelfPage(ViewModel, beside=True):
        store: ShelfStore

        @field(filterable=True)
        def name(self) -> str:
            return self.store.shelf.name

    return ShelfPage


def new() -> type[ViewModel]:
    class ShelfPage(ViewModel, beside=True):
        store: ShelfStore

        @field(filterable=True)
        def name(self) -> str:
            return self.store.shelf.name.upper()

        @field(filterable=True)
        def length(self) -> int:
            return len(self.store.shelf.name)

    return ShelfPage


OLD, NEW = old(), new()
OLD_CATALOG, NEW_CATALOG = Catalog.of([OLD]), Catalog.of([NEW])


def test_a_storage_is_a_constant_of_the_code() -> None:
    definition = NEW.__view__
    assert definition.storage == definition.collection == f"ShelfPage@{definition.definition_hash[:12]}"
    assert new().__view__.storage == definition.storage
    assert OLD.__view__.storage != definition.storage
    assert OLD_CATALOG.beside_code != NEW_CATALOG.beside_code


def test_its_collection_and_its_name_may_differ() -> None:
    class Page(ViewModel, beside=True, collection="pages", name="ThePage"):
        store: ShelfStore

        @field
        def name(self) -> str:
            return self.store.shelf.name

    definition = Page.__view__
    digits = definition.definition_hash[:12]
    assert (definition.name, definition.storage, definition.collection) == ("ThePage", f"ThePage@{digits}", f"pages@{digits}")


async def names(datastore: Datastore, view: type[ViewModel]) -> dict[str, object]:
    return {key: (one.data or {})["name"] for key, one in (await everything(datastore, view.__view__.collection)).items()}


async def test_projectors_of_two_definitions_leave_each_other_alone(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(5)))
    async with Projector(datastore, OLD_CATALOG) as older, Projector(datastore, NEW_CATALOG) as newer:
        await older.wait_rebuilt()
        await newer.wait_rebuilt()
        await delete(datastore, "shelves/s0")
        at = await write(datastore, Shelf(id="s1", name="moved"), Shelf(id="new", name="new"))
        await older.wait_for(at)
        await newer.wait_for(at)
    wanted = {"s1": "moved", "s2": "n2", "s3": "n3", "s4": "n4", "new": "new"}
    assert await names(datastore, OLD) == wanted
    assert await names(datastore, NEW) == {key: name.upper() for key, name in wanted.items()}
    for view in (OLD, NEW):
        stored = [one.data or {} for one in (await everything(datastore, "_bff_views")).values()]
        assert {one["definition"] for one in stored if one["view"] == view.__view__.storage} == {view.__view__.definition_hash}
        assert sorted([key for page in [page async for page in every_key(datastore, view)] for key in page]) == sorted(
            [*wanted, "s0"]
        )


async def test_what_is_not_stored_there_yet_is_built_when_asked_for(datastore: Datastore) -> None:
    await write(datastore, Shelf(id="s1", name="one"))
    [before] = await ViewReader(datastore, OLD_CATALOG).read(OLD, ["s1"])
    [after] = await ViewReader(datastore, NEW_CATALOG).read(NEW, ["s1"])
    assert (before.document or {})["name"] == "one"
    assert (after.document or {})["name"] == "ONE"
    assert await names(datastore, OLD) == {"s1": "one"}
