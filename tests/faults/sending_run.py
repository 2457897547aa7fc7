"""A shop that tells somebody else of each order: mediator, mark and outbox, in processes that are killed."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from bff.datastore.port import Datastore, Set
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.effect import effect
from bff.model.mediator import Mediator, source
from bff.model.outbox_entry import OUTBOX
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation
from bff.projection.outbox import Outbox, OutboxOptions
from bff.query import Query
from tests.faults.forked import work_off
from tests.faults.killing import KILL, TRACE, KillingDatastore

__all__ = ["ORDERS", "Life", "work"]

ORDERS = 3
LIFE_SECONDS = 60
RECEIVER = "FAULTS_RECEIVER"


class Purchase(DomainModel, collection="purchases"):
    amount: int


class Account(DomainModel, collection="accounts"):
    purchases: int = 0
    total: int = 0


@effect(seconds=0.5)
async def charge(amount: int, key: str) -> None:
    """A payment: the receiver answers once it has written it down."""
    where = urlsplit(os.environ[RECEIVER])
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(f"{key} {amount}\n".encode())
    await writer.drain()
    assert await reader.readline() == b"ok\n"
    writer.close()


class Till(Mediator):
    purchases = source(Purchase)

    @purchases.on_create
    async def account(self, purchase: Purchase) -> None:
        account = await Account.get("one") or Account(id="one")
        account.purchases += 1
        account.total += purchase.amount
        await account.save()
        charge.send(purchase.amount, order="one")


CATALOG = Catalog.of([], [Till], effects=[charge])


@dataclass(frozen=True)
class Life:
    """Buys three times (where it ``buys``), and ends once everything is sent, unless it is killed before."""

    url: str
    receiver: str
    log: str
    buys: bool = True
    kill: str = ""
    trace: str = ""


def work() -> None:
    """Work off the jobs on standard input."""
    work_off(
        Life,
        _run,
        log=lambda job: job.log,
        environment=lambda job: {"BFF_DATASTORE_URL": job.url, KILL: job.kill, TRACE: job.trace, RECEIVER: job.receiver},
        seconds=LIFE_SECONDS,
    )


async def _run(life: Life) -> None:
    async with KillingDatastore() as datastore:
        if life.buys:
            writes = [Set(f"purchases/p{number}", Purchase(id="p", amount=10**number).to_data()) for number in range(ORDERS)]
            await datastore.inner.commit(writes)
        options = HandlingOptions(save_seconds=0.05)
        async with Mediation(datastore, CATALOG, options) as mediation, Outbox(datastore, CATALOG, OutboxOptions(grace=0.2)):
            await mediation.wait_for(await datastore.ping())
            while await _waiting(datastore.inner):  # noqa: ASYNC110 - what is waited for is a state, not an event
                await asyncio.sleep(0.02)


async def _waiting(datastore: Datastore) -> bool:
    async with datastore.snapshot() as snapshot:
        return bool(await snapshot.query(Query(OUTBOX)))
