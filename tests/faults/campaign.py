"""Load on servers that things happen to: clients that write until that is acknowledged, and clients that look on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
from websockets.exceptions import InvalidHandshake

from bff.connection import connect
from bff.testing.graphql_ws import Closed, GraphQLWSClient, OperationFailed
from tests.faults.campaign_app import Group, Meter
from tests.faults.healed import Seen, is_as_from_scratch
from tests.faults.inspected import REPORT
from tests.serve import BffServer

__all__ = ["APP", "Campaign", "campaign", "filled", "fleet"]

APP = "tests.faults.campaign_app:app"
ADD = "mutation ($id: ID!) { meterAdd(id: $id) { count } }"
QUERIES = {
    "MeterPage": "subscription ($key: ID!) { meterPage(id: $key) { id version count } }",
    "GroupPage": "subscription ($key: ID!) { groupPage(id: $key) { id version name total counts } }",
}
SAFE = {"UNAVAILABLE", "OUTCOME_UNKNOWN", "CONFLICT", "STALE", "SERVICE_RESTART", "TIMEOUT"}
"""After these a client sends the same again, under the same key."""

PAUSE = 0.02
GROUPS = 2


async def filled(url: str, meters: int) -> None:
    """Write the documents that are there before a server first runs: so many meters, in two groups."""
    async with connect(url):
        for number in range(GROUPS):
            await Group(id=f"g{number}", name=f"group {number}").save()
        for number in range(meters):
            await Meter(id=f"m{number}", group=f"g{number % GROUPS}").save()


@dataclass
class Writer:
    """Counts one meter up, one request after the other; ``count`` is how often that was acknowledged.

    ``began`` is when the newest count was first asked for, which is ``asked``. Monotonic seconds.
    """

    id: str
    count: int = 0
    retried: int = 0
    asked: int = 0
    began: float = 0.0


class Campaign:
    """Who writes and who looks on, at the servers that serve the web."""

    def __init__(self, url: str, servers: Sequence[BffServer], meters: int) -> None:
        self.url = url
        self.servers = servers
        self.writers = [Writer(f"m{number}") for number in range(meters)]
        places: list[tuple[Literal["MeterPage", "GroupPage"], str]] = [("GroupPage", f"g{number}") for number in range(GROUPS)]
        places += [("MeterPage", writer.id) for writer in self.writers]
        self.seen = [Seen(view, key) for view, key in places for _ in servers]
        self.took: list[float] = []
        """How long each count took from its request until somebody who looks on was told of it. Seconds."""
        self._writing = asyncio.Event()
        self._writing.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._writes: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Go on from what the meters show."""
        async with connect(self.url):
            for writer in self.writers:
                meter = await Meter.get(writer.id)
                assert meter is not None
                writer.count = meter.count
        self._tasks = [asyncio.create_task(self._watch(number, seen)) for number, seen in enumerate(self.seen)]
        self._writes = [asyncio.create_task(self._write(number, writer)) for number, writer in enumerate(self.writers)]

    async def progress(self, writes: int, seconds: float = 60.0) -> None:
        """Wait until so many more writes were acknowledged: the system goes on. Raises AssertionError, or what ended a client."""
        aim = self.written + writes
        try:
            async with asyncio.timeout(seconds):
                while self.written < aim:
                    self._raise()
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            raise AssertionError(f"{self.written} writes were acknowledged in place of {aim}") from None

    async def healed(self, seconds: float = 60.0) -> None:
        """Stop writing; everything is as from scratch, every write took effect once, and every client has seen the last state."""
        async with asyncio.timeout(seconds):
            await self.pause()
        async with connect(self.url):
            for writer in self.writers:
                meter = await Meter.get(writer.id)
                assert meter is not None
                assert meter.count == writer.count, f"{writer} was counted {meter.count} times"
        try:
            await is_as_from_scratch(self.url, self.seen, seconds)
        finally:
            self._raise()

    async def pause(self) -> None:
        """Stop writing, when what was asked is answered."""
        self._writing.clear()
        await asyncio.gather(*self._writes)

    def resume(self) -> None:
        """Write on."""
        self._writing.set()
        self._writes = [asyncio.create_task(self._write(number, writer)) for number, writer in enumerate(self.writers)]

    def may_be_gone(self, may: bool) -> None:
        """Whether clients may be told that there is nothing: the datastore forgets everything, and is filled anew."""
        for seen in self.seen:
            seen.may_be_gone = may

    async def end(self) -> None:
        for task in (*self._tasks, *self._writes):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._writes, return_exceptions=True)

    @property
    def written(self) -> int:
        return sum(writer.count for writer in self.writers)

    @property
    def retried(self) -> int:
        """How often a write was not acknowledged and sent again."""
        return sum(writer.retried for writer in self.writers)

    def _raise(self) -> None:
        for task in (*self._tasks, *self._writes):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _write(self, number: int, writer: Writer) -> None:
        at = number
        async with httpx.AsyncClient(timeout=30) as http:
            while self._writing.is_set():
                key = f"{writer.id}-{writer.count}"
                writer.asked, writer.began = writer.count + 1, time.monotonic()
                request = {"query": ADD, "variables": {"id": writer.id}, "extensions": {"bff": {"idempotencyKey": key}}}
                while (count := await self._count(http, self.servers[at % len(self.servers)].url, request)) is None:
                    at, writer.retried = at + 1, writer.retried + 1
                    await asyncio.sleep(PAUSE)
                writer.count += 1
                assert count == writer.count, f"{writer} was answered {count}"
                await asyncio.sleep(PAUSE)

    async def _count(self, http: httpx.AsyncClient, url: str, request: dict[str, Any]) -> int | None:
        """What the meter shows now; None where it is to be sent again."""
        try:
            answer = (await http.post(f"{url}/graphql", json=request)).json()
        except (httpx.TransportError, ValueError):
            return None
        if "errors" in answer:
            codes = {error["extensions"]["code"] for error in answer["errors"]}
            assert codes <= SAFE, answer
            return None
        return int(answer["data"]["meterAdd"]["count"])

    async def _watch(self, number: int, seen: Seen) -> None:
        """For ever: connect, look on until the socket is gone, connect again to the same place."""
        name = seen.view[0].lower() + seen.view[1:]
        while True:
            url = self.servers[number % len(self.servers)].url.replace("http:", "ws:")
            try:
                async with GraphQLWSClient.to_url(f"{url}/graphql", timeout=10) as client:
                    await client.init()
                    subscription = await client.subscribe(QUERIES[seen.view], {"key": seen.key})
                    seen.connected()
                    while True:
                        try:
                            payload = await client.next(subscription)
                        except TimeoutError:
                            await client.ping()  # nothing has changed, or it is frozen: then this raises
                            continue
                        if "errors" in payload:
                            raise OperationFailed(payload["errors"])
                        seen.saw(payload["data"][name])
                        self._measure(seen)
            except OperationFailed as failed:
                if not {error["extensions"]["code"] for error in failed.errors} <= SAFE:
                    raise
            except (Closed, OSError, InvalidHandshake, EOFError):  # TimeoutError is one of these
                pass
            await asyncio.sleep(PAUSE)

    def _measure(self, seen: Seen) -> None:
        for writer in self.writers if seen.view == "MeterPage" else ():
            if writer.id == seen.key and seen.content is not None and seen.content["count"] == writer.asked:
                self.took.append(time.monotonic() - writer.began)


@asynccontextmanager
async def fleet(url: str, directory: Path, roles: Sequence[str], settings: Mapping[str, str]) -> AsyncIterator[list[BffServer]]:
    """A server for each role, in their order, of an app on one datastore; started together, killed at the end."""
    servers = [
        BffServer(APP, url, {**settings, "BFF_ROLE": role, REPORT: str(directory / f"report-{number}")})
        for number, role in enumerate(roles)
    ]
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        yield servers
    finally:
        for server in servers:
            server.kill()


@asynccontextmanager
async def campaign(url: str, servers: Sequence[BffServer], meters: int = 6) -> AsyncIterator[Campaign]:
    """Load on these servers from the first progress to the end of the block. The documents are there (``filled``)."""
    one = Campaign(url, servers, meters)
    await one.begin()
    try:
        await one.progress(meters)
        yield one
    finally:
        await one.end()
