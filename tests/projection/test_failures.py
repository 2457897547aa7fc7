"""What cannot be built keeps its last good value, is seen, is tried again, and stops nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from uuid import uuid4

import pytest

from bff.datastore.port import Commit, Datastore, Expectation, Set, Write
from bff.errors import BFFError, BuildError, DatastoreUnavailable
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.preview import preview
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.rebuild import rebuild
from bff.supervisor import Backoff, State
from tests.projection.support import Wrapped, delete, everything, get, metadata, write

pytestmark = pytest.mark.anyio


class Switch(DomainModel, collection="switches"):
    broken: bool = False
    label: str = ""


class Lamp(DomainModel, collection="lamps"):
    name: str
    switch: Ref[Switch]


class LampStore(Store):
    lamp = reference(Lamp)
    switch = reference(Switch, of=lambda s: s.lamp.switch)


OUTSIDE = {"broken": False}
"""What a getter should not depend on, and does."""


class LampPage(ViewModel):
    store: LampStore

    @field
    def light(self) -> str:
        if self.store.switch.broken or OUTSIDE["broken"]:
            raise RuntimeError(f"the switch of {self.store.lamp.name} is broken")
        return f"{self.store.lamp.name} {self.store.switch.label}"


CATALOG = Catalog.of([LampPage])
GOOD = Switch(id="s", label="on")
BROKEN = Switch(id="s", broken=True)
LAMP = Lamp(id="lamp", name="Lamp", switch=GOOD.ref)
OTHER = Lamp(id="other", name="Other", switch=Switch.ref("t"))


async def settled(datastore: Datastore, projector: Projector) -> None:
    await projector.wait_for(await write(datastore, Switch(id="nudge", label=str(uuid4()))), 20)


@pytest.fixture
async def projector(datastore: Datastore) -> AsyncIterator[Projector]:
    OUTSIDE["broken"] = False
    async with Projector(datastore, CATALOG, retry=Backoff(first=0.02, limit=0.05), save_seconds=0.02) as running:
        await running.wait_rebuilt()
        await write(datastore, GOOD, Switch(id="t", label="on"), LAMP, OTHER)
        await settled(datastore, running)
        yield running


async def light(datastore: Datastore, key: str = "lamp") -> object:
    return ((await get(datastore, f"LampPage/{key}")).data or {}).get("light")


async def healed(projector: Projector) -> None:
    async with asyncio.timeout(20):
        while projector.status().failing:  # noqa: ASYNC110 - what is waited for is a state, not an event
            await asyncio.sleep(0.01)


async def test_the_last_good_value_stays_and_the_failure_shows(datastore: Datastore, projector: Projector) -> None:
    before = await get(datastore, "LampPage/lamp")
    await write(datastore, BROKEN)
    await settled(datastore, projector)
    assert await get(datastore, "LampPage/lamp") == before
    status = projector.status()
    assert status.failing == 1
    assert status.healthy
    assert (status.failures[0].view, status.failures[0].key) == ("LampPage", "lamp")
    assert "LampPage.light raised RuntimeError: the switch of Lamp is broken" in status.failures[0].error
    stored = await metadata(datastore, LampPage, "lamp")
    assert stored is not None
    assert stored.failure is not None
    assert (stored.failure.kind, stored.failure.message) == (
        "RuntimeError",
        "LampPage.light raised RuntimeError: the switch of Lamp is broken",
    )
    [served] = await projector.views.read(LampPage, ["lamp"])
    assert served.document == before.data


async def test_it_is_built_at_once_when_its_inputs_change(datastore: Datastore) -> None:
    OUTSIDE["broken"] = False
    async with Projector(datastore, CATALOG, retry=Backoff(first=3600, limit=3600)) as projector:
        await projector.wait_rebuilt()
        await write(datastore, BROKEN, LAMP)
        await settled(datastore, projector)
        assert projector.status().failing == 1
        await write(datastore, Switch(id="s", label="off"))
        await settled(datastore, projector)
        assert projector.status().failing == 0
        assert await light(datastore) == "Lamp off"
        stored = await metadata(datastore, LampPage, "lamp")
        assert stored is not None
        assert stored.failure is None


async def test_it_is_tried_again_with_backoff(datastore: Datastore, projector: Projector) -> None:
    """What was wrong lies outside the documents, so that no change tells of its end."""
    OUTSIDE["broken"] = True
    await write(datastore, Switch(id="s", label="dim"))
    await settled(datastore, projector)
    assert projector.status().failing >= 1
    OUTSIDE["broken"] = False
    await healed(projector)
    assert await light(datastore) == "Lamp dim"


async def test_others_go_on(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, BROKEN, Switch(id="t", label="bright"))
    await settled(datastore, projector)
    assert await light(datastore, "other") == "Other bright"


async def test_a_failure_is_remembered_over_a_restart(datastore: Datastore, projector: Projector) -> None:
    OUTSIDE["broken"] = True
    await write(datastore, Switch(id="s", label="dim"))
    await settled(datastore, projector)
    await projector.__aexit__(None, None, None)
    OUTSIDE["broken"] = False
    async with Projector(datastore, CATALOG, name="another", retry=Backoff(first=0.01, limit=0.01)) as restarted:
        await settled(datastore, restarted)
        await healed(restarted)
    assert await light(datastore) == "Lamp dim"


async def test_a_view_that_was_never_good_is_an_error_to_whoever_asks(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, Switch(id="u", broken=True), Lamp(id="new", name="New", switch=Switch.ref("u")))
    await settled(datastore, projector)
    with pytest.raises(BuildError, match="the switch of New is broken"):
        await projector.views.read(LampPage, ["new"])
    good, bad = await projector.views.read_each(LampPage, ["lamp", "new"])
    assert not isinstance(good, Exception)
    assert isinstance(bad, BuildError)


async def test_a_failing_view_whose_root_goes_is_gone(datastore: Datastore, projector: Projector) -> None:
    await write(datastore, BROKEN)
    await settled(datastore, projector)
    await delete(datastore, LAMP.path)
    await settled(datastore, projector)
    assert projector.status().failing == 0
    assert not (await get(datastore, "LampPage/lamp")).exists


async def test_a_document_that_does_not_fit_its_model_is_a_failure(datastore: Datastore, projector: Projector) -> None:
    await datastore.commit([Set("switches/s", {"objType": "Switch", "label": 7})])
    await settled(datastore, projector)
    [failure] = projector.status().failures
    assert "switches/s" in failure.error
    assert await light(datastore) == "Lamp on"


@pytest.mark.parametrize("switch", ["switches/", "switches/.", "switches/__x__", "switches/" + "s" * 1501, "switches/\x00"])
async def test_a_ref_to_no_possible_document_fails_its_own_view_only(datastore: Datastore, switch: str) -> None:
    """Whoever writes documents by hand may write ``f"switches/{id}"`` with an id that is empty."""
    await write(datastore, GOOD, LAMP, Lamp(id="third", name="Third", switch=GOOD.ref))
    await datastore.commit([Set("lamps/other", {"objType": "Lamp", "name": "Other", "switch": switch})])
    would = await preview(datastore, LampPage)
    assert (would.created, would.failed) == (2, 1)
    [done] = await rebuild(datastore, [LampPage])
    assert (done.built, done.failed, done.complete) == (3, 1, True)
    recorded = await metadata(datastore, LampPage, "other")
    assert recorded is not None
    assert recorded.failure is not None
    assert "LampStore.switch" in recorded.failure.message
    reader = ViewReader(datastore, CATALOG)
    lamp, other, third = await reader.read_each(LampPage, ["lamp", "other", "third"])
    assert isinstance(other, BuildError)
    assert [one.document["light"] for one in (lamp, third) if not isinstance(one, BFFError) and one.document] == [
        "Lamp on",
        "Third on",
    ]
    async with Projector(datastore, CATALOG, retry=Backoff(first=60), save_seconds=0.02) as projector:
        await projector.wait_rebuilt()
        assert [failure.key for failure in projector.status().failures] == ["other"]
        await projector.wait_for(await write(datastore, OTHER, Switch(id="t", label="on")), 20)
        assert projector.status().failing == 0
    assert await light(datastore, "other") == "Other on"


class Down(Wrapped):
    """A datastore that can be away."""

    down = False

    async def on_call(self, call: str) -> None:
        if self.down:
            raise DatastoreUnavailable("it is away")

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        if self.down:
            raise DatastoreUnavailable("it is away")
        return await super().commit(writes, expect)


async def test_a_datastore_that_goes_away_is_waited_for(datastore: Datastore, caplog: pytest.LogCaptureFixture) -> None:
    OUTSIDE["broken"] = False
    away = Down(datastore)
    with caplog.at_level(logging.CRITICAL):
        async with Projector(away, CATALOG, backoff=Backoff(first=0.01, limit=0.02), save_seconds=0.01) as projector:
            await projector.wait_rebuilt()
            away.down = True
            timepoint = await write(datastore, GOOD, LAMP)
            async with asyncio.timeout(20):
                while all(task.state is not State.FAILING for task in projector.status().tasks):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert not projector.status().healthy
            away.down = False
            await projector.wait_for(timepoint, 20)
            assert await light(datastore) == "Lamp on"
            assert projector.status().failing == 0


async def test_a_datastore_that_is_down_at_the_start_is_waited_for(
    datastore: Datastore, caplog: pytest.LogCaptureFixture
) -> None:
    OUTSIDE["broken"] = False
    away = Down(datastore)
    away.down = True
    await write(datastore, GOOD, LAMP)
    with caplog.at_level(logging.CRITICAL):
        async with Projector(away, CATALOG, backoff=Backoff(first=0.01, limit=0.02)) as projector:
            async with asyncio.timeout(20):
                while projector.status().healthy:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            away.down = False
            await settled(datastore, projector)
            assert await light(datastore) == "Lamp on"


async def test_a_view_that_reads_too_many_documents_says_so_once(datastore: Datastore, caplog: pytest.LogCaptureFixture) -> None:
    class Greedy(ViewModel, max_documents=1):
        store: LampStore

        @field
        def name(self) -> str:
            return self.store.lamp.name

    await write(datastore, GOOD, LAMP, OTHER)
    views = ViewReader(datastore, Catalog.of([Greedy]))
    await views.read(Greedy, ["lamp"])
    await views.read(Greedy, ["other"])
    warnings = [record.message for record in caplog.records if "max_documents" in record.message]
    assert warnings == [
        "Greedy reads 2 documents, over its limit of 1: every change of one of them builds it again (max_documents)"
    ]


async def test_a_view_that_no_datastore_would_take_is_a_failure(datastore: Datastore, projector: Projector) -> None:
    """Two documents that fit make a view that does not."""
    await write(datastore, Switch(id="s", label="x" * 600_000), Lamp(id="lamp", name="y" * 600_000, switch=GOOD.ref))
    await settled(datastore, projector)
    [failure] = projector.status().failures
    assert failure.error.startswith("DocumentTooLarge")
    assert await light(datastore) == "Lamp on"
    await write(datastore, LAMP, GOOD)
    await settled(datastore, projector)
    assert projector.status().failing == 0


async def test_unread_failures_leave_nothing_unbounded(datastore: Datastore) -> None:
    """What fails without ever having been good stores no view document."""
    OUTSIDE["broken"] = True
    try:
        await write(datastore, GOOD, LAMP)
        views = ViewReader(datastore, CATALOG)
        for _ in range(3):
            with pytest.raises(BuildError):
                await views.read(LampPage, ["lamp"])
        assert not await everything(datastore, "LampPage")
        stored = await metadata(datastore, LampPage, "lamp")
        assert stored is not None
        assert stored.failure is not None
    finally:
        OUTSIDE["broken"] = False
