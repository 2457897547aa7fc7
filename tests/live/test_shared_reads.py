"""One read for all who ask at once, and for none who asked too late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bff.errors import BadUserInput, BuildError, DatastoreUnavailable
from bff.live.announcement import COMPARE
from bff.projection.stored_view import StoredView
from tests.live.keeping import Gate, known, live, read
from tests.live.support import CHANNELS, Board, Shelf, turns

pytestmark = pytest.mark.anyio


async def test_a_thousand_who_ask_at_once_share_one_read() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        asking = [asyncio.create_task(read(hub, "a")) for _ in range(1000)]
        await gate.reading.wait()
        gate.go_on.set()
        assert await asyncio.gather(*asking) == [[1]] * 1000
        assert shelf.reads == [("a",)]


async def test_what_was_answered_meanwhile_is_newer_than_the_read_that_is_shared() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        first = asyncio.create_task(read(hub, "a"))
        await gate.reading.wait()
        hub.written(Board, shelf.write("a"), 7)
        second = asyncio.create_task(read(hub, "a"))
        await turns(3)
        gate.go_on.set()
        assert await first == [2]
        assert await second == [2]
        assert known(hub, "a") == 2


async def test_after_a_gap_nobody_shares_a_read_that_began_before_it() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, broadcast, _):
        gate = Gate(shelf)
        first = asyncio.create_task(read(hub, "a"))
        await gate.reading.wait()
        shelf.write("a")
        await broadcast.publish(CHANNELS.of("Board", "a"), COMPARE)
        await turns(5)
        second = asyncio.create_task(read(hub, "a"))
        await turns(3)
        gate.go_on.set()
        assert (await first, await second) == ([1], [2])
        assert known(hub, "a") == 2


async def test_that_nothing_was_there_before_one_asked_is_no_answer() -> None:
    shelf = Shelf()
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        early = asyncio.create_task(hub.read(Board, ["a"]))
        await gate.reading.wait()
        shelf.write("a")
        late = [asyncio.create_task(read(hub, "a")) for _ in range(10)]
        await turns(3)
        gate.go_on.set()
        [nothing] = await early
        assert isinstance(nothing, StoredView)
        assert await asyncio.gather(*late) == [[1]] * 10
        assert shelf.reads == [("a",), ("a",)]


async def test_who_goes_away_in_the_middle_leaves_the_others_their_answer() -> None:
    shelf = Shelf()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        gate = Gate(shelf)
        first = asyncio.create_task(read(hub, "a"))
        await gate.reading.wait()
        others = [asyncio.create_task(read(hub, "a")) for _ in range(10)]
        await turns(3)
        others[0].cancel()
        first.cancel()
        await turns(3)
        gate.go_on.set()
        assert await asyncio.gather(*others[1:]) == [[1]] * 9
        await asyncio.gather(first, others[0], return_exceptions=True)
        assert first.cancelled()
        assert others[0].cancelled()
        assert shelf.reads == [("a",), ("a",)]


async def test_a_datastore_that_is_down_is_raised_to_all_and_nothing_is_kept() -> None:
    shelf = Shelf()

    async def down(keys: Sequence[str]) -> None:
        await turns(3)
        raise DatastoreUnavailable("down")

    async with live(shelf) as (hub, _, _):
        shelf.before = down
        results = await asyncio.gather(*(hub.read(Board, ["a"]) for _ in range(10)), return_exceptions=True)
        assert {type(result) for result in results} == {DatastoreUnavailable}
        assert len(shelf.reads) <= 2
        shelf.before = None
        shelf.write("a")
        assert await read(hub, "a") == [1]


async def test_what_is_wrong_with_a_key_is_its_own() -> None:
    class Picky(Shelf):
        async def read_each(self, view: Any, keys: Sequence[str]) -> list[Any]:
            found: list[Any] = list(await super().read_each(view, keys))
            return [BuildError("no") if key == "bad" else one for key, one in zip(keys, found, strict=True)]

    shelf = Picky()
    shelf.write("a")
    async with live(shelf) as (hub, _, _):
        one, other = await hub.read(Board, ["bad", "a"])
        assert isinstance(one, BuildError)
        assert isinstance(other, StoredView)
        assert hub.cached == 1
        assert known(hub, "bad") is None


async def test_what_cannot_be_a_key_is_left_to_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def split_key(key: str) -> None:
        if key == "\ud800":
            raise BadUserInput("no key")

    monkeypatch.setattr(Board, "split_key", split_key)
    async with live(Shelf()) as (hub, _, _):
        assert known(hub, "\ud800") is None
        await hub.read(Board, ["\ud800"])
        assert hub.cached == 0
