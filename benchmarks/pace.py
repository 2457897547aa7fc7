"""How fast the machine and its Python are at the moment: a loop that never changes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from time import perf_counter

__all__ = ["described", "tried"]

TRIES = 5
ADDITIONS = 1_000_000


def tried() -> list[float]:
    """How long the loop took, in seconds, in each of some tries."""
    took = []
    for _ in range(TRIES):
        began, total = perf_counter(), 0
        for number in range(ADDITIONS):
            total += number
        took.append(perf_counter() - began)
    return took


def described(took: Sequence[float]) -> str:
    """Best and worst differ by little where nobody else has work for the processor."""
    best, middle, worst = (f"{seconds * 1000:.0f} ms" for seconds in (min(took), median(took), max(took)))
    return f"{ADDITIONS:,} additions in {best} at best, {middle} at the median, {worst} at worst"
