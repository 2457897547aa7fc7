"""Mutations send effects: once where they are committed, not at all where they are not, and once for each idempotency key."""

from __future__ import annotations

import pytest

from bff import App, DomainError, DomainModel, Store, ViewModel, effect, field, mutation, reference
from bff.model.session import NoSession
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
