"""Builds of one view in one process: one after the other, and those of others beside them."""

from __future__ import annotations

import asyncio

import pytest

from bff.projection.turns import Turns

pytestmark = pytest.mark.anyio


class Work:
    """Takes turns, and notes when it has them."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.busy: list[str] = []
        self.done: list[str] = []

    async def build(self, name: str, *keys: str, view: str = "Page", turns: int = 3) -> None:
        async with self.turns.take(view, keys):
            assert not {f"{view} {key}" for key in keys}.intersection(self.busy)
            self.busy += [f"{view} {key}" for key in keys]
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                self.busy = [one for one in self.busy if one not in {f"{view} {key}" for key in keys}]
            self.done.append(name)


async def test_nobody_builds_what_is_being_built_and_everybody_gets_a_turn() -> None:
    work = Work(Turns())
    keys = ["a", "b", "c", "d"]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(60):
            some = [keys[(number * step) % 4] for step in (1, 3, 2)][: number % 3 + 1]
            group.create_task(work.build(str(number), *dict.fromkeys(some), view=f"View{number % 2}", turns=number % 5))
    assert len(work.done) == 60
    assert not work.turns._taken


async def test_other_views_do_not_wait() -> None:
    work = Work(Turns())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(work.build("long", "a", turns=50))
        group.create_task(work.build("second", "a", "b"))
        group.create_task(work.build("other key", "c"))
        group.create_task(work.build("other view", "a", view="Other"))
    assert work.done == ["other key", "other view", "long", "second"]


async def test_one_who_stops_waiting_or_working_gives_up_every_turn() -> None:
    work = Work(Turns())
    for steps in range(8):
        first = asyncio.create_task(work.build("first", "a", "b", turns=4))
        second = asyncio.create_task(work.build("second", "b", "c"))
        third = asyncio.create_task(work.build("third", "b", "c"))
        for _ in range(steps):
            await asyncio.sleep(0)
        (first if steps % 2 else second).cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([first, second, third])
        assert "third" in work.done
        assert not work.turns._taken
        work.busy.clear()
        work.done.clear()
