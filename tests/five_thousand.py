"""5,000 towns and their views, stored: what tests of long lists begin with.

The views are built by the builder, from documents that were committed; nothing is written behind its back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from bff.datastore.port import Datastore, Set
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.reader import ViewReader

__all__ = ["CATALOG", "COUNT", "Town", "TownCard", "key_of", "seed", "town"]

COUNT = 5_000
AT_ONCE = 250
CLASSES = 40
"""So few different populations that every page of a list by them ends among equal ones."""


class Town(DomainModel, collection="towns"):
    name: str
    region: str
    population: int


class TownStore(Store):
    town = reference(Town)


class TownCard(ViewModel):
    store: TownStore

    @field(filterable=True)
    def name(self) -> str:
        return self.store.town.name

    @field(filterable=True)
    def region(self) -> str:
        return self.store.town.region

    @field(filterable=True)
    def population(self) -> int:
        return self.store.town.population


CATALOG = Catalog.of([TownCard], [])


def key_of(number: int) -> str:
    return f"t{number:05}"


def town(key: str, chance: random.Random) -> Town:
    """A new town with one of a few populations and regions."""
    return Town(id=key, name=f"Town {key}", region=chance.choice("NESW"), population=1000 * chance.randrange(CLASSES))


async def seed(datastore: Datastore, chance: random.Random, count: int = COUNT) -> list[Town]:
    """Store so many towns and their views; the towns, by key."""
    towns = [town(key_of(number), chance) for number in range(count)]
    views = ViewReader(datastore, CATALOG)
    for start in range(0, count, 2 * AT_ONCE):
        parts = [towns[at : at + AT_ONCE] for at in (start, start + AT_ONCE)]
        await asyncio.gather(*(_store(datastore, views, part) for part in parts if part))
    return towns


async def _store(datastore: Datastore, views: ViewReader, towns: Sequence[Town]) -> None:
    await datastore.commit([Set(one.path, one.to_data()) for one in towns])
    await views.fresh(TownCard, [one.id for one in towns])
