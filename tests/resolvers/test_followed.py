"""A subscription shows what its links lead to as it is now, at any depth, and follows exactly that."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ariadne import ObjectType
from graphql import ExecutionResult, graphql, parse, subscribe

from bff.app import App
from bff.datastore.port import Delete
from bff.errors import TooLarge
from bff.projection.reader import ViewReader
from bff.resolvers.context import Context
from bff.serving.limits import Limits
from bff.settings import Settings
from bff.testing.graphql_ws import OperationFailed
from bff.testing.harness import AppHarness
from tests.resolvers.offices import VIEWS, Desk, DeskView, Member, MemberView, Team
from tests.resolvers.screens import DEEP, Screen, ask, context_of, office, screen, settled, shown, write

pytestmark = pytest.mark.anyio


async def test_a_change_at_any_depth_is_a_new_result(datastore_url: str) -> None:
    async with office(datastore_url) as running:
        async with screen(running, DEEP) as opened:
            assert len(opened.results) == 1
            assert opened.followed == 5  # Ann, Bob, their desks, Ann's home
            for change in (
                Member(id="bob", name="Robert", desk=Desk.ref("d2"), boss=Member.ref("ann")),  # one of many
                Desk(id="d2", place="corner"),  # a link of a link
                Desk(id="home", place="the moon"),  # a link of a link of a link
                Team(id="t", name="Tiger", members=[Member.ref("bob")]),  # the view itself, which leaves the lead
            ):
                before = opened.results[-1]
                await write(running, change)
                await opened.shows_the_present()
                assert opened.results[-1] != before
            assert len(opened.results) == 5
            assert opened.results[-1][0]["teamView"]["members"] == [
                {"name": "Robert", "desk": {"place": "corner"}, "boss": {"name": "Ann", "home": {"place": "the moon"}}}
            ]
        assert running.runtime.hub is not None
        assert running.runtime.hub.subscriptions == 0


async def test_what_is_not_selected_is_not_followed() -> None:
    async with office() as running, screen(running, 'teamView(id: "t") { name }') as opened:
        assert opened.followed == 0
        await write(running, Member(id="ann", name="Anna"))
        await settled(running)
        await write(running, Team(id="t", name="Tiger"))
        await opened.shows_the_present()
        assert [data["teamView"]["name"] for data, _ in opened.results] == ["Team", "Tiger"]


async def test_links_are_left_when_they_are_shown_no_more() -> None:
    async with office() as running, screen(running, DEEP) as opened:
        hub = running.runtime.hub
        assert hub is not None
        assert (opened.followed, hub.subscriptions) == (5, 6)
        await write(running, Team(id="t", name="Team", lead=Member.ref("bob")))
        await opened.shows_the_present()
        await opened.until(is_waiting(opened, 2))  # Bob and his desk
        assert hub.subscriptions == 3
        await write(running, Delete("teams/t"))
        await opened.shows_the_present()
        await opened.until(is_waiting(opened, 0))
        assert hub.subscriptions == 1


def is_waiting(opened: Screen, followed: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        # The source leaves what was not shown when it is asked for the next event.
        await asyncio.sleep(0)
        return opened.followed == followed

    return look


async def test_a_link_that_is_gone_or_cannot_be_read_is_followed_too(datastore_url: str) -> None:
    selection = 'teamView(id: "t") { lead { name home { place risk } desk { place risk } } }'
    async with office(datastore_url) as running, screen(running, selection) as opened:
        assert opened.results[-1][1] == []
        await write(running, Delete("desks/d1"), Delete("desks/home"))
        await opened.shows_the_present()
        data, errors = opened.results[-1]
        assert data == {"teamView": {"lead": None}}, "what must be there and is not takes what shows it along"
        assert errors == ["the DeskView 'home' is gone"]
        await write(running, Desk(id="home", place="boat"), Desk(id="d3", place=""))
        await opened.shows_the_present()
        assert opened.results[-1] == (
            {"teamView": {"lead": {"name": "Ann", "home": {"place": "boat", "risk": 0.25}, "desk": None}}},
            [],
        )
        # A desk that has never been built, and cannot be.
        await write(running, Member(id="ann", name="Ann", desk=Desk.ref("d3")))
        await opened.shows_the_present()
        assert len(opened.results[-1][1]) == 1
        await write(running, Desk(id="d3", place="nook"))
        await opened.shows_the_present()
        assert opened.results[-1][0]["teamView"]["lead"]["desk"] == {"place": "nook", "risk": 0.25}


async def test_views_that_link_to_one_another_are_followed_once() -> None:
    selection = 'memberView(id: "ann") { name boss { name boss { name boss { name } } } }'
    async with office() as running:
        await write(running, Member(id="ann", name="Ann", boss=Member.ref("bob")))
        await running.settled()
        async with screen(running, selection) as opened:
            assert opened.followed == 2  # Bob, and Ann as a link of his
            await write(running, Member(id="bob", name="Robert", boss=Member.ref("ann")))
            await opened.shows_the_present()
            await write(running, Member(id="ann", name="Anna", boss=Member.ref("bob")))
            await opened.shows_the_present()
            assert opened.results[-1][0]["memberView"]["boss"]["boss"]["name"] == "Anna"
            assert len(opened.results) <= 4  # Ann is two things: the view, and a link


async def test_too_many_links_end_the_subscription() -> None:
    async with office() as running:
        members = [Member(id=f"m{number}", name=f"M {number}") for number in range(21)]
        await write(running, *members, Team(id="t", name="Team", members=[member.ref for member in members[:20]]))
        await running.settled()
        context = context_of(running, max_links=20)
        source = parse('subscription { teamView(id: "t") { members { name } } }')
        events = await subscribe(running.app.schema, source, context_value=context)
        assert not isinstance(events, ExecutionResult)
        data, _ = shown(await anext(events))
        assert len(data["teamView"]["members"]) == 20
        await write(running, Team(id="t", name="Team", members=[member.ref for member in members]))
        await settled(running)
        await anext(events)
        with pytest.raises(TooLarge, match="more than 20 linked views"):
            await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        assert running.runtime.hub is not None
        assert running.runtime.hub.subscriptions == 0


async def test_who_selects_too_much_is_told_so() -> None:
    settings = Settings(datastore_url="sqlite://", limits=Limits(followed_links=1))
    async with AppHarness(App(views=VIEWS), settings=settings) as running:
        await Member(id="ann", name="Ann").save()
        await Member(id="bob", name="Bob").save()
        await Team(id="t", name="Team", members=[Member.ref("ann"), Member.ref("bob")]).save()
        async with running.watch('subscription { teamView(id: "t") { members { name } } }') as watch:
            await watch.next()
            with pytest.raises(OperationFailed) as failed:
                await watch.next()
            [error] = failed.value.errors
            assert error["extensions"]["code"] == "TOO_LARGE"
            assert error["message"].startswith("the subscription shows more than 1 linked views")


async def test_hand_written_fields_are_shown_anew_and_their_handles_are_followed(datastore_url: str) -> None:
    team = ObjectType("TeamView")

    @team.field("motto")
    def motto(source: dict[str, Any], _: Any) -> str:
        return f"{source['name']} first"

    @team.field("mascot")
    async def mascot(source: dict[str, Any], _: Any) -> MemberView:
        member = await Member.get("ann")
        assert member is not None
        return MemberView.of(member)

    @team.field("desks")
    def desks(*_: Any) -> list[DeskView]:
        return [DeskView.of("d1"), DeskView.of("d2")]

    app = App(
        views=VIEWS,
        type_defs="extend type TeamView { motto: String! mascot: MemberView! desks: [DeskView!]! }",
        bindables=[team],
    )
    selection = 'teamView(id: "t") { motto mascot { name home { place } } desks { place } }'
    async with office(datastore_url, app) as running, screen(running, selection) as opened:
        assert opened.followed == 4
        for change in (
            Desk(id="home", place="the moon"),
            Desk(id="d2", place="corner"),
            Team(id="t", name="Tiger"),
            Member(id="ann", name="Anna"),
        ):
            await write(running, change)
            await opened.shows_the_present()
        assert len(opened.results) == 5
        assert opened.results[-1][0]["teamView"] == {
            "motto": "Tiger first",
            "mascot": {"name": "Anna", "home": {"place": "the moon"}},
            "desks": [{"place": "window"}, {"place": "corner"}],
        }


class Counting:
    """A ViewReader that tells what an operation has read."""

    def __init__(self, views: ViewReader) -> None:
        self._views = views
        self.reads: list[tuple[str, tuple[str, ...]]] = []

    async def read_each(self, view: Any, keys: Sequence[str]) -> Any:
        self.reads.append((view.__view__.name, tuple(sorted(keys))))
        return await self._views.read_each(view, keys)


LEVELS = [("MemberView", ("ann", "bob")), ("DeskView", ("d1", "d2")), ("DeskView", ("home",))]


async def test_each_level_is_one_read_of_a_query(datastore_url: str) -> None:
    async with office(datastore_url) as running:
        counting = Counting(running.runtime.views)
        context = context_of(running, views=counting)
        answer = shown(await graphql(running.app.schema, "{" + DEEP + "}", context_value=context))
        assert answer == await ask(running, DEEP)
        assert counting.reads == [("TeamView", ("t",)), *LEVELS]


async def test_an_event_reads_what_was_not_followed_before_and_each_level_once(datastore_url: str) -> None:
    async with office(datastore_url) as running, counted(running) as first:
        assert first.reads == LEVELS
        async with counted(running) as second:
            assert second.reads == LEVELS, "what the hub knows for others may be behind what is stored"
            first.reads.clear()
            second.reads.clear()
            await write(running, Desk(id="d2", place="corner"))
            await first.opened.shows_the_present()
            await second.opened.shows_the_present()
            assert (first.reads, second.reads) == ([], [])
            await write(running, Member(id="bob", name="Bob", desk=Desk.ref("d3")), Desk(id="d3", place="roof"))
            await first.opened.shows_the_present()
            await second.opened.shows_the_present()
            assert first.reads == second.reads == [("DeskView", ("d3",))]


class Counted(Counting):
    opened: Screen


@asynccontextmanager
async def counted(running: AppHarness) -> AsyncIterator[Counted]:
    counting = Counted(running.runtime.views)
    async with screen(running, DEEP, views=counting) as opened:
        counting.opened = opened
        yield counting


# graphql-core makes coroutines that a cancelled execution does not come to.
@pytest.mark.filterwarnings("ignore:coroutine 'ExecutionContext:RuntimeWarning")
async def test_whenever_it_is_cancelled_nothing_is_left_behind() -> None:
    async with office() as running:
        hub = running.runtime.hub
        assert hub is not None
        for turns in range(60):
            context = context_of(running)

            async def look(context: Context = context) -> None:
                events = await subscribe(running.app.schema, parse("subscription {" + DEEP + "}"), context_value=context)
                assert not isinstance(events, ExecutionResult)
                try:
                    async for _ in events:
                        pass
                finally:
                    await events.aclose()  # type: ignore[attr-defined]

            looking = asyncio.create_task(look())
            for _ in range(turns):
                await asyncio.sleep(0)
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            # A read that was under way ends by itself, and finds nobody to follow for.
            assert hub.subscriptions == 0, f"after {turns} turns of the loop"
        await running.settled()
        assert hub.subscriptions == 0
        gc.collect()
