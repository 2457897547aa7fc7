"""Latency: from a change to its receipt, by 1,000 subscribers and by the few of one view of many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import Bench, Measured, Metric, Scenario, Target, absolute, ratio
from benchmarks.live.mutations import mutations
from benchmarks.live.servers import ARIADNE, BARE, BFF, COMMITS, FLOOR, NODE, Contender, served
from benchmarks.live.subscribers import Size, Subscribers, subscribers

__all__ = ["SCENARIOS", "Latency", "MutationToPush"]

MILLISECONDS = (Metric("p99", "ms", higher_is_better=False), Metric("p50", "ms", higher_is_better=False, compared=False))
CPU = (
    Metric("server cpu", "%", higher_is_better=False, compared=False),
    Metric("load cpu", "%", higher_is_better=False, compared=False),
)


class Latency(Scenario):
    """1,000 subscribers, one change a second."""

    name = "latency"
    title = "Latency at 1,000 subscribers, one change a second"
    about = (
        "From the making of a state, which is the time that stands in it, to the receipt by each of 1,000 sockets: the"
        " monotonic clock of one machine. Each sample is the median and the 99th percentile of all deliveries of its changes."
        " What “bff” and “bff, each change a commit” do is said with fan-out: the latter's time begins before the commit."
    )
    metrics = (*MILLISECONDS, *CPU)
    contenders = (BFF, COMMITS, BARE, NODE, ARIADNE)
    targets = (Target("p99 ≤ 1.5 × bare ASGI", ratio("latency", "p99", BARE), at_most=1.5),)

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Subscribers]:
        with (
            served(bench, contender) as running,
            subscribers(bench, running.server, running.control_port, Size(1_000)) as opened,
        ):
            opened.flood(bench.warm_seconds)
            yield opened

    def measure(self, bench: Bench, contender: str, opened: Subscribers) -> dict[str, float]:
        taken = opened.paced(rate=1, seconds=2 if bench.quick else 4)
        figures = taken.figures
        return {
            "p99": figures["p99_ms"],
            "p50": figures["p50_ms"],
            "server cpu": taken.server_cpu,
            "load cpu": taken.load_cpu,
        }


class MutationToPush(Scenario):
    """100 mutations a second over HTTP, and who looks at what they change."""

    name = "mutation-to-push"
    title = "From a mutation to its push, at 100 mutations a second"
    about = (
        "One process with the embedded datastore, flushed to the disk. Mutations come over HTTP, evenly, each to another one"
        " of 10 meetings, each of which two sockets look at. Every answer and every push is checked to show what the mutation"
        " did. “p50” and “p99” are from when the mutation was due to be sent to having the push on a socket; “from the commit”"
        " is from its timepoint. “C over epoll (floor)” pushes and answers as soon as it has read a mutation, and does nothing"
        " else: what stands there is what the load and the kernel add."
    )
    metrics = (
        Metric("p99", "ms", higher_is_better=False, compared=False),
        Metric("p50", "ms", higher_is_better=False, compared=False),
        Metric("p50 from the commit", "ms", higher_is_better=False, compared=False),
        Metric("p99 from the commit", "ms", higher_is_better=False, compared=False),
        Metric("p50 of the answer", "ms", higher_is_better=False, compared=False),
        *CPU,
    )
    contenders = (BFF, FLOOR)
    apart = True
    targets = (
        Target("p50 ≤ 3 ms", absolute("mutation-to-push", "p50"), at_most=3, unit="ms"),
        Target("p99 ≤ 10 ms", absolute("mutation-to-push", "p99"), at_most=10, unit="ms"),
    )

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Contender]:
        with served(bench, contender) as running:
            yield running

    def measure(self, bench: Bench, contender: str, opened: Contender) -> dict[str, float]:
        return mutations(bench, opened.server, rate=100, seconds=3 if bench.quick else 6)

    def charts(self, measured: Measured) -> dict[str, str]:
        """None: the floor is there to judge the load by, and is no peer."""
        return {}


SCENARIOS = [Latency(), MutationToPush()]
