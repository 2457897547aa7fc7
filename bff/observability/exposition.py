"""Metrics as Prometheus scrapes them, by its own client library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metric", "Sample", "counter", "gauge", "render"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

Sample: TypeAlias = tuple[Mapping[str, str], float]
"""The labels of a value, and the value."""


class _Collected(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        yield from self._collect()


def gauge(name: str, help: str, value: float | Iterable[Sample]) -> Metric:
    """What goes up and down: one value without labels, or samples."""
    return _filled(Metric(name, help, "gauge"), name, value)


def counter(name: str, help: str, value: float | Iterable[Sample]) -> Metric:
    """What only rises as long as the process lives. Its name ends in ``_total``."""
    return _filled(Metric(name.removesuffix("_total"), help, "counter"), name, value)


def render(collect: Callable[[], Iterable[Metric]]) -> bytes:
    """What a scrape is answered with at this moment, of these metrics and no others."""
    # Not in a registry: the library's own is one for all apps of a process.
    return generate_latest(_Collected(collect))


def _filled(metric: Metric, name: str, value: float | Iterable[Sample]) -> Metric:
    for labels, number in [({}, value)] if isinstance(value, int | float) else value:
        metric.add_sample(name, dict(labels), number)
    return metric
