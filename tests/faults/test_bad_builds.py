"""A mutation that was done, and a view that cannot be built from what it has left: the answer says that it was done."""

from __future__ import annotations

import pytest

import bff
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Egg(bff.DomainModel, collection="eggs"):
    minutes: int = 4

    @bff.mutation(returns="EggView")
    def boil(self, minutes: int) -> None:
        self.minutes = minutes

    @bff.mutation(returns="EggView")
    async def eat(self) -> None:
        await self.delete()


class EggStore(bff.Store):
    egg = bff.reference(Egg)


class EggView(bff.ViewModel):
    store: EggStore

    @bff.field
    def hardness(self) -> int:
        if self.store.egg.minutes == 0:
            raise ZeroDivisionError("secret: raw")
        return self.store.egg.minutes * 10

    @hardness.setter
    def hardness(self, value: int) -> None:
        self.store.egg.minutes = value // 10


@pytest.mark.parametrize(
    "mutation",
    [
        'mutation { eggBoil(id: "e", minutes: 0) { hardness } }',
        'mutation { updateEggView(id: "e", input: {hardness: 0}) { hardness } }',
    ],
)
async def test_a_view_that_can_no_longer_be_built(mutation: str) -> None:
    async with AppHarness(bff.App(views=[EggView])) as running:
        await Egg(id="e").save()
        await running.settled()
        answer = await running.execute(mutation)
        [error] = answer["errors"]
        assert error["message"] == "the change was made, and the view that it answers with cannot be built: do not try again"
        assert error["extensions"]["code"] == "BUILD_FAILED"
        assert "secret" not in str(answer)
        egg = await Egg.get("e")
        assert egg is not None
        assert egg.minutes == 0
        # Queries keep the last good one.
        assert (await running.execute('{ eggView(id: "e") { hardness } }'))["data"] == {"eggView": {"hardness": 40}}


async def test_a_view_that_is_gone() -> None:
    async with AppHarness(bff.App(views=[EggView])) as running:
        await Egg(id="e").save()
        [error] = (await running.execute('mutation { eggEat(id: "e") { hardness } }'))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
        assert "the mutation was done" in error["message"]
        assert await Egg.get("e") is None
