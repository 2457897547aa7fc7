"""Mutations send effects: once where they are committed, not at all where they are not, and once for each idempotency key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from bff import App, DomainError, DomainModel, Store, ViewModel, effect, field, mutation, reference
from bff.datastore.port import Merge
from bff.model.outbox_entry import SENT as MARKS
from bff.model.session import NoSession
from bff.query import Query
from bff.settings import Settings
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

SENT: list[tuple[str, str]] = []


@effect
async def ring(bell: str, key: str) -> None:
    SENT.append((bell, key))


class Deaf(DomainError):
    """Nobody hears it."""


class Door(DomainModel, collection="doors"):
    rung: int = 0

    @mutation(returns="DoorView")
    def knock(self, loudly: bool) -> None:
        ring.send(f"door {self.id}")
        self.rung += 1
        if not loudly:
            raise Deaf


class DoorStore(Store):
    door = reference(Door)


class DoorView(ViewModel):
    store: DoorStore

    @field
    def rung(self) -> int:
        return self.store.door.rung

    @field
    def sneaky(self) -> str:
        try:
            ring.send("from a getter")
        except NoSession:
            return "refused"
        return "sent"


app = App(views=[DoorView], effects=[ring])
KNOCK = 'mutation($loudly: Boolean!) { doorKnock(id: "d", loudly: $loudly) { rung sneaky } }'


async def test_a_mutation_sends_what_it_commits(caplog: pytest.LogCaptureFixture) -> None:
    SENT.clear()
    async with AppHarness(app) as running:
        await Door(id="d").save()
        answer = await running.execute(KNOCK, {"loudly": False})
        assert answer["errors"][0]["extensions"]["code"] == "DEAF"
        once = {"bff": {"idempotencyKey": "k1"}}
        first = await running.execute(KNOCK, {"loudly": True}, extensions=once)
        assert first["data"]["doorKnock"] == {"rung": 1, "sneaky": "refused"}
        assert (await running.execute(KNOCK, {"loudly": True}, extensions=once))["data"] == first["data"]
        await running.handled()
        assert [bell for bell, _ in SENT] == ["door d"]
        await running.execute(KNOCK, {"loudly": True})
        await running.handled()
    assert len({key for _, key in SENT}) == len(SENT) == 2


async def test_that_it_was_sent_is_kept_for_as_long_as_is_set() -> None:
    async with AppHarness(app, settings=Settings(datastore_url="sqlite://", sent_days=2)) as running:
        await Door(id="d").save()
        await running.execute(KNOCK, {"loudly": True})
        await running.handled()
        datastore, expiry, now = running.runtime.datastore, running.runtime.expiry, datetime.now(UTC)
        assert expiry is not None
        async with datastore.snapshot() as snapshot:
            [mark] = await snapshot.query(Query(MARKS))
        assert mark.data is not None
        assert timedelta(days=1.9) < cast("datetime", mark.data["expiresAt"]) - now <= timedelta(days=2)
        assert await expiry.once() == 0
        await datastore.commit([Merge(mark.path, {"expiresAt": now})])
        assert await expiry.once() == 1
