"""Documents that no mediator can handle are set aside after so many attempts, and come back when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.model.mediator import Mediator, source
from bff.projection.dead import DeadLetter, DeadLetters
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation, handlings
from bff.supervisor import Backoff
from tests.projection.support import delete, everything, write
from tests.projection.test_mediation import BROKEN, CATALOG, Order, Stock, left, texts

pytestmark = pytest.mark.anyio

OPTIONS = HandlingOptions(attempts=3, seconds=5.0, save_seconds=0.01, retry=Backoff(first=0.01, limit=0.02))


@pytest.fixture
async def mediation(datastore: Datastore, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Mediation]:
    BROKEN.clear()
    BROKEN.add("ink")
    await write(datastore, Stock(id="pen", left=100), Stock(id="ink", left=100))
    with caplog.at_level("CRITICAL"):
        async with Mediation(datastore, CATALOG, OPTIONS) as running:
            yield running


async def dead(datastore: Datastore, count: int) -> list[DeadLetter]:
    """Those that are set aside, once there are so many."""
    letters = DeadLetters(datastore, handlings(datastore, CATALOG, OPTIONS))
    async with asyncio.timeout(20):
        while (await letters.counts()).documents != count:  # noqa: ASYNC110 - what is waited for is a state, not an event
            await asyncio.sleep(0.01)
    return [letter async for letter in letters]


async def test_after_so_many_attempts_it_is_set_aside_and_others_go_on(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink")))
    [letter] = await dead(datastore, 1)
    assert (letter.name, letter.key, letter.attempts) == ("Warehouse", "orders/bad", 3)
    assert letter.error == "RuntimeError: ink is out"
    assert letter.since > 0
    await mediation.wait_for(await write(datastore, Order(id="good", item="pen")))
    assert await texts(datastore) == ["took 1 pen"]
    assert mediation.status()[0].failing == 0, "nobody tries it by himself"


async def test_it_stays_set_aside_over_a_restart_and_a_lost_checkpoint(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink")))
    await dead(datastore, 1)
    await mediation.__aexit__(None, None, None)
    BROKEN.clear()
    await delete(datastore, "_bff_projectors/mediator:Warehouse")
    async with Mediation(datastore, CATALOG, OPTIONS) as restarted:
        await restarted.wait_for(await write(datastore, Order(id="next", item="pen")))
    assert await texts(datastore) == ["took 1 pen"]
    assert len(await dead(datastore, 1)) == 1


class Sluice(Mediator):
    """Fails once, and does not end then."""

    orders = source(Order)
    tried: ClassVar[list[asyncio.Event]] = []

    @orders.on_create
    async def open(self, order: Order) -> None:
        second = self.tried.pop()
        if self.tried:
            raise RuntimeError("the first time")
        second.set()
        await asyncio.Event().wait()


async def test_an_attempt_that_is_cut_short_by_the_end_of_its_process_is_none(datastore: Datastore) -> None:
    second = asyncio.Event()
    Sluice.tried[:] = [second, second]
    async with Mediation(datastore, Catalog.of([], [Sluice]), OPTIONS) as running:
        await running.wait_for(await datastore.ping())
        await write(datastore, Order(id="one", item="pen"))
        await asyncio.wait_for(second.wait(), 20)
        noted = (await everything(datastore, "_bff_mediators"))["Sluice:orders%2Fone"].data
        assert noted is not None
        assert (noted["attempts"], noted["begun"]) == (2, True), "noted before it is made"
    [left] = (await everything(datastore, "_bff_mediators")).values()
    assert left.data is not None
    assert (left.data["attempts"], "begun" in left.data) == (1, False)
    assert left.data["error"] == "RuntimeError: the first time"
    assert set(await everything(datastore, "_bff_projectors")) == {"mediator:Sluice"}, "it has come through its start"


async def test_a_retry_that_works_clears_it_and_one_that_does_not_keeps_it(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink")))
    [letter] = await dead(datastore, 1)
    letters = DeadLetters(datastore, handlings(datastore, CATALOG, OPTIONS))
    assert letters.knows(letter)
    assert await letters.retry(letter) == "RuntimeError: ink is out"
    [again] = await dead(datastore, 1)
    assert (again.attempts, again.since) == (4, letter.since)
    BROKEN.clear()
    assert await letters.retry(letter) is None
    assert await dead(datastore, 0) == []
    assert (await texts(datastore), await left(datastore, "ink")) == (["took 1 ink"], 99)
    # Once more is no more: the version is handled.
    assert await letters.retry(letter) is None
    assert await left(datastore, "ink") == 99


async def test_a_document_that_changes_is_tried_anew(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink")))
    await dead(datastore, 1)
    await mediation.wait_for(await write(datastore, Order(id="bad", item="pen")))
    assert await dead(datastore, 0) == []
    assert await texts(datastore) == ["took 1 pen"], "it was never handled before: it is a created one"


async def test_one_that_is_deleted_is_nobodys_concern_any_more(datastore: Datastore, mediation: Mediation) -> None:
    await mediation.wait_for(await write(datastore, Order(id="bad", item="ink")))
    await dead(datastore, 1)
    await mediation.wait_for(await delete(datastore, "orders/bad"))
    assert await dead(datastore, 0) == []
    assert not await everything(datastore, "_bff_mediators")


async def test_a_document_that_cannot_be_read_is_one_of_them(datastore: Datastore, mediation: Mediation) -> None:
    from bff.datastore.port import Set

    await datastore.commit([Set("orders/odd", {"item": 3, "count": "many"})])
    [letter] = await dead(datastore, 1)
    assert letter.error.startswith("InvalidDocument: orders/odd")
