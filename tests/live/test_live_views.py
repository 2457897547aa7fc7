"""From a domain document that changed to who looks at a view of it: projector, relay, channel, hub."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from bff.broadcast.connect import open_broadcast
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Delete, Set
from bff.live.hub import Hub
from bff.live.relay import Relay
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from tests.live.support import CHANNELS, deadline

pytestmark = pytest.mark.anyio


class Ship(DomainModel, collection="ships"):
    name: str


class Sailor(DomainModel, collection="sailors"):
    name: str
    ship: Ref[Ship]


class CrewStore(Store):
    ship = reference(Ship)
    sailors = reference(Sailor, where=lambda s: Sailor.ship == s.ship.ref, many=True)


class Crew(ViewModel):
    store: CrewStore

    @field
    def ship(self) -> str:
        return self.store.ship.name

    @field
    def names(self) -> list[str]:
        return sorted(sailor.name for sailor in self.store.sailors)


CATALOG = Catalog.of([Crew])


def ship(id: str, name: str) -> Set:
    return Set(f"ships/{id}", {"name": name, "objType": "Ship"})


def sailor(id: str, name: str, ship: str) -> Set:
    return Set(f"sailors/{id}", {"name": name, "ship": f"ships/{ship}", "objType": "Sailor"})


def says(state: StoredView) -> object:
    return None if state.document is None else (state.document["ship"], state.document["names"])


async def until(states: AsyncIterator[StoredView], wanted: object) -> list[StoredView]:
    """What is told until it says this."""
    seen = []
    async for state in states:
        seen.append(state)
        if says(state) == wanted:
            return seen
    raise AssertionError(f"it ended before it said {wanted}: {seen}")


async def test_a_change_of_a_document_reaches_who_looks_at_a_view_of_it(datastore_url: str, broadcast_url: str) -> None:
    async with (
        deadline(60),
        open_datastore(datastore_url) as datastore,
        open_broadcast(broadcast_url) as broadcast,
        Projector(datastore, CATALOG) as projector,
        Relay(datastore, broadcast, CATALOG, channels=CHANNELS),
        Hub(broadcast, projector.views, channels=CHANNELS, compare_seconds=3600) as hub,
        hub.subscribe(Crew, "s1") as states,
    ):
        assert says(await anext(states)) is None
        await datastore.commit([ship("s1", "Beagle")])
        await until(states, ("Beagle", []))
        await datastore.commit([sailor("a", "Ann", "s1"), sailor("b", "Bob", "s1")])
        await until(states, ("Beagle", ["Ann", "Bob"]))
        await datastore.commit([Delete("sailors/a")])
        await until(states, ("Beagle", ["Bob"]))
        await datastore.commit([Delete("ships/s1")])
        await until(states, None)
        await datastore.commit([ship("s1", "Bounty")])
        await until(states, ("Bounty", ["Bob"]))


async def test_everybody_sees_the_last_state_whoever_was_killed_on_the_way(datastore_url: str, broadcast_url: str) -> None:
    """Random writes; projectors and relays that are killed and started again; subscribers of two processes."""
    chance = random.Random(datastore_url[:6] + broadcast_url[:6])
    ships = ["s1", "s2"]

    async def look_on(hub: Hub, key: str, entered: asyncio.Semaphore) -> list[StoredView]:
        async with hub.subscribe(Crew, key) as states:
            entered.release()
            return await until(states, (f"last {key}", [f"last {key}"]))

    async def change(datastore: Datastore) -> None:
        match chance.randrange(4):
            case 0:
                await datastore.commit([ship(chance.choice(ships), f"name {chance.randrange(100)}")])
            case 1:
                await datastore.commit([Delete(f"ships/{chance.choice(ships)}")])
            case _:
                await datastore.commit([sailor(chance.choice("abc"), f"name {chance.randrange(100)}", chance.choice(ships))])

    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(deadline(90))
        datastore = await stack.enter_async_context(open_datastore(datastore_url))
        broadcast = await stack.enter_async_context(open_broadcast(broadcast_url))
        views = ViewReader(datastore, CATALOG)
        hubs = [await stack.enter_async_context(Hub(broadcast, views, channels=CHANNELS, compare_seconds=3600)) for _ in "12"]
        entered = asyncio.Semaphore(0)
        looking = [(key, asyncio.create_task(look_on(hub, key, entered))) for hub in hubs for key in ships]
        for _ in looking:
            await entered.acquire()
        for _ in range(3):
            async with contextlib.AsyncExitStack() as parts:
                if chance.randrange(3):
                    await parts.enter_async_context(Projector(datastore, CATALOG))
                if chance.randrange(3):
                    await parts.enter_async_context(Relay(datastore, broadcast, CATALOG, channels=CHANNELS))
                for _ in range(8):
                    await change(datastore)
                    await asyncio.sleep(chance.choice([0, 0, 0.01]))
        await datastore.commit([Delete(f"sailors/{id}") for id in "abc"])
        for key in ships:
            await datastore.commit([ship(key, f"last {key}"), sailor(f"last-{key}", f"last {key}", key)])
        async with Projector(datastore, CATALOG), Relay(datastore, broadcast, CATALOG, channels=CHANNELS):
            for key, task in looking:
                seen = await task
                versions = [state.version for state in seen]
                assert versions == sorted(set(versions)), key
