"""Loaders: one batch a level, and what befalls one waiter befalls no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bff.errors import BFFError, BuildError, DatastoreUnavailable
from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.loaders import Loaders
from tests.resolvers.library import AuthorPage, BookPage

pytestmark = pytest.mark.anyio


class Views:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.error: BaseException | None = None

    async def read_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        self.asked.append(tuple(keys))
        self.began.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [
            BuildError("broken") if key == "broken" else StoredView(view.__view__.name, key, 1, {"id": key, "version": 1})
            for key in keys
        ]


def loaders(views: Views) -> Loaders:
    return Loaders(views)  # type: ignore[arg-type]


async def test_keys_of_one_level_are_one_read_and_each_is_read_once() -> None:
    views = Views()
    views.go.set()
    made = loaders(views)
    found = await asyncio.gather(*(made.load(BookPage, key) for key in ("a", "b", "a")), made.load(AuthorPage, "a"))
    assert views.asked == [("a", "b"), ("a",)]
    assert [one and (one.view, one["id"]) for one in found] == [
        ("BookPage", "a"),
        ("BookPage", "b"),
        ("BookPage", "a"),
        ("AuthorPage", "a"),
    ]
    await made.load(BookPage, "b")
    assert len(views.asked) == 2


async def test_a_waiter_that_is_cancelled_leaves_the_others_their_result() -> None:
    views = Views()
    made = loaders(views)

    async def wait() -> object:
        return await made.load(BookPage, "a")

    first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
    async with asyncio.timeout(5):
        await views.began.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        views.go.set()
        assert await second == {"id": "a", "version": 1}


async def test_one_view_that_cannot_be_built_is_its_own_problem() -> None:
    views = Views()
    views.go.set()
    made = loaders(views)
    good, bad = await asyncio.gather(made.load(BookPage, "a"), made.load(BookPage, "broken"), return_exceptions=True)
    assert good == {"id": "a", "version": 1}
    assert isinstance(bad, BuildError)


async def test_a_read_that_is_cancelled_leaves_nobody_hanging() -> None:
    views = Views()
    views.error = asyncio.CancelledError()
    views.go.set()
    made = loaders(views)
    async with asyncio.timeout(5):
        results = await asyncio.gather(made.load(BookPage, "a"), made.load(BookPage, "b"), return_exceptions=True)
    assert all(isinstance(result, DatastoreUnavailable) for result in results)
