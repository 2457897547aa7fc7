"""A subscription shows what its links lead to as it is now, at any depth, and follows exactly that."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ariadne import ObjectType
from graphql import ExecutionResult, graphql, parse, subscribe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.app import App
from bff.datastore.port import Delete, Set
from bff.errors import TooLarge
from bff.model.domain_model import DomainModel
from bff.projection.reader import ViewReader
from bff.resolvers.context import Context
from bff.serving.limits import Limits
from bff.settings import Settings
from bff.testing.graphql_ws import OperationFailed
from bff.testing.harness import AppHarness
from tests.resolvers.offices import VIEWS, Desk, DeskView, Member, MemberView, Team

pytestmark = pytest.mark.anyio

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


IDS = st.sampled_from(["a", "b", "c"])
REFS = st.none() | IDS.map(Member.ref)
DESKS = st.none() | st.sampled_from(["d1", "d2", "home"]).map(Desk.ref)
CHANGES: st.SearchStrategy[DomainModel | Delete | str] = st.one_of(
    st.builds(lambda name, lead, of: Team(id="t", name=name, lead=lead, members=of), IDS, REFS, st.lists(IDS.map(Member.ref))),
    st.builds(
        lambda id, name, desk, boss: Member(id=id, name=name, desk=desk, boss=boss), IDS, st.sampled_from("xyz"), DESKS, REFS
    ),
    st.builds(lambda id, place: Desk(id=id, place=place), st.sampled_from(["d1", "d2", "home"]), st.sampled_from(["x", "y"])),
    st.sampled_from(["teams/t", "members/a", "members/b", "desks/d1", "desks/home"]).map(Delete),
    st.sampled_from(["settle", "turn"]),
)


async def scenario(url: str, changes: list[DomainModel | Delete | str]) -> None:
    async with office(url) as running, screen(running, DEEP) as opened:
        made = 0
        for change in changes:
            if change == "settle":
                await settled(running)
            elif isinstance(change, str):
                await asyncio.sleep(0)
            else:
                made += 1
                await write(running, change)
        await opened.shows_the_present()
        # Two states may look the same, and the second one come a moment later: this one looks like no other.
        await write(running, Team(id="t", name="the last", lead=Member.ref("ann"), members=[Member.ref("bob")]))
        made += 1
        await opened.shows_the_present()
        # Nothing comes after what is there already.
        last = len(opened.results)
        await settled(running)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(opened.results) == last
        # Each change is one of one view: no state is shown twice.
        assert last <= made + 1
        hub = running.runtime.hub
        assert hub is not None
        assert hub.subscriptions == 1 + opened.followed
    assert hub.subscriptions == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, max_size=15))
def test_the_last_result_is_what_a_query_answers(tmp_path: Path, changes: list[Any]) -> None:
    asyncio.run(scenario(f"sqlite:///{tmp_path / uuid4().hex}.db", changes))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, max_size=10))
def test_the_last_result_is_what_a_query_answers_on_firestore(firestore_emulator: str, changes: list[Any]) -> None:
    asyncio.run(scenario(f"firestore://test-{uuid4().hex[:16]}?emulator={firestore_emulator}", changes))
