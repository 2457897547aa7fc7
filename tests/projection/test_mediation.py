"""Mediators react to documents: once for each version, in the same commit as what they write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink, source
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation
from bff.supervisor import Backoff
from tests.projection.support import Holding, delete, everything, get, write

pytestmark = pytest.mark.anyio


class Order(DomainModel, collection="orders"):
    item: str
    count: int = 1


class Stock(DomainModel, collection="stocks"):
    left: int


class Entry(DomainModel, collection="entries"):
    text: str
    order: Ref[Order] | None = None


BROKEN: set[str] = set()


class Warehouse(Mediator):
    orders = source(Order)
    entries = sink(Entry)

    @orders.on_create
    async def take(self, order: Order) -> None:
        if order.item in BROKEN:
            raise RuntimeError(f"{order.item} is out")
        stock = await Stock.get(order.item)
        assert stock is not None
        stock.left -= order.count
        self.entries.emit(Entry.new(text=f"took {order.count} {order.item}", order=order.ref))

    @orders.on_update
    def note(self, order: Order) -> None:
        self.entries.emit(Entry.new(text=f"now {order.count} {order.item}", order=order.ref))

    @orders.on_delete
    def undo(self, order: Order) -> None:
        self.entries.emit(Entry.new(text=f"no {order.count} {order.item}"))


class OrderStore(Store):
    order = reference(Order)


class OrderPage(ViewModel):
    store: OrderStore

    @field
    def item(self) -> str:
        return self.store.order.item


CATALOG = Catalog.of([OrderPage], [Warehouse])
QUICK = HandlingOptions(attempts=1_000_000, save_seconds=0.01, retry=Backoff(first=0.02, limit=0.05))


async def texts(datastore: Datastore) -> list[str]:
    return sorted(str((document.data or {})["text"]) for document in (await everything(datastore, "entries")).values())


async def left(datastore: Datastore, item: str = "pen") -> object:
    return ((await get(datastore, f"stocks/{item}")).data or {})["left"]


@pytest.fixture
async def mediation(datastore: Datastore) -> AsyncIterator[Mediation]:
    BROKEN.clear()
    await write(datastore, Stock(id="pen", left=100), Stock(id="ink", left=100))
    async with Mediation(datastore, CATALOG, QUICK) as running:
        yield running


async def test_creation_update_and_deletion_are_told_apart(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="o", item="pen")))
    assert (await texts(datastore), await left(datastore)) == (["took 1 pen"], 99)
    await mediation.wait_for(await write(datastore, Order(id="o", item="pen", count=3)))
    assert await texts(datastore) == ["now 3 pen", "took 1 pen"]
    await mediation.wait_for(await delete(datastore, "orders/o"))
    assert await texts(datastore) == ["no 3 pen", "now 3 pen", "took 1 pen"]
    await mediation.wait_for(await write(datastore, Order(id="o", item="pen", count=5)))
    assert await left(datastore) == 94
    assert not (await everything(datastore, "_bff_views"))


async def test_many_orders_of_one_item_at_once(datastore: Datastore, mediation: Mediation) -> None:
    """Triggers run side by side, and each is a serializable unit of work."""
    await mediation.wait_for(await write(datastore, *(Order(id=f"o{number}", item="pen") for number in range(30))))
    assert (len(await texts(datastore)), await left(datastore)) == (30, 70)


async def test_two_processes_do_it_once(datastore: Datastore, mediation: Mediation) -> None:
    async with Mediation(datastore, CATALOG) as other:
        timepoint = await write(datastore, *(Order(id=f"o{number}", item="pen") for number in range(20)))
        await mediation.wait_for(timepoint)
        await other.wait_for(timepoint)
    assert (len(await texts(datastore)), await left(datastore)) == (20, 80)


async def test_a_trigger_that_raises_is_tried_again_and_stops_nobody(datastore: Datastore, mediation: Mediation) -> None:
    BROKEN.add("ink")
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink"), Order(id="good", item="pen")))
    assert await texts(datastore) == ["took 1 pen"]
    [status] = mediation.status()
    assert (status.name, status.failing) == ("Warehouse", 1)
    assert status.failures[0].key == "orders/bad"
    assert status.failures[0].error == "RuntimeError: ink is out"
    assert status.healthy
    BROKEN.clear()
    async with asyncio.timeout(20):
        while mediation.status()[0].failing:  # noqa: ASYNC110 - what is waited for is a state, not an event
            await asyncio.sleep(0.01)
    assert await texts(datastore) == ["took 1 ink", "took 1 pen"]


async def test_a_failure_survives_a_restart(datastore: Datastore, mediation: Mediation) -> None:
    BROKEN.add("ink")
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink")))
    await mediation.__aexit__(None, None, None)
    BROKEN.clear()
    async with Mediation(datastore, CATALOG, QUICK) as restarted:
        await restarted.wait_for(await write(datastore, Order(id="next", item="pen")))
        async with asyncio.timeout(20):
            while restarted.status()[0].failing:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert await texts(datastore) == ["took 1 ink", "took 1 pen"]


async def test_what_happened_while_away_is_handled_once(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="o", item="pen"), Order(id="p", item="pen")))
    await mediation.__aexit__(None, None, None)
    await write(datastore, Order(id="q", item="pen"))
    await delete(datastore, "orders/o")
    async with Mediation(datastore, CATALOG) as restarted:
        await restarted.wait_for(await write(datastore, Stock(id="ink", left=1), Order(id="r", item="pen")))
    assert (await texts(datastore), await left(datastore)) == (["no 1 pen", *["took 1 pen"] * 4], 96)


async def test_a_lost_checkpoint_repeats_nothing_and_misses_no_deletion(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="o", item="pen"), Order(id="p", item="pen")))
    await mediation.__aexit__(None, None, None)
    await delete(datastore, "orders/o", "_bff_projectors/mediator:Warehouse")
    async with Mediation(datastore, CATALOG) as restarted:
        await restarted.wait_for(await write(datastore, Order(id="q", item="pen")))
    assert (await texts(datastore), await left(datastore)) == (["no 1 pen", *["took 1 pen"] * 3], 97)


async def test_dying_between_any_two_calls_loses_and_repeats_nothing(datastore: Datastore) -> None:
    BROKEN.clear()
    await write(datastore, Stock(id="pen", left=100))
    for at in range(1, 12):
        dying = Holding(datastore, at)
        async with Mediation(dying, CATALOG, QUICK) as mediation:
            timepoint = await write(datastore, Order(id=f"o{at}", item="pen"))
            waiting = asyncio.create_task(mediation.wait_for(timepoint))
            held = asyncio.create_task(dying.held.wait())
            async with asyncio.timeout(20):
                await asyncio.wait({waiting, held}, return_when=asyncio.FIRST_COMPLETED)
            held.cancel()
            waiting.cancel()
            await asyncio.gather(waiting, held, return_exceptions=True)
            dying.drop()
        async with Mediation(datastore, CATALOG) as mediation:
            await mediation.wait_for(await write(datastore, Order(id=f"p{at}", item="pen")))
        assert await left(datastore) == 100 - 2 * at
    assert len(await texts(datastore)) == 22


async def test_what_a_trigger_writes_to_its_own_document_calls_it_no_more(datastore: Datastore) -> None:
    class Rounder(Mediator):
        orders = source(Order)

        @orders.on_change
        def round(self, order: Order) -> None:
            order.count += 1

    async with Mediation(datastore, Catalog.of([OrderPage], [Rounder])) as mediation:
        await mediation.wait_for(await write(datastore, Order(id="o", item="pen", count=1)))
        await mediation.wait_for(await write(datastore, Order(id="p", item="pen", count=1)))
        await mediation.wait_for(await write(datastore, Order(id="o", item="ink", count=10)))
        await mediation.wait_for(await write(datastore, Order(id="p", item="ink", count=10)))
    counts = {id: (document.data or {})["count"] for id, document in (await everything(datastore, "orders")).items()}
    assert counts == {"o": 11, "p": 11}


class Job(DomainModel, collection="jobs"):
    what: str


class Worker(Mediator):
    """A queue: what is done is gone."""

    jobs = source(Job)
    entries = sink(Entry)

    @jobs.on_create
    async def do(self, job: Job) -> None:
        self.entries.emit(Entry.new(text=f"did {job.what}"))
        await job.delete()

    @jobs.on_delete
    def gone(self, job: Job) -> None:
        self.entries.emit(Entry.new(text=f"{job.what} is gone"))


async def test_a_trigger_that_deletes_its_own_document_is_not_called_for_that(datastore: Datastore) -> None:
    """And what is created under the same id is a new one, however soon."""
    async with Mediation(datastore, Catalog.of([], [Worker]), QUICK) as mediation:
        for number in range(5):
            # Its deletion is later than that, and has hardly been looked at when the next one is there.
            await mediation.wait_for(await write(datastore, Job(id="j", what=f"n{number}")))
            assert not (await get(datastore, "jobs/j")).exists
        await mediation.wait_for(await datastore.ping())
    assert await texts(datastore) == [f"did n{number}" for number in range(5)]
    assert not await everything(datastore, "_bff_mediators")
