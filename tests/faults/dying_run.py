"""A mill whose handlers and effects end their own process: with what they are given, or with what they become."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Set
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.effect import effect
from bff.model.mediator import Mediator, source
from bff.model.outbox_entry import OUTBOX
from bff.projection.checkpoint import PROJECTORS
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation
from bff.projection.outbox import Outbox, OutboxOptions
from bff.query import Compare, Op, Query
from bff.supervisor import Backoff
from tests.faults.forked import work_off

__all__ = ["ATTEMPTS", "ENDED", "OPTIONS", "Life", "work"]

ATTEMPTS = 3
ENDED = 9
"""How a process ends whose handler ends it."""

LIFE_SECONDS = 30
RETRY = Backoff(first=0.01, limit=0.02)
OPTIONS = HandlingOptions(attempts=ATTEMPTS, save_seconds=0.01, retry=RETRY)


class Sack(DomainModel, collection="sacks"):
    content: str


class Flour(DomainModel, collection="flours"):
    times: int = 0


@effect(seconds=0.1)
async def deliver(content: str, key: str) -> None:
    if content == "dynamite":
        os._exit(ENDED)


class Mill(Mediator):
    sacks = source(Sack)

    @sacks.on_change
    async def grind(self, sack: Sack) -> None:
        match sack.content:
            case "gunpowder":
                os._exit(ENDED)
            case "sand":
                raise ValueError("it does not grind")
            case "dynamite":
                deliver.send(sack.content)
        flour = await Flour.get(sack.id) or Flour(id=sack.id)
        flour.times += 1
        await flour.save()


CATALOG = Catalog.of([], [Mill], effects=[deliver])


@dataclass(frozen=True)
class Life:
    """Writes these sacks, before it begins to grind or (``later``) once that is at work; ends when nothing is left to try."""

    url: str
    log: str
    sacks: dict[str, str]
    later: bool = False


def work() -> None:
    """Work off the jobs on standard input."""
    work_off(Life, _run, log=lambda job: job.log, environment=lambda job: {}, seconds=LIFE_SECONDS)


async def _run(life: Life) -> None:
    writes = [Set(f"sacks/{id}", Sack(id=id, content=content).to_data()) for id, content in life.sacks.items()]
    async with open_datastore(life.url) as datastore:
        if writes and not life.later:
            await datastore.commit(writes)
        sending = OutboxOptions(attempts=ATTEMPTS, grace=0.0, retry=RETRY)
        async with Mediation(datastore, CATALOG, OPTIONS) as mediation, Outbox(datastore, CATALOG, sending):
            await mediation.wait_for(await datastore.ping())
            if writes and life.later:
                while await _starting(datastore):  # noqa: ASYNC110 - what is waited for is a state, not an event
                    await asyncio.sleep(0.005)
                await mediation.wait_for((await datastore.commit(writes)).timepoint)
            while mediation.status()[0].failing or await _to_be_sent(datastore):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)


async def _starting(datastore: Datastore) -> bool:
    async with datastore.snapshot() as snapshot:
        [document] = await snapshot.get([f"{PROJECTORS}/mediator:Mill:starting"])
    return document.exists


async def _to_be_sent(datastore: Datastore) -> bool:
    async with datastore.snapshot() as snapshot:
        return bool(await snapshot.query(Query(OUTBOX, Compare("pending", Op.EQ, True))))
