"""Notes of builds that nobody has made sure of yet."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore, Set
from bff.document import Document
from bff.errors import OutcomeUnknown
from bff.projection.unchecked import UNCHECKED, Note, Unchecked, note_data
from tests.projection.support import Wrapped, everything, get

pytestmark = pytest.mark.anyio

A, B, C = ("Page", "a"), ("Page", "b"), ("Page", "c")


async def stored(datastore: Datastore, unchecked: Unchecked, note: Note) -> Document:
    await datastore.commit([unchecked.write(note, 5)])
    return await get(datastore, note.path)


async def test_it_is_there_until_each_of_its_builds_is_checked(datastore: Datastore) -> None:
    unchecked = Unchecked()
    attempt = unchecked.attempt()
    note = unchecked.begin("Page", ["a", "b"], attempt)
    await stored(datastore, unchecked, note)
    unchecked.passed(A, attempt)
    await unchecked.flush(datastore)
    assert await everything(datastore, UNCHECKED)
    unchecked.passed(B, attempt)
    assert unchecked.done == 1
    await unchecked.flush(datastore)
    assert not await everything(datastore, UNCHECKED)
    assert unchecked.done == 0


async def test_one_that_is_not_needed_any_more_serves_the_next_commit(datastore: Datastore) -> None:
    unchecked = Unchecked()
    first = unchecked.attempt()
    note = unchecked.begin("Page", ["a"], first)
    await stored(datastore, unchecked, note)
    unchecked.passed(A, first)
    second = unchecked.attempt()
    assert unchecked.begin("Page", ["b"], second) is note
    other = unchecked.begin("Page", ["c"], second)
    assert other.path != note.path
    unchecked.undo(other)
    unchecked.undo(note)
    await unchecked.flush(datastore)
    assert not await everything(datastore, UNCHECKED), "what was stored of the first is removed"


async def test_only_an_attempt_that_began_later_speaks_for_it(datastore: Datastore) -> None:
    unchecked = Unchecked()
    earlier, later = unchecked.attempt(), unchecked.attempt()
    unchecked.begin("Page", ["a"], later)
    unchecked.passed(A, earlier)
    assert unchecked.done == 0
    unchecked.passed(A, later)
    assert unchecked.done == 1


async def test_what_a_dead_process_has_left_is_taken_over(datastore: Datastore) -> None:
    dead, alive = Unchecked(), Unchecked()
    found = await stored(datastore, dead, dead.begin("Page", ["a", "b"], dead.attempt()))
    under_way = alive.attempt()
    assert alive.adopt(found, {"Other"}) == [], "another app's"
    assert alive.adopt(found, {"Page"}) == [A, B]
    assert alive.adopt(found, {"Page"}) == [A, B]
    alive.passed(A, under_way)
    assert alive.adopt(found, {"Page"}) == [A, B], "what was under way may have read what was there before"
    attempt = alive.attempt()
    alive.passed(A, attempt)
    assert alive.adopt(found, {"Page"}) == [B]
    alive.passed(B, attempt)
    await alive.flush(datastore)
    assert not await everything(datastore, UNCHECKED)


async def test_one_that_its_owner_uses_again_is_left_to_it(datastore: Datastore) -> None:
    owner, other = Unchecked(), Unchecked()
    note = owner.begin("Page", ["a"], owner.attempt())
    found = await stored(datastore, owner, note)
    assert other.adopt(found, {"Page"}) == [A]
    owner.passed(A, 1)
    again = owner.begin("Page", ["b"], owner.attempt())
    now = await stored(datastore, owner, again)
    other.passed(A, other.attempt())
    await other.flush(datastore)
    assert await everything(datastore, UNCHECKED) == {now.id: now}
    assert other.adopt(now, {"Page"}) == [B], "it is found once more, as what it is now"


async def test_its_own_are_known_to_it(datastore: Datastore) -> None:
    unchecked = Unchecked()
    attempt = unchecked.attempt()
    note = unchecked.begin("Page", ["a", "b"], attempt)
    found = await stored(datastore, unchecked, note)
    unchecked.passed(A, attempt)
    assert unchecked.adopt(found, {"Page"}) == [B]
    unchecked.passed(B, attempt)
    assert unchecked.adopt(found, {"Page"}) == []


async def test_what_is_given_up_stays_in_the_datastore(datastore: Datastore) -> None:
    unchecked = Unchecked()
    attempt = unchecked.attempt()
    await stored(datastore, unchecked, unchecked.begin("Page", ["a"], attempt))
    unchecked.leave(A)
    unchecked.passed(A, attempt)
    await unchecked.flush(datastore)
    assert len(await everything(datastore, UNCHECKED)) == 1


async def test_what_could_not_be_removed_is_removed_later(datastore: Datastore) -> None:
    unchecked = Unchecked()
    attempt = unchecked.attempt()
    notes = [unchecked.begin("Page", [str(number)], attempt) for number in range(3)]
    for note in notes:
        await stored(datastore, unchecked, note)
    for number in range(3):
        unchecked.passed(("Page", str(number)), attempt)
    foreign = Unchecked()
    data = note_data("Page", ["x"], 5)
    await datastore.commit([Set(f"{UNCHECKED}/foreign", data)])
    assert foreign.adopt(await get(datastore, f"{UNCHECKED}/foreign"), {"Page"}) == [("Page", "x")]
    await unchecked.flush(datastore)
    assert set(await everything(datastore, UNCHECKED)) == {"foreign"}


async def test_one_that_nobody_knows_to_be_removed_is_found_again_by_its_own_process(datastore: Datastore) -> None:
    class Silent(Wrapped):
        """The first commit after it is armed is not made, and nobody is told."""

        armed = False

        async def on_call(self, call: str) -> None:
            if self.armed and call.startswith("commit "):
                self.armed = False
                raise OutcomeUnknown("the connection broke")

    silent = Silent(datastore)
    unchecked = Unchecked()
    attempt = unchecked.attempt()
    found = await stored(datastore, unchecked, unchecked.begin("Page", ["a"], attempt))
    unchecked.passed(A, attempt)
    silent.armed = True
    await unchecked.flush(silent)
    assert await everything(datastore, UNCHECKED) != {}

    assert unchecked.adopt(found, {"Page"}) == [A]
    unchecked.passed(A, unchecked.attempt())
    await unchecked.flush(silent)
    assert await everything(datastore, UNCHECKED) == {}
