"""A library of which old and new code each have a storage, in processes that are killed while the new one is being built."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.storages import Storages
from bff.query import Query
from tests.faults.forked import work_off
from tests.faults.killing import KILL, TRACE, KillingDatastore
from tests.faults.rebuilding_run import AUTHORS, BOOKS, Author, keep_writing, new, old, write, written

__all__ = ["NEW", "OLD", "Life", "work"]

LIFE_SECONDS = 100

OLD, NEW = old(beside=True), new(beside=True)


@dataclass(frozen=True)
class Life:
    """Old and new code side by side under writes. One that ``begins`` has the old code's views first; it may be killed where
    the new code's projector asks something of the datastore.
    """

    url: str
    log: str
    begins: bool = True
    kill: str = ""
    trace: str = ""


def work() -> None:
    """Work off the jobs on standard input."""
    work_off(
        Life,
        _run,
        log=lambda job: job.log,
        environment=lambda job: {"BFF_DATASTORE_URL": job.url, KILL: job.kill, TRACE: job.trace},
        seconds=LIFE_SECONDS,
    )


async def _run(life: Life) -> None:
    async with KillingDatastore() as killing:
        datastore = killing.inner
        if life.begins:
            authors = [Author(id=f"a{number}", name=f"name {number}") for number in range(AUTHORS)]
            await write(datastore, *authors, *(written(number, 0) for number in range(BOOKS)))
        async with Projector(datastore, Catalog.of([OLD])) as older:
            await older.wait_rebuilt()
            writing = asyncio.create_task(keep_writing(datastore))
            listing = asyncio.create_task(_keep_listing(datastore))
            async with Projector(killing, Catalog.of([NEW]), save_seconds=0.2) as newer:
                await newer.wait_rebuilt(LIFE_SECONDS)
                writing.cancel()
                with suppress(asyncio.CancelledError):
                    await writing
                at = await write(datastore, Author(id="a0", name="the last"))
                await older.wait_for(at)
                await newer.wait_for(at)
            listing.cancel()
            with suppress(asyncio.CancelledError):
                await listing


async def _keep_listing(datastore: Datastore) -> None:
    """A list of the new code has every book, and each as the new code has it, whichever storage it is from."""
    async with Storages(datastore, Catalog.of([NEW])) as storages:
        views = ViewReader(datastore, Catalog.of([NEW]), storages=storages)
        while True:
            found = await views.find(Query(NEW.__view__.collection), NEW)
            assert len(found) >= BOOKS, f"{len(found)} of {BOOKS}"
            for one in found:
                assert one.document is not None, one.key
                assert "author" in one.document, one.document
            await asyncio.sleep(0.05)
