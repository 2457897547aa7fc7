"""What a relay makes of what its listener says, and of one that fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from bff.broadcast.port import Message
from bff.datastore.port import Changes, ResumePoint
from bff.document import Document
from bff.errors import DatastoreUnavailable
from bff.live.announcement import Announcement
from bff.live.relay import Relay
from bff.projection.stored_view import metadata_path
from bff.supervisor import Backoff
from tests.delivered import Delivered
from tests.live.support import CHANNELS, Board, Player, deadline

pytestmark = pytest.mark.anyio

CATALOG: Any = SimpleNamespace(views={"Board": Board, "Player": Player})
QUICK = Backoff(first=0.001, limit=0.01)


class Scripted:
    """A datastore whose listener says what it is told to."""

    def __init__(self, *scripts: list[Changes | Exception]) -> None:
        self.scripts = list(scripts)
        self.pings: list[Exception] = []
        self.since: list[ResumePoint | None] = []
        self.tombstones: dict[str, dict[str, Any]] = {}

    async def ping(self) -> int:
        if self.pings:
            raise self.pings.pop()
        return 100

    @contextlib.asynccontextmanager
    async def listen(self, targets: Any, since: ResumePoint | None = None) -> AsyncIterator[Delivered]:
        self.since.append(since)
        yield Delivered(self._script())

    async def _script(self) -> AsyncIterator[Changes]:
        for item in self.scripts.pop(0) if self.scripts else []:
            if isinstance(item, Exception):
                raise item
            yield item
        if not self.scripts:
            await asyncio.Event().wait()

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        yield self

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        return [Document(path, self.tombstones.get(path)).only(fields) for path in paths]


def board(key: str, version: int) -> Document:
    return Document(f"boards/{key}", {"id": key, "version": version}, version)


async def everything(datastore: Any, until: int) -> list[tuple[str, bytes]]:
    """What is published until the relay has come to a timepoint."""
    published: list[tuple[str, bytes]] = []

    async def publish(channel: str, message: Message) -> None:
        if channel != CHANNELS.pulse:
            published.append((message.key, message.payload))

    broadcast: Any = SimpleNamespace(publish=publish)
    async with deadline(), Relay(datastore, broadcast, CATALOG, channels=CHANNELS, backoff=QUICK) as relay:
        await relay.wait_for(until)
        await relay.wait_for(until)
    return published


COMPARE_ALL = [("", b"")] * 2 * CHANNELS.shards


async def test_a_resend_is_not_announced_but_compared() -> None:
    datastore = Scripted(
        [
            Changes((board("a", 101),), ResumePoint(101)),
            Changes((board("b", 1),), None, reset=True),
            Changes((board("c", 2),), None),
            Changes((board("d", 3),), ResumePoint(102)),
            Changes((board("e", 103),), ResumePoint(103)),
        ]
    )
    published = await everything(datastore, 103)
    assert {key for key, _ in published} == {"", "a", "e"}
    assert published.count(("", b"")) in {len(COMPARE_ALL), 2 * len(COMPARE_ALL)}  # one that is still owed is owed once
    assert datastore.since == [ResumePoint(100)]


async def test_a_listener_that_raises_is_started_again_from_now_and_everybody_compares() -> None:
    datastore = Scripted(
        [Changes((board("a", 101),), ResumePoint(101)), RuntimeError("no permission")],
        [],
        [Changes((board("b", 102),), ResumePoint(102))],
    )
    published = await everything(datastore, 102)
    assert datastore.since == [ResumePoint(100)] * 3
    assert [key for key, _ in published if key] == ["a", "b"]


async def test_a_datastore_that_is_down_at_the_start_is_waited_for() -> None:
    datastore = Scripted([Changes((board("a", 101),), ResumePoint(101))])
    datastore.pings = [DatastoreUnavailable("down"), DatastoreUnavailable("down")]
    assert {key for key, _ in await everything(datastore, 101)} == {"", "a"}


async def test_a_deletion_of_what_is_there_again_is_not_announced() -> None:
    datastore = Scripted(
        [
            Changes((Document("boards/a", None, 101), Document("boards/b", None, 101)), ResumePoint(101)),
            Changes((board("a", 102),), ResumePoint(102)),
        ]
    )
    datastore.tombstones = {
        metadata_path("Board", "a"): {"version": 102},
        metadata_path("Board", "b"): {"version": 101, "deleted": True},
    }
    published = await everything(datastore, 102)
    assert [Announcement.from_message(Message(key, payload)) for key, payload in published if key] == [
        Announcement("b", 101, None),
        Announcement("a", 102, {"id": "a", "version": 102}),
    ]


async def test_a_large_batch_is_announced_a_few_at_a_time() -> None:
    at_once, most, count = 0, 0, 0

    async def publish(channel: str, message: Message) -> None:
        nonlocal at_once, most, count
        if channel == CHANNELS.pulse:
            return
        at_once, count = at_once + 1, count + bool(message.key)
        most = max(most, at_once if message.key else 0)
        await asyncio.sleep(0)
        at_once -= 1

    datastore: Any = Scripted([Changes(tuple(board(str(number), 101) for number in range(1000)), ResumePoint(101))])
    broadcast: Any = SimpleNamespace(publish=publish)
    async with deadline(), Relay(datastore, broadcast, CATALOG, channels=CHANNELS, publishing_at_once=8) as relay:
        await relay.wait_for(101)
    assert count == 1000
    assert most <= 8 + len(COMPARE_ALL)
