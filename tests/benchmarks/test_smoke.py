"""When bench-smoke fails: a ratio that has fallen by more than a third, and is so each time it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from benchmarks.smoke import fallen, judged


def measures(ratios: Sequence[float]) -> Callable[[], float]:
    return iter(ratios).__next__


@pytest.mark.parametrize(("ratio", "has"), [(0.6, False), (0.401, False), (0.399, True), (0.9, False)])
def test_what_has_lost_more_than_a_third_has_fallen(ratio: float, has: bool) -> None:
    assert fallen(ratio, 0.6) is has


def test_one_good_attempt_is_enough() -> None:
    """A busy machine slows one attempt down, and must not fail it."""
    [verdict] = judged({"query": measures([0.2, 0.2, 0.6])}, {"query": 0.6})
    assert verdict.ratios == [0.2, 0.2, 0.6]
    assert not verdict.failed


def test_what_has_not_fallen_is_not_measured_again() -> None:
    slow, fine = judged({"slow": measures([0.2, 0.3, 0.1]), "fine": measures([0.5])}, {"slow": 0.6, "fine": 0.6})
    assert slow.failed
    assert fine.ratios == [0.5]
    assert not fine.failed


def test_attempts_are_in_turns() -> None:
    """What disturbs one attempt at one ratio does not disturb the next two as well."""
    order: list[str] = []

    def measure(name: str) -> Callable[[], float]:
        return lambda: order.append(name) or 0.1  # type: ignore[func-returns-value]

    judged({"a": measure("a"), "b": measure("b")}, {"a": 0.6, "b": 0.6})
    assert order == ["a", "b"] * 3


def test_it_says_what_has_fallen_and_by_how_much() -> None:
    [verdict] = judged({"query": measures([0.2, 0.3, 0.1])}, {"query": 0.6})
    assert verdict.line() == "query: 0.200, 0.300, 0.100 of the other; the baseline is 0.600 (-50%): FALLEN by 50% at the best"


def test_a_ratio_without_a_baseline_fails() -> None:
    """Otherwise a check whose name was changed would hold for ever."""
    [verdict] = judged({"query": measures([0.6])}, {})
    assert verdict.failed
    assert "there is no baseline" in verdict.line()
