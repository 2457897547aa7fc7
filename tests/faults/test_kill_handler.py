"""A handler, or an effect, that ends its process has made an attempt: after so many it is set aside, and others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.datastore.connect import open_datastore
from bff.projection.attempts import DIED
from bff.projection.checkpoint import PROJECTORS
from bff.projection.dead import DeadLetter, DeadLetters
from bff.query import Query
from tests.faults.dying_run import ATTEMPTS, ENDED, Life
from tests.faults.killed_run import Forker

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker("tests.faults.dying_run") as running:
        yield running


class Mill:
    """Lives, one after the other, in one datastore."""

    def __init__(self, forker: Forker, place: Path) -> None:
        self._forker = forker
        self._log = place / "log"
        self._url = f"sqlite:///{place / 'mill.db'}"

    def life(self, *, later: bool = False, **sacks: str) -> int:
        """How one ended."""
        return self._forker.run(Life(self._url, str(self._log), sacks, later))

    def lives(self) -> int:
        """How many more ended by what they did, before one did not."""
        for ended in range(50):
            outcome = self.life()
            if outcome == 0:
                return ended
            assert outcome == ENDED, self._log.read_text()[-4000:]
        raise AssertionError("it never ends")

    async def ground(self) -> dict[str, int]:
        async with open_datastore(self._url) as datastore, datastore.snapshot() as snapshot:
            assert {one.id for one in await snapshot.query(Query(PROJECTORS))} == {"mediator:Mill", "outbox"}, (
                "no trace of a start"
            )
            return {one.id: int(str((one.data or {})["times"])) for one in await snapshot.query(Query("flours"))}

    async def set_aside(self) -> list[DeadLetter]:
        async with open_datastore(self._url) as datastore:
            return [letter async for letter in DeadLetters(datastore)]


@pytest.fixture
def mill(forker: Forker, tmp_path: Path) -> Mill:
    return Mill(forker, tmp_path)


@pytest.mark.parametrize("later", [False, True], ids=["there from the start", "written later"])
async def test_a_handler_that_ends_its_process_is_set_aside(mill: Mill, *, later: bool) -> None:
    assert mill.life(later=later, a="corn", bad="gunpowder", z="rye") == ENDED
    assert mill.lives() in {ATTEMPTS, ATTEMPTS + 1}, "one or two before anybody takes notes"
    [letter] = await mill.set_aside()
    assert (letter.key, letter.attempts) == ("sacks/bad", ATTEMPTS)
    assert letter.error == "HandlerDied: the process ended before this was done"
    assert await mill.ground() == {"a": 1, "z": 1}, "the others are handled, once"
    assert mill.life(b="oats") == 0
    assert mill.life(bad="wheat") == 0, "a document that has changed is tried again"
    assert await mill.set_aside() == []
    assert await mill.ground() == {"a": 1, "z": 1, "b": 1, "bad": 1}


async def test_what_raises_where_attempts_are_noted_counts_once_for_each(mill: Mill) -> None:
    assert mill.life(a="corn", bad="gunpowder", raising="sand") == ENDED
    mill.lives()
    found = {letter.key: (letter.attempts, letter.error) for letter in await mill.set_aside()}
    assert {key: attempts for key, (attempts, _) in found.items()} == {"sacks/raising": ATTEMPTS, "sacks/bad": ATTEMPTS}
    # The other one may have ended the process in the middle of its last attempt, which is then the last that is known of it.
    assert found["sacks/raising"][1] in {"ValueError: it does not grind", f"{type(DIED).__name__}: {DIED}"}


async def test_an_effect_that_ends_its_process_is_set_aside(mill: Mill) -> None:
    assert mill.life(d="dynamite") == ENDED
    assert mill.lives() == ATTEMPTS - 1
    [letter] = await mill.set_aside()
    assert (letter.name, letter.attempts, letter.error) == (
        "deliver",
        ATTEMPTS,
        "the process that called it ended, or did not answer",
    )
    assert await mill.ground() == {"d": 1}
