"""A view document that changed is announced; what may not have been is made up for."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast, Message, Subscription
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Delete, Set, Write
from bff.errors import BroadcastError
from bff.live.announcement import COMPARE, UNKNOWN, Announcement
from bff.live.hub import Hub
from bff.live.relay import Relay
from bff.projection.news import REMEMBERED, News
from bff.projection.stored_view import StoredView, metadata_path
from bff.supervisor import Backoff, State
from bff.testing.broadcast_conformance import read
from tests.live.support import CHANNELS, Board, Player, deadline, version_of

pytestmark = pytest.mark.anyio

CATALOG: Any = SimpleNamespace(views={"Board": Board, "Player": Player})
QUICK = Backoff(first=0.001, limit=0.01)


def stored(key: str, version: int, **fields: Any) -> list[Write]:
    """What a projector commits."""
    return [
        Set(f"boards/{key}", {"id": key, "version": version, **fields}),
        Set(metadata_path("Board", key), {"view": "Board", "key": key, "version": version}),
    ]


def removed(key: str, version: int) -> list[Write]:
    return [
        Delete(f"boards/{key}"),
        Set(metadata_path("Board", key), {"view": "Board", "key": key, "version": version, "deleted": True}),
    ]


class StoredBoards:
    """What reads stored views: documents, and the tombstones of those that are gone."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    async def versions(self, view: Any, keys: Sequence[str]) -> list[int | None]:
        return [state.version if state.exists else None for state in await self.read_each(view, keys)]

    async def read_each(self, view: Any, keys: Sequence[str]) -> list[StoredView]:
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.get([path for key in keys for path in (f"boards/{key}", metadata_path("Board", key))])
        return [
            StoredView("Board", key, int((metadata.data or {}).get("version", 0)), document.data)  # type: ignore[arg-type]
            for key, document, metadata in zip(keys, documents[::2], documents[1::2], strict=True)
        ]


@contextlib.asynccontextmanager
async def relayed(datastore_url: str = "sqlite://", **options: Any) -> AsyncIterator[tuple[Datastore, Relay, Subscription]]:
    """A relay that has told everybody to compare, and a subscription to the channel of ``boards/b1``."""
    async with (
        deadline(30),
        open_datastore(datastore_url) as datastore,
        open_broadcast("memory://") as broadcast,
        broadcast.subscribe(CHANNELS.of("Board", "b1")) as subscription,
        Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK, **options) as relay,
    ):
        assert await read(subscription) == COMPARE
        await relay.wait_for(await datastore.ping())  # a listener may begin with a resend: it ends before this
        yield datastore, relay, subscription


async def announced(subscription: Subscription) -> Announcement:
    while (message := await read(subscription)) == COMPARE:
        pass
    assert isinstance(message, Message)
    return Announcement.from_message(message)


async def test_a_document_that_changed_is_announced_with_its_version(datastore_url: str) -> None:
    async with relayed(datastore_url) as (datastore, relay, subscription):
        commit = await datastore.commit(stored("b1", 7, title="Go"))
        assert await announced(subscription) == Announcement("b1", 7, {"id": "b1", "version": 7, "title": "Go"})
        await relay.wait_for(commit.timepoint)
        await datastore.commit([Set("boards_of_others/b1", {"version": 1}), *stored("b1", 8)])
        assert await announced(subscription) == Announcement("b1", 8, {"id": "b1", "version": 8})


async def test_a_deletion_is_announced_with_the_version_of_the_tombstone(datastore_url: str) -> None:
    async with relayed(datastore_url) as (datastore, _, subscription):
        await datastore.commit(stored("b1", 7))
        assert (await announced(subscription)).version == 7
        await datastore.commit(removed("b1", 9))
        assert await announced(subscription) == Announcement("b1", 9, None)


async def test_a_deletion_that_its_metadata_knows_nothing_of_makes_hubs_read() -> None:
    async with relayed() as (datastore, _, subscription):
        await datastore.commit(stored("b1", 7))
        assert (await announced(subscription)).version == 7
        await datastore.commit([Delete("boards/b1"), Delete(metadata_path("Board", "b1"))])
        assert await announced(subscription) == Announcement("b1", UNKNOWN, hint=True)


async def test_a_document_that_no_projector_wrote_makes_hubs_read() -> None:
    async with relayed() as (datastore, _, subscription):
        await datastore.commit([Set("boards/b1", {"version": "seven"})])
        assert await announced(subscription) == Announcement("b1", UNKNOWN, hint=True)


async def test_a_large_document_is_announced_without_its_content() -> None:
    async with relayed(max_message_bytes=1000) as (datastore, _, subscription):
        await datastore.commit(stored("b1", 7, text="x" * 2000))
        assert await announced(subscription) == Announcement("b1", 7, hint=True)


class Flaky:
    """A broadcast whose publishing fails, hangs, or raises what it never should."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self.faults: deque[Exception | None] = deque()
        self.publishing = asyncio.Event()

    async def publish(self, channel: str, message: Message) -> None:
        if channel == CHANNELS.pulse:
            return
        self.publishing.set()
        if self.faults:
            fault = self.faults.popleft()
            if fault is None:
                await asyncio.Event().wait()
            else:
                raise fault
        await self._broadcast.publish(channel, message)


async def test_what_could_not_be_published_is_made_up_for_and_as_of_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    async with deadline(), open_datastore("sqlite://") as datastore, open_broadcast("memory://") as sound:
        broadcast: Any = Flaky(sound)
        async with (
            sound.subscribe(CHANNELS.of("Board", "b1")) as subscription,
            Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK, timeout=0.05) as relay,
        ):
            assert await read(subscription) == COMPARE
            await relay.wait_for(1)
            broadcast.faults.extend([BroadcastError("down"), BroadcastError("down"), RuntimeError("a bug"), None])
            commit = await datastore.commit(stored("b1", 7))
            await relay.wait_for(commit.timepoint)
            assert not broadcast.faults
            assert await read(subscription) == COMPARE
            await datastore.commit(stored("b1", 8))
            assert (await announced(subscription)).version == 8
            assert {status.state for status in relay.status()} == {State.RUNNING}
    assert caplog.messages == ["relay: not published, hubs will be told to compare: BroadcastError: down"]


class Published:
    """A broadcast that remembers which versions it was given to publish."""

    def __init__(self) -> None:
        self.versions: list[tuple[str, int]] = []

    async def publish(self, channel: str, message: Message) -> None:
        if channel != CHANNELS.pulse and message != COMPARE:
            self.versions.append((message.key, Announcement.from_message(message).version))


class Told:
    """What a hub is, to who has news."""

    def written(self, *_: Any) -> None: ...

    def seen(self, *_: Any) -> None: ...


async def test_what_the_hub_of_its_process_was_told_is_not_announced_again() -> None:
    broadcast: Any = Published()
    news = News()
    async with (
        deadline(),
        open_datastore("sqlite://") as datastore,
        Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK, news=news) as relay,
    ):
        await relay.wait_for(await datastore.ping())
        for version, told in [(7, False), (8, True), (9, False), (10, True)]:
            # Without anybody to be told, nobody was; another state of the same view is another matter.
            news.listener = Told() if told else None
            news.written(Board, StoredView("Board", "b1", version, {}), version)
            news.written(Board, StoredView("Board", "b2", version + 100, {}), version)
            commit = await datastore.commit([*stored("b1", version), *stored("b2", version)])
            await relay.wait_for(commit.timepoint)
    by_key = {key: [version for of, version in broadcast.versions if of == key] for key in ("b1", "b2")}
    assert by_key == {"b1": [7, 9], "b2": [7, 8, 9, 10]}


def test_how_many_states_are_remembered_as_told_is_bounded() -> None:
    news = News()
    news.listener = Told()
    for number in range(REMEMBERED + 1):
        news.written(Board, StoredView("Board", f"b{number}", 1, {}), 1)
    assert [news.was_told("Board", f"b{number}", 1) for number in (0, 1, 1, REMEMBERED)] == [False, True, False, True]


async def test_without_views_there_is_nothing_to_wait_for() -> None:
    empty: Any = SimpleNamespace(views={})
    unused: Any = None
    async with Relay(unused, unused, empty) as relay:
        await relay.wait_for(1)
        assert relay.status() == ()


async def test_closing_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with relayed() as (datastore, _, _):
        await datastore.commit(stored("b1", 7))
    assert asyncio.all_tasks() == before


async def test_subscribers_follow_the_datastore_through_relays_that_come_and_go(datastore_url: str, broadcast_url: str) -> None:
    """Random writes and deletions, a relay that is killed now and then, two processes' worth of relays and hubs."""
    chance = random.Random(datastore_url[:6] + broadcast_url[:6])
    keys = [f"b{number}" for number in range(4)]
    versions = dict.fromkeys(keys, 0)

    async def look_on(hub: Hub, key: str, entered: asyncio.Semaphore) -> list[StoredView]:
        seen: list[StoredView] = []
        async with hub.subscribe(Board, key) as states:
            entered.release()
            async for state in states:
                seen.append(state)
                if state.document is not None and state.document.get("last"):
                    break
        return seen

    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(deadline(60))
        datastore = await stack.enter_async_context(open_datastore(datastore_url))
        broadcast = await stack.enter_async_context(open_broadcast(broadcast_url))
        boards = StoredBoards(datastore)
        hubs = [
            await stack.enter_async_context(Hub(broadcast, boards, channels=CHANNELS, compare_seconds=3600)) for _ in range(2)
        ]
        entered = asyncio.Semaphore(0)
        looking = [asyncio.create_task(look_on(hub, key, entered)) for hub in hubs for key in keys]
        async with Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK):
            for _ in looking:
                await entered.acquire()
        for _ in range(3):
            async with contextlib.AsyncExitStack() as relays:
                for _ in range(chance.choice([1, 2])):
                    await relays.enter_async_context(Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK))
                for _ in range(10):
                    key = chance.choice(keys)
                    versions[key] += 1
                    change = stored if chance.randrange(3) else removed
                    await datastore.commit(change(key, versions[key]))
                    await asyncio.sleep(0)
        for key in keys:
            versions[key] += 1
            await datastore.commit(stored(key, versions[key], last=True))
        async with Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK):
            for number, seen in enumerate(await asyncio.gather(*looking)):
                assert seen[-1].version == versions[keys[number % len(keys)]]
                assert [state.version for state in seen] == sorted({state.version for state in seen})


async def test_a_relay_and_a_hub_are_quick_enough_to_be_called_live(broadcast_url: str) -> None:
    async with (
        deadline(),
        open_datastore("sqlite://") as datastore,
        open_broadcast(broadcast_url) as broadcast,
        Hub(broadcast, StoredBoards(datastore), channels=CHANNELS, compare_seconds=3600) as hub,
        Relay(datastore, broadcast, CATALOG, channels=CHANNELS) as relay,
        hub.subscribe(Board, "b1") as states,
    ):
        assert await version_of(states) == 0
        await relay.wait_for(await datastore.ping())
        for version in range(1, 51):
            await datastore.commit(stored("b1", version))
            assert await version_of(states) == version


def test_of_what_is_unread_the_newest_is_kept_and_before_it_what_must_be_read() -> None:
    told = [
        Announcement("a", 1, {"n": 1}),
        Announcement("a", 2, hint=True),
        Announcement("a", 3),
        Announcement("a", UNKNOWN, hint=True),
    ]
    ranks = [announcement.to_message(1000).rank for announcement in told]
    assert ranks == sorted(set(ranks))
