"""Views in place that former code did not know, or not all that they read: what was built before anybody followed them."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.ahead import Ahead
from bff.projection.checkpoint import PROJECTORS
from bff.projection.definitions import DEFINITIONS, Definitions
from bff.projection.projector import Projector
from bff.projection.prune import Pruned, prune
from bff.projection.reader import ViewReader
from bff.projection.rebuild import RebuildProgress
from bff.types import Timepoint
from tests.projection.support import Wrapped, everything, write

pytestmark = pytest.mark.anyio


class Keeper(DomainModel, collection="keepers"):
    name: str


class Hive(DomainModel, collection="hives"):
    site: str
    keeper: Ref[Keeper]


class HiveStore(Store):
    hive = reference(Hive)


class KeptHiveStore(Store):
    hive = reference(Hive)
    keeper = reference(Keeper, of=lambda s: s.hive.keeper)


class HivePage(ViewModel):
    store: HiveStore

    @field
    def text(self) -> str:
        return self.store.hive.site


class NewHivePage(ViewModel, name="HivePage", collection="HivePage"):
    """It reads a collection that the former code does not follow."""

    store: KeptHiveStore

    @field
    def text(self) -> str:
        return f"{self.store.hive.site}: {self.store.keeper.name}"


class HiveLabel(ViewModel):
    """Of this one the former code knows nothing."""

    store: KeptHiveStore

    @field
    def text(self) -> str:
        return f"{self.store.keeper.name} has {self.store.hive.site}"


class BesideHivePage(ViewModel, beside=True, name="HivePage", collection="HivePage"):
    store: HiveStore

    @field
    def text(self) -> str:
        return self.store.hive.site


OLD = Catalog.of([HivePage])
NEW = Catalog.of([NewHivePage, HiveLabel])


async def built_by(datastore: Datastore, catalog: Catalog) -> list[RebuildProgress]:
    """A life of a projector, until it has nothing left to build; how what it had to build throughout came out."""
    told: dict[str, RebuildProgress] = {}
    async with Projector(datastore, catalog, on_rebuild=lambda one: told.update({one.view: one})) as projector:
        await projector.wait_rebuilt()
        await projector.wait_for(await datastore.ping())
    return [*told.values()]


async def texts(datastore: Datastore, view: type[ViewModel]) -> dict[str, object]:
    return {key: (one.data or {})["text"] for key, one in (await everything(datastore, view.__view__.collection)).items()}


async def some_hives(datastore: Datastore) -> None:
    await write(datastore, Keeper(id="k", name="Ann"), *(Hive(id=id, site=id, keeper=Ref(Keeper, "k")) for id in ("h1", "h2")))
    await built_by(datastore, OLD)


async def changed_meanwhile(datastore: Datastore) -> None:
    """The former code's projector goes on from here, and its checkpoint is past this."""
    await write(datastore, Keeper(id="k", name="Bea"))
    await write(datastore, Hive(id="h1", site="moved", keeper=Ref(Keeper, "k")))
    await built_by(datastore, OLD)


async def is_right(datastore: Datastore) -> None:
    assert await texts(datastore, HiveLabel) == {"h1": "Bea has moved", "h2": "Bea has h2"}
    assert await texts(datastore, NewHivePage) == {"h1": "moved: Bea", "h2": "h2: Bea"}
    assert all("since" not in (one.data or {}) for one in (await everything(datastore, DEFINITIONS)).values())
    assert await built_by(datastore, NEW) == [], "once is enough"


async def test_what_was_read_before_a_projector_came_is_built_again(datastore: Datastore) -> None:
    await some_hives(datastore)
    reader = ViewReader(datastore, NEW)
    await reader.fresh(HiveLabel, ["h1", "h2"])
    await reader.fresh(NewHivePage, ["h1", "h2"])
    await changed_meanwhile(datastore)
    await built_by(datastore, NEW)
    await is_right(datastore)


async def test_what_was_built_by_the_command_before_the_deploy_is_built_again(datastore: Datastore) -> None:
    await some_hives(datastore)
    for view in NEW.views.values():
        await Ahead(datastore, NEW).rebuild(view)
    await changed_meanwhile(datastore)
    await built_by(datastore, NEW)
    await is_right(datastore)


async def test_rolled_back_and_deployed_again(datastore: Datastore) -> None:
    await some_hives(datastore)
    await built_by(datastore, NEW)
    await changed_meanwhile(datastore)
    await built_by(datastore, NEW)
    await is_right(datastore)


async def test_one_that_is_interrupted_is_not_forgotten(datastore: Datastore) -> None:
    """The first life has said that it follows these views, and ends before it has built them."""
    await some_hives(datastore)
    await ViewReader(datastore, NEW).fresh(HiveLabel, ["h1", "h2"])
    await changed_meanwhile(datastore)
    async with Projector(datastore, NEW, batch=1) as projector:
        while "storages" not in ((await everything(datastore, PROJECTORS))["main"].data or {}) or not projector.as_of:
            await projector.views.builder.look(HiveLabel, ["h1"])
    await built_by(datastore, NEW)
    await is_right(datastore)


async def test_what_was_built_since_is_left_alone(datastore: Datastore) -> None:
    await some_hives(datastore)
    assert {one.view: one.built for one in await built_by(datastore, NEW)} == {"HivePage": 2, "HiveLabel": 2}
    await write(datastore, Hive(id="h3", site="h3", keeper=Ref(Keeper, "k")))
    assert await built_by(datastore, NEW) == []


async def test_what_is_in_place_is_not_pruned_while_its_code_has_other_views_beside(datastore: Datastore) -> None:
    class Then(Wrapped):
        """At another time."""

        async def ping(self) -> Timepoint:
            return at

    class Comb(ViewModel, beside=True):
        store: HiveStore

        @field
        def text(self) -> str:
            return self.store.hive.site

    await write(datastore, Keeper(id="k", name="Ann"), Hive(id="h1", site="h1", keeper=Ref(Keeper, "k")))
    older = Catalog.of([HivePage, Comb])
    async with Projector(datastore, older) as projector:
        await projector.wait_rebuilt()
        await built_by(datastore, Catalog.of([BesideHivePage, Comb]))
        at = await datastore.ping()
        await projector.wait_for(await write(datastore, Hive(id="h1", site="moved", keeper=Ref(Keeper, "k"))))
    assert await prune(Then(datastore), BesideHivePage, 0) == [], "somebody has followed it since"
    assert await texts(datastore, HivePage) == {"h1": "moved"}


async def test_code_that_replaces_in_place_and_comes_back_while_it_is_pruned_keeps_what_it_builds(datastore: Datastore) -> None:
    class Back(Wrapped):
        """Just before the first page is removed, a process of that code begins."""

        async def on_call(self, call: str) -> None:
            if call.startswith("commit HivePage/"):
                await Definitions(datastore).want(HivePage, throughout=True)
            await super().on_call(call)

    await some_hives(datastore)
    await built_by(datastore, Catalog.of([BesideHivePage]))
    assert await prune(Back(datastore), BesideHivePage, 0) == [Pruned("HivePage", "HivePage")]
    await built_by(datastore, OLD)
    assert await texts(datastore, HivePage) == {"h1": "h1", "h2": "h2"}
