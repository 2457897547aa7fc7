"""An office whose subscriptions are looked at: what they show, and what a query answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from graphql import ExecutionResult, graphql, parse, subscribe

from bff.app import App
from bff.datastore.port import Delete, Set
from bff.model.domain_model import DomainModel
from bff.resolvers.context import Context
from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.resolvers.offices import VIEWS, Desk, Member, Team

DEEP = """teamView(id: "t") { name lead { name desk { place } } members { name desk { place } boss { name home { place } } } }"""


class Screen:
    """What a subscription has shown, event by event."""

    def __init__(self, running: AppHarness, context: Context, selection: str) -> None:
        self.results: list[Any] = []
        self.context = context
        self._running = running
        self._selection = selection
        self._more = asyncio.Event()

    async def show(self, events: AsyncIterator[ExecutionResult]) -> None:
        async for result in events:
            self.results.append(shown(result))
            self._more.set()

    async def until(self, wanted: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await wanted():
                self._more.clear()
                await self._more.wait()

    async def shows_the_present(self) -> None:
        """Wait until the last result is what a query answers now."""
        await settled(self._running)
        now = await ask(self._running, self._selection)

        async def is_shown() -> bool:
            return bool(self.results) and self.results[-1] == now

        await self.until(is_shown)

    @property
    def followed(self) -> int:
        assert self.context.source is not None
        return len(self.context.source.followed)


def shown(result: ExecutionResult) -> Any:
    return result.data, sorted(str(error.message) for error in result.errors or ())


def context_of(running: AppHarness, *, views: Any = None, **options: Any) -> Context:
    runtime = running.runtime
    assert runtime.hub is not None
    return Context(runtime.datastore, running.app.catalog, views or runtime.views, runtime.hub, **options)


async def ask(running: AppHarness, selection: str) -> Any:
    return shown(await graphql(running.app.schema, "{" + selection + "}", context_value=context_of(running)))


async def settled(running: AppHarness) -> None:
    """Wait until everything written is in the views, and the hub knows it."""
    await running.settled()
    assert running.runtime.hub is not None
    await running.runtime.hub.compare()


@asynccontextmanager
async def office(url: str = "sqlite://", app: App | None = None) -> AsyncIterator[AppHarness]:
    async with AppHarness(app or App(views=VIEWS), settings=Settings(datastore_url=url), timeout=20) as running:
        await Desk(id="home", place="home").save()
        await Desk(id="d1", place="window").save()
        await Desk(id="d2", place="door").save()
        await Member(id="ann", name="Ann", desk=Desk.ref("d1")).save()
        await Member(id="bob", name="Bob", desk=Desk.ref("d2"), boss=Member.ref("ann")).save()
        await Team(id="t", name="Team", lead=Member.ref("ann"), members=[Member.ref("ann"), Member.ref("bob")]).save()
        await running.settled()
        yield running


@asynccontextmanager
async def screen(running: AppHarness, selection: str, **options: Any) -> AsyncIterator[Screen]:
    context = context_of(running, **options)
    events = await subscribe(running.app.schema, parse("subscription {" + selection + "}"), context_value=context)
    assert not isinstance(events, ExecutionResult), events.errors
    opened = Screen(running, context, selection)
    showing = asyncio.create_task(opened.show(events))
    try:
        await opened.shows_the_present()
        yield opened
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        await events.aclose()  # type: ignore[attr-defined]


async def write(running: AppHarness, *writes: DomainModel | Delete) -> None:
    """Each document as it is given, whatever was there."""
    await running.runtime.datastore.commit([one if isinstance(one, Delete) else Set(one.path, one.to_data()) for one in writes])
