"""Two definitions of one view, each in its own storage: neither sees, overwrites or is told of what is the other's."""

from __future__ import annotations

import pytest

from bff import App
from bff.datastore.port import Datastore
from bff.errors import DatastoreUnavailable
from bff.indexes.config import index_config
from bff.live.channels import Channels
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.checkpoint import Checkpoint, name_for
from bff.projection.every_key import every_key
from bff.projection.projector import Projector
from bff.projection.prune import Pruned, prune
from bff.projection.reader import ViewReader
from bff.projection.rebuild import RebuildProgress
from bff.projection.rebuild_place import REBUILDS, RebuildPlace
from bff.projection.standing import Standing, Standings
from bff.rules.security_rules import security_rules
from tests.projection.support import Wrapped, delete, everything, write

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
    assert len({Channels(code=one.beside_code).pulse for one in (OLD_CATALOG, NEW_CATALOG, Catalog.of([]))}) == 3


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
        own = [one for one in stored if one["view"] == view.__view__.storage]
        assert all(one["definition"] == view.__view__.definition_hash for one in own)
        assert len(own) == len(wanted) + 1
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


async def standing(datastore: Datastore) -> Standing:
    [found] = await Standings(datastore).of([NEW])
    return found


async def stand(datastore: Datastore) -> tuple[str | None, list[tuple[str, bool]]]:
    """The current storage, and the others with whether they are complete."""
    found, words = await standing(datastore), {OLD.__view__.storage: "old", NEW.__view__.storage: "new"}
    return (
        None if found.current is None else words[found.current.name],
        [(words[one.name], one.complete) for one in found.others],
    )


async def built_by(datastore: Datastore, catalog: Catalog, *, switches: bool = True) -> list[RebuildProgress]:
    """A life of a projector, until it has nothing left to build; how what it had to build throughout came out."""
    told: dict[str, RebuildProgress] = {}
    async with Projector(datastore, catalog, switches=switches, on_rebuild=lambda one: told.update({one.view: one})) as projector:
        await projector.wait_rebuilt()
        await projector.wait_for(await datastore.ping())
    return [*told.values()]


async def test_it_is_built_beside_and_switched_to(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(5)))
    await built_by(datastore, OLD_CATALOG)
    assert await stand(datastore) == ("old", [])
    assert await built_by(datastore, NEW_CATALOG) == [RebuildProgress("ShelfPage", found=5, built=5, complete=True)]
    assert await stand(datastore) == ("new", [("old", True)])
    assert await names(datastore, OLD) == {f"s{number}": f"n{number}" for number in range(5)}
    assert await names(datastore, NEW) == {f"s{number}": f"N{number}" for number in range(5)}
    assert await everything(datastore, REBUILDS) == {}
    assert await built_by(datastore, NEW_CATALOG) == [], "once is enough"


async def test_what_was_built_before_anybody_followed_is_not_believed(datastore: Datastore) -> None:
    await write(datastore, Shelf(id="s1", name="one"))
    await built_by(datastore, OLD_CATALOG)
    await ViewReader(datastore, NEW_CATALOG).read(NEW, ["s1"])
    await write(datastore, Shelf(id="s1", name="two"))
    await built_by(datastore, OLD_CATALOG)  # whose checkpoint is past the change now
    await built_by(datastore, NEW_CATALOG)
    assert await names(datastore, NEW) == {"s1": "TWO"}


async def test_rolling_back_costs_what_has_changed_since(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(3)))
    await built_by(datastore, OLD_CATALOG)
    await built_by(datastore, NEW_CATALOG)
    await write(datastore, Shelf(id="s1", name="moved"))
    await delete(datastore, "shelves/s2")
    await built_by(datastore, NEW_CATALOG)
    assert (await names(datastore, OLD))["s1"] == "n1", "nobody keeps it up"
    assert await built_by(datastore, OLD_CATALOG) == [], "nothing is built that has not changed"
    assert await names(datastore, OLD) == {"s0": "n0", "s1": "moved"}
    assert await stand(datastore) == ("old", [("new", True)])
    assert await built_by(datastore, NEW_CATALOG) == []
    assert await stand(datastore) == ("new", [("old", True)])


async def test_it_can_be_built_ahead_of_the_deploy(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(3)))
    await built_by(datastore, OLD_CATALOG)
    await built_by(datastore, NEW_CATALOG, switches=False)
    assert await stand(datastore) == ("old", [("new", True)])
    await write(datastore, Shelf(id="s1", name="moved"))
    await built_by(datastore, OLD_CATALOG)
    assert await built_by(datastore, NEW_CATALOG) == []
    assert await stand(datastore) == ("new", [("old", True)])
    assert await names(datastore, NEW) == {"s0": "N0", "s1": "MOVED", "s2": "N2"}


async def test_one_that_is_interrupted_goes_on_where_it_was(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number:03}", name=f"n{number}") for number in range(300)))
    await built_by(datastore, OLD_CATALOG)
    place = RebuildPlace(
        NEW.__view__.storage, NEW.__view__.definition_hash, await datastore.ping(), built=256, after="shelves/s255"
    )
    await built_by(datastore, NEW_CATALOG, switches=False)
    await Standings(datastore).begin(NEW)
    await place.save(datastore)
    told: list[RebuildProgress] = []
    async with Projector(datastore, NEW_CATALOG, on_rebuild=told.append) as projector:
        await projector.wait_rebuilt()
    assert told[0].built == 256
    assert told[-1] == RebuildProgress("ShelfPage", found=300, built=300, complete=True)
    assert await stand(datastore) == ("new", [("old", True)])
    assert await everything(datastore, REBUILDS) == {}


async def test_a_combination_of_definitions_begins_where_each_was_followed_last(datastore: Datastore) -> None:
    """Of two views one is rolled back, the other is not: nobody has followed just these two."""

    class Spine(ViewModel, beside=True):
        store: ShelfStore

        @field
        def text(self) -> str:
            return self.store.shelf.name

    await write(datastore, Shelf(id="s1", name="one"))
    await built_by(datastore, Catalog.of([OLD]))
    at = await write(datastore, Shelf(id="s1", name="two"))
    await built_by(datastore, Catalog.of([NEW, Spine]))
    storages = {OLD.__view__.storage: {"shelves"}, Spine.__view__.storage: {"shelves"}}
    checkpoint = Checkpoint(datastore, name_for(Catalog.of([OLD, Spine])), ["shelves"], storages)
    point = await checkpoint.load()
    assert point is not None
    assert point.timepoint < at
    assert checkpoint.kept == {OLD.__view__.storage, Spine.__view__.storage}
    await built_by(datastore, Catalog.of([OLD, Spine]))
    assert await names(datastore, OLD) == {"s1": "two"}


async def test_a_view_that_was_in_place_before_has_that_as_its_former_storage(datastore: Datastore) -> None:
    class ShelfPage(ViewModel):
        store: ShelfStore

        @field
        def name(self) -> str:
            return self.store.shelf.name

    await write(datastore, Shelf(id="s1", name="one"))
    await built_by(datastore, Catalog.of([ShelfPage]))
    found = await standing(datastore)
    assert found.current is not None
    assert (found.current.name, found.current.fields) == ("ShelfPage", ("name",))
    await built_by(datastore, NEW_CATALOG)
    found = await standing(datastore)
    assert [one.name for one in found.others] == ["ShelfPage"]
    await write(datastore, Shelf(id="s1", name="two"))
    await built_by(datastore, Catalog.of([ShelfPage]))
    found = await standing(datastore)
    assert found.current is not None
    assert found.current.name == "ShelfPage"
    assert [one.name for one in found.others] == [NEW.__view__.storage]


async def left_of(datastore: Datastore, view: type[ViewModel]) -> int:
    """How many documents there are of a storage, and about it."""
    storage = view.__view__.storage
    metadata = [one for one in (await everything(datastore, "_bff_views")).values() if (one.data or {})["view"] == storage]
    return len(await everything(datastore, view.__view__.collection)) + len(metadata)


async def test_what_is_neither_current_nor_followed_is_pruned(datastore: Datastore) -> None:
    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(5)))
    await built_by(datastore, OLD_CATALOG)
    assert await prune(datastore, OLD, 0) == [], "it is current"
    await built_by(datastore, NEW_CATALOG)
    assert await prune(datastore, NEW, 3600) == [], "it was so until a moment ago"
    assert await prune(datastore, OLD, 0) == [], "it is this code's"
    assert await prune(datastore, NEW, 0) == [Pruned("ShelfPage", OLD.__view__.storage, 5, complete=True)]
    assert await left_of(datastore, OLD) == 0
    assert await left_of(datastore, NEW) == 10
    assert await stand(datastore) == ("new", [])
    assert await prune(datastore, NEW, 0) == []
    assert await built_by(datastore, OLD_CATALOG) == [RebuildProgress("ShelfPage", found=5, built=5, complete=True)]
    assert await names(datastore, OLD) == {f"s{number}": f"n{number}" for number in range(5)}


async def test_pruning_that_is_interrupted_goes_on(datastore: Datastore) -> None:
    class Gone(Wrapped):
        """Goes away after some pages are removed."""

        async def on_call(self, call: str) -> None:
            if call.startswith("commit ") and "_bff_views/ShelfPage" in call:
                raise DatastoreUnavailable("gone")
            await super().on_call(call)

    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(5)))
    await built_by(datastore, OLD_CATALOG)
    await built_by(datastore, NEW_CATALOG)
    with pytest.raises(DatastoreUnavailable):
        await prune(Gone(datastore), NEW, 0)
    assert await stand(datastore) == ("new", [("old", False)]), "known as not complete any more, before anything is removed"
    assert await left_of(datastore, OLD) == 5
    assert await prune(datastore, NEW, 0) == [Pruned("ShelfPage", OLD.__view__.storage, 0, complete=True)]
    assert await left_of(datastore, OLD) == 0


async def test_who_comes_back_while_it_is_pruned_keeps_what_he_builds(datastore: Datastore) -> None:
    class Back(Wrapped):
        """Just before the first page is removed, a process of the old code begins."""

        async def on_call(self, call: str) -> None:
            if call.startswith(f"commit {OLD.__view__.collection}/"):
                await Standings(datastore).begin(OLD)
            await super().on_call(call)

    await write(datastore, *(Shelf(id=f"s{number}", name=f"n{number}") for number in range(5)))
    await built_by(datastore, OLD_CATALOG)
    await built_by(datastore, NEW_CATALOG)
    assert await prune(Back(datastore), NEW, 0) == [Pruned("ShelfPage", OLD.__view__.storage)]
    assert await left_of(datastore, OLD) == 10
    await built_by(datastore, OLD_CATALOG)
    assert await stand(datastore) == ("old", [("new", True)])


def test_rules_and_indexes_name_the_storage() -> None:
    app = App(views=[NEW])
    collection = NEW.__view__.collection
    assert f"match /{collection}/{{id}} {{" in security_rules(app.catalog)
    config = index_config(app.catalog, app.schema, depth=1)
    assert {one["collectionGroup"] for one in config.indexes} == {collection}


async def test_a_storage_that_no_checkpoint_speaks_of_is_built_throughout(datastore: Datastore) -> None:
    await write(datastore, Shelf(id="s1", name="one"))
    await built_by(datastore, OLD_CATALOG)
    await built_by(datastore, NEW_CATALOG)
    await delete(datastore, f"_bff_projectors/{name_for(NEW_CATALOG)}")
    await write(datastore, Shelf(id="s1", name="two"))
    await built_by(datastore, OLD_CATALOG)
    assert await built_by(datastore, NEW_CATALOG) == [RebuildProgress("ShelfPage", found=1, built=1, complete=True)]
    assert await names(datastore, NEW) == {"s1": "TWO"}
    assert await stand(datastore) == ("new", [("old", True)])
