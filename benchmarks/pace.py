"""What this machine takes at a moment for work that is never changed: to tell by how much others keep it busy."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.live.state import meeting

__all__ = ["described", "yardstick"]

TRIES = 20
ROUND_TRIPS = 100


def yardstick() -> list[float]:
    """Processor time, in microseconds, of reading and writing a view's JSON 100 times, in each of some tries."""
    view = meeting(0, 0)
    took = []
    for _ in range(TRIES):
        began = time.process_time()
        for _ in range(ROUND_TRIPS):
            json.loads(json.dumps(view))
        took.append((time.process_time() - began) * 1e6)
    return took


def described(took: Sequence[float]) -> str:
    """Best and median differ by little where nobody else has work for the processor."""
    best, middle, worst = (f"{microseconds:,.0f} µs" for microseconds in (min(took), median(took), max(took)))
    return f"a view's JSON read and written {ROUND_TRIPS} times: {best} at best, {middle} at the median, {worst} at worst"
