"""Growth: what a change, a query and a restart cost with more and more documents in the file."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import chart
from benchmarks.harness import Bench, Measured, Metric, Scenario, Target, Unavailable, Wrong, absolute, ratio
from benchmarks.live.growing import DOCUMENTS_OF_A_VIEW
from benchmarks.live.http_connection import HTTPConnection
from benchmarks.live.memory import QUERY
from benchmarks.live.state import key
from benchmarks.processes import PYTHON

__all__ = ["SCENARIOS", "Growth", "Restart", "name_of"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZE = 100_000
CHANGES = 400
QUERIES = 400
LISTS = 60
MISSED = 100
LIST = (
    'query Meetings($first: Int!) { meetingSessions(filter: {region: {eq: "north"}}, first: $first) { edges { cursor node { id'
    " title numAttending } } pageInfo { hasNextPage } } }"
)


def name_of(size: int) -> str:
    return f"bff, {size:,} documents"


def size_of(bench: Bench, contender: str) -> int:
    """Raises Unavailable where that takes too long for a short run."""
    size = next(size for size in SIZES if name_of(size) == contender)
    if bench.quick and size > QUICK_SIZE:
        raise Unavailable("QUICK=1")
    return size


def grown(bench: Bench, size: int) -> Path:
    """The database of this size, made once a run. Scenarios may change its meetings' titles."""
    path = bench.folder / f"grown-{size}.db"
    if not path.exists():
        bench.run([PYTHON, "-m", "benchmarks.live.growing", "seed", str(path), str(size)], timeout=900)
    return path


class Growth(Scenario):
    """The same work beside more and more documents."""

    name = "growth"
    title = "Growth to 1,000,000 documents on SQLite"
    about = (
        "Files of 1,000 to 1,000,000 domain documents, 22 for each view, and all their views. “change”: a meeting's title is"
        " committed and projected into its view, 8 at once, all of other views, checked; CPU time of the whole process, for"
        " one. “wall” is the same in time. “by id” and “list of 50”: the median of requests one after the other to `bff serve`"
        " on that file, as the client sees them; by id, each of another view."
    )
    metrics = (
        Metric("change", "µs CPU", higher_is_better=False, compared=False),
        Metric("wall", "µs", higher_is_better=False, compared=False),
        Metric("by id", "µs", higher_is_better=False, compared=False),
        Metric("list of 50", "µs", higher_is_better=False, compared=False),
    )
    contenders = tuple(map(name_of, SIZES))
    targets = (
        Target(
            "a change at 1,000,000 documents costs ≤ 1.5 × that at 1,000",
            ratio("growth", "change", name_of(SIZES[0]), ours=name_of(SIZES[-1])),
            at_most=1.5,
        ),
    )
    together = False

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[int]:
        size = size_of(bench, contender)
        grown(bench, size)
        yield size

    def measure(self, bench: Bench, contender: str, opened: int) -> dict[str, float]:
        path = grown(bench, opened)
        changed = bench.run([PYTHON, "-m", "benchmarks.live.growing", "changes", str(path), str(CHANGES)])
        with bench.bff("benchmarks.live.app:app", database=path) as server:
            by_id, listed = asyncio.run(queried(server.port, max(2, opened // DOCUMENTS_OF_A_VIEW)))
        return {"change": changed["cpu"], "wall": changed["wall"], "by id": by_id, "list of 50": listed}

    def charts(self, measured: Measured) -> dict[str, str]:
        series: dict[str, list[tuple[float, float]]] = {}
        for size in SIZES:
            for metric in ("change", "by id", "list of 50"):
                median = measured.median(name_of(size), metric)
                if median is not None:
                    series.setdefault(metric, []).append((size, median))
        drawn = chart.lines(self.title, "µs, less is better", "documents", series)
        return {"growth.svg": drawn} if drawn else {}


async def queried(port: int, views: int) -> tuple[float, float]:
    """Medians in microseconds: of queries by id, and of lists of 50. Raises Wrong where an answer is not what was asked for."""
    connection = await HTTPConnection.open(port)
    chosen = [key(random.randrange(views)) for _ in range(QUERIES)]
    by_id: list[float] = []
    for id in chosen:
        began = time.perf_counter()
        answer = await connection.post({"query": QUERY, "variables": {"id": id}})
        by_id.append(time.perf_counter() - began)
        if answer["data"]["meetingSession"]["id"] != id:
            raise Wrong(f"{id} was asked for, {answer} came")
    listed: list[float] = []
    for _ in range(LISTS):
        began = time.perf_counter()
        answer = await connection.post({"query": LIST, "variables": {"first": 50}})
        listed.append(time.perf_counter() - began)
        if len(answer["data"]["meetingSessions"]["edges"]) != min(50, views):
            raise Wrong(f"a list of 50 is {answer}")
    return sorted(by_id)[len(by_id) // 2] * 1e6, sorted(listed)[len(listed) // 2] * 1e6


class Restart(Scenario):
    """A process that starts where much is stored, and little was missed."""

    name = "restart"
    title = "Restart with 100 changes missed"
    about = (
        "100 meetings are changed in the file while nothing runs. Then a process is started: the time from that, Python's own"
        " start included, until its projector has caught up, which is checked in the views."
    )
    metrics = (Metric("caught up", "s", higher_is_better=False, compared=False),)
    contenders = (name_of(QUICK_SIZE), name_of(SIZES[-1]))
    targets = (
        Target("≤ 2 s with 1,000,000 documents", absolute("restart", "caught up", name_of(SIZES[-1])), at_most=2, unit="s"),
    )
    together = False

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Path]:
        path = grown(bench, size_of(bench, contender))
        bench.run([PYTHON, "-m", "benchmarks.live.growing", "miss", str(path), str(MISSED)])
        yield path

    def measure(self, bench: Bench, contender: str, opened: Path) -> dict[str, float]:
        started = time.monotonic()
        argv = [PYTHON, "-m", "benchmarks.live.growing", "restart", str(opened), str(MISSED), f"{started:.6f}"]
        return {"caught up": bench.run(argv)["seconds"]}


SCENARIOS = [Growth(), Restart()]
