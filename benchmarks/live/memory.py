"""Memory: what one more subscription, and one more view that is read, costs the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import Bench, Metric, Scenario, Target, Wrong, absolute
from benchmarks.live.http_connection import HTTPConnection
from benchmarks.live.servers import ARIADNE, BARE, BFF, NODE, Contender, seeded, served
from benchmarks.live.state import VIEWS, key
from benchmarks.live.subscribers import Size, subscribers

__all__ = ["SCENARIOS", "Memory", "ViewMemory"]

KB = 1000
REST_SECONDS = 0.5


class Memory(Scenario):
    """Subscriptions with a socket of their own, or on shared ones."""

    metrics = (Metric("memory", "kB/subscription", higher_is_better=False),)
    together = False
    repeats = 1

    def __init__(self, name: str, title: str, warm: Size, size: Size, at_most: float) -> None:
        self.name = name
        self.title = title
        self.about = (
            f"How much larger the server's process (RSS) is with {size.subscriptions:,} subscriptions to one view over"
            f" {size.sockets:,} sockets, divided by them, after a change to each; two samples differ by less than a percent."
            f" Before the first reading, {warm.subscriptions} subscriptions were opened, shown a change and closed, so that"
            " what is loaded once does not count. The kernel's own memory is not in it."
        )
        self.targets = (Target(f"≤ {at_most:g} kB", absolute(name, "memory"), at_most=at_most, unit="kB"),)
        # 10,000 operations on 10 sockets take Ariadne a minute to begin.
        self.contenders = (BFF, BARE, NODE, ARIADNE) if size.per_socket == 1 else (BFF, BARE, NODE)
        self._warm = warm
        self._size = size

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Contender]:
        with served(bench, contender) as running:
            with subscribers(bench, running.server, running.control_port, self._warm) as warming:
                warming.paced(rate=4, seconds=0.5)
            time.sleep(REST_SECONDS)
            yield running

    def measure(self, bench: Bench, contender: str, opened: Contender) -> dict[str, float]:
        before = opened.server.rss_bytes()
        with subscribers(bench, opened.server, opened.control_port, self._size) as looking:
            looking.paced(rate=1, seconds=1)
            time.sleep(REST_SECONDS)
            return {"memory": (opened.server.rss_bytes() - before) / self._size.subscriptions / KB}


class ViewMemory(Scenario):
    """Views that are read once, and what a view takes in the file."""

    name = "memory-views"
    title = "Memory of a view"
    about = (
        "How much larger the server's process (RSS) is after each of 900 views was queried by id, which were never read"
        " before, divided by them; and how large the SQLite file is for each view: its 22 documents, the view's own, and what"
        " is known of it, indexed."
    )
    metrics = (
        Metric("memory", "kB/view read", higher_is_better=False, compared=False),
        Metric("file", "kB/view stored", higher_is_better=False, compared=False),
    )
    contenders = (BFF,)
    together = False
    repeats = 1

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Contender]:
        with served(bench, contender) as running:
            asyncio.run(read(running.server.port, range(100)))
            yield running

    def measure(self, bench: Bench, contender: str, opened: Contender) -> dict[str, float]:
        before = opened.server.rss_bytes()
        asyncio.run(read(opened.server.port, range(100, VIEWS)))
        memory = (opened.server.rss_bytes() - before) / (VIEWS - 100) / KB
        return {"memory": memory, "file": seeded(bench).stat().st_size / VIEWS / KB}


QUERY = (
    "query Session($id: ID!) { meetingSession(id: $id) { id version title region address latitude longitude inSession"
    " attending { name organization hearingAidRequested } numAttending numHearingAidRequested } }"
)


async def read(port: int, views: range) -> None:
    """Query these by id. Raises Wrong where an answer is of another."""
    connection = await HTTPConnection.open(port)
    for view in views:
        answer = await connection.post({"query": QUERY, "variables": {"id": key(view)}})
        if answer["data"]["meetingSession"]["id"] != key(view):
            raise Wrong(f"{key(view)} was asked for, {answer} came")


SCENARIOS = [
    Memory("memory-own", "Memory of a subscription with a socket of its own", Size(100), Size(2_000), 30),
    Memory("memory-shared", "Memory of a subscription on a shared socket", Size(1, 100), Size(10, 1_000), 4),
    ViewMemory(),
]
