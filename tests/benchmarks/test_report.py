"""What RESULTS.md says of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.chart import bars, figure, lines
from benchmarks.harness import Bench, Measured, Metric, Scenario, Target, Unavailable, Wrong, absolute, measure, ratio
from benchmarks.report import write
from benchmarks.schedule import schedule


class Rates(Scenario):
    """Contenders that give what they are told to."""

    name = "rates"
    title = "Rates"
    about = "How fast."
    metrics = (Metric("rate", "requests/s"), Metric("p99", "ms", higher_is_better=False, compared=False))
    contenders = ("bff", "bare", "absent")
    targets = (
        Target("≥ 0.75 × bare", ratio("rates", "rate", "bare"), at_least=0.75),
        Target("p99 ≤ 1 ms", absolute("rates", "p99"), at_most=1.0, unit="ms"),
        Target("≥ 2 × absent", ratio("rates", "rate", "bare", "absent"), at_least=2.0),
    )

    def __init__(self, rates: dict[str, list[float]]) -> None:
        self.rates = rates
        self.order: list[str] = []

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Iterator[float]]:
        if contender not in self.rates:
            raise Unavailable("it is not installed")
        yield iter(self.rates[contender])

    def measure(self, bench: Bench, contender: str, opened: Any) -> dict[str, float]:
        self.order.append(contender)
        rate = next(opened)
        if rate < 0:
            raise Wrong("3 errors in 5 requests")
        return {"rate": rate, "p99": 2.0}


def run(scenario: Rates, folder: Path) -> str:
    said: list[str] = []
    bench, result = Bench(folder), Measured()
    for one, rounds in schedule([scenario], bench):
        measure(one, bench, rounds, result, said.append)
    write(folder, [scenario], {scenario.name: result}, {"date": "today"})
    return (folder / "RESULTS.md").read_text()


def test_rounds_are_in_turns_and_medians_are_shown(tmp_path: Path) -> None:
    scenario = Rates({"bff": [80, 1, 90], "bare": [100, 110, 90]})
    text = run(scenario, tmp_path)
    assert scenario.order == ["bff", "bare"] * 3
    assert "| **bff** | 80.0 | 2.00 |  |" in text
    assert "| bare | 100 | 2.00 | 0.80 × |" in text
    assert "Not measured: absent (it is not installed)." in text
    assert "| Rates | ≥ 0.75 × bare | 0.800 × | yes |" in text
    assert "| Rates | p99 ≤ 1 ms | 2.00 ms | **no** |" in text
    assert "| Rates | ≥ 2 × absent | – | not measured |" in text
    assert json.loads((tmp_path / "results.json").read_text())["scenarios"]["rates"]["samples"]["bff"]["rate"] == [80, 1, 90]
    assert ElementTree.parse(tmp_path / "charts" / "rates.svg").getroot().tag.endswith("svg")


def test_an_error_under_load_drops_every_figure(tmp_path: Path) -> None:
    text = run(Rates({"bff": [80, -1, 90], "bare": [100, 110, 90]}), tmp_path)
    assert "**rates failed**: Wrong: bff: 3 errors in 5 requests" in text
    assert "| Rates | ≥ 0.75 × bare | – | not measured |" in text
    assert "80.0" not in text


def test_rounds_that_are_apart_have_others_in_between(tmp_path: Path) -> None:
    first, apart, last = Rates({}), Rates({}), Rates({})
    apart.apart = True
    order = [(one, [*rounds]) for one, rounds in schedule([first, apart, last], Bench(tmp_path))]
    assert order == [(apart, [0]), (first, [0, 1, 2]), (apart, [1]), (last, [0, 1, 2]), (apart, [2])]


def test_what_has_failed_in_one_round_is_not_tried_in_the_next(tmp_path: Path) -> None:
    scenario = Rates({"bff": [-1]})
    scenario.apart = True
    assert "**rates failed**: Wrong: bff: 3 errors in 5 requests" in run(scenario, tmp_path)
    assert scenario.order == ["bff"]


def test_figures_have_three_digits() -> None:
    assert [figure(value) for value in (0.04321, 1.5, 42.04, 123.4, 32_768, 1_234_567)] == [
        "0.0432",
        "1.50",
        "42.0",
        "123",
        "32,800",
        "1,230,000",
    ]


def test_charts_are_well_formed() -> None:
    ElementTree.fromstring(bars("A < B", "1/s", [("bff", 2.0), ("a & b", 1.0)], ours="bff"))
    ElementTree.fromstring(lines("Growth", "ms", "documents", {"bff": [(1_000, 1.0), (1_000_000, 1.2)]}))
