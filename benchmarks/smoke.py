"""``make bench-smoke``: a few ratios, each against a stored one. It fails where one has fallen by more than a third.

Figures of a busy machine are noise, ratios of what ran in the same seconds are less so, and of CPU time rather than of the clock
still less: what is compared is what one request (delivery, update) costs the server's process, ours and another's. A ratio that
has fallen is measured again; it fails when it has fallen in each of three attempts.

A module of `benchmarks.registry` that has a list ``SMOKE`` of checks takes part.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, Bench, Scenario, Unavailable, Wrong, pinned_to
from benchmarks.registry import MODULES

__all__ = ["ATTEMPTS", "FALL", "Check", "Verdict", "fallen", "judged"]

BASELINE = Path(__file__).parent / "baseline.json"
ATTEMPTS = 3
FALL = 1 / 3
"""How much of a ratio may be lost."""


@dataclass(frozen=True, slots=True)
class Check:
    """How much cheaper ours is than another contender of this scenario, or how little dearer: the other's cost over ours.

    ``cost`` is a key of what the scenario measures, of which less is better: CPU time for one of what it counts.
    """

    name: str
    scenario: Scenario
    other: str
    cost: str = "server µs"
    ours: str = OURS


@dataclass(slots=True)
class Verdict:
    """One check's ratios, attempt by attempt."""

    name: str
    baseline: float | None
    ratios: list[float] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Fallen in each of all attempts; or there is nothing to compare with."""
        return self.baseline is None or (
            len(self.ratios) >= ATTEMPTS and all(fallen(ratio, self.baseline) for ratio in self.ratios)
        )

    def line(self) -> str:
        """One line for people."""
        shown = ", ".join(f"{ratio:.3f}" for ratio in self.ratios)
        if self.baseline is None:
            return f"{self.name}: {shown}; there is no baseline: make bench-smoke BASELINE=1"
        best = max(self.ratios) / self.baseline - 1
        verdict = f"FALLEN by {-best:.0%} at the best" if self.failed else "ok"
        return f"{self.name}: {shown} of the other; the baseline is {self.baseline:.3f} ({best:+.0%}): {verdict}"


def fallen(ratio: float, baseline: float) -> bool:
    """Whether more than a third of it is lost."""
    return ratio < baseline * (1 - FALL)


def judged(measures: Mapping[str, Callable[[], float]], baseline: Mapping[str, float], attempts: int = ATTEMPTS) -> list[Verdict]:
    """Measure each one, and those that have fallen again, in turns: one that has not fallen once is done."""
    verdicts = {name: Verdict(name, baseline.get(name)) for name in measures}
    for _ in range(attempts):
        for name, measure in measures.items():
            verdict = verdicts[name]
            if verdict.baseline is None:
                if not verdict.ratios:
                    verdict.ratios.append(measure())
            elif all(fallen(ratio, verdict.baseline) for ratio in verdict.ratios):
                verdict.ratios.append(measure())
    return list(verdicts.values())


def checks() -> list[Check]:
    return [check for module in MODULES for check in getattr(import_module(module), "SMOKE", ())]


def ratio(bench: Bench, check: Check, ours: Any, other: Any) -> float:
    """One attempt: ours and the other's, one after the other."""
    mine = check.scenario.measure(bench, check.ours, ours)[check.cost]
    theirs = check.scenario.measure(bench, check.other, other)[check.cost]
    return theirs / mine


def opened(bench: Bench, stack: ExitStack, chosen: Iterable[Check]) -> dict[str, Callable[[], float]]:
    """What measures each check. Contenders are opened once, and stay open; those of a scenario that opens each alone do not."""
    measures: dict[str, Callable[[], float]] = {}
    known: dict[tuple[str, str], Any] = {}

    def entered(scenario: Scenario, contender: str) -> Any:
        key = (scenario.name, contender)
        if key not in known:
            known[key] = stack.enter_context(scenario.open(bench, contender))
        return known[key]

    def alone(check: Check) -> float:
        with check.scenario.open(bench, check.ours) as ours:
            mine = check.scenario.measure(bench, check.ours, ours)[check.cost]
        with check.scenario.open(bench, check.other) as other:
            return check.scenario.measure(bench, check.other, other)[check.cost] / mine

    for check in chosen:
        if check.scenario.together:
            ours, other = entered(check.scenario, check.ours), entered(check.scenario, check.other)
            measures[check.name] = partial(ratio, bench, check, ours, other)
        else:
            measures[check.name] = partial(alone, check)
    return measures


def main() -> int:
    """1 where a ratio has fallen, or something gave a wrong answer."""
    parser = argparse.ArgumentParser(prog="make bench-smoke")
    parser.add_argument("--baseline", action="store_true", help="measure three times, and store the medians as the baseline")
    parser.add_argument(
        "--slower", type=float, default=0.0, metavar="µs", help="make ours slower by so much a request: it must fail"
    )
    given = parser.parse_args()
    baseline: dict[str, float] = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bff-bench-") as folder, ExitStack() as stack:
        bench = Bench(Path(folder), smoke=True, slower=given.slower)
        pinned_to(bench.cores.load)
        try:
            measures = opened(bench, stack, checks())
            if given.baseline:
                found = {name: sorted(measure() for _ in range(ATTEMPTS))[ATTEMPTS // 2] for name, measure in measures.items()}
                BASELINE.write_text(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2) + "\n")
                sys.stdout.write(BASELINE.read_text())
                return 0
            verdicts = judged(measures, baseline)
        except (Wrong, Unavailable) as wrong:
            sys.stdout.write(f"bench-smoke: {wrong}\n")
            return 1
    for verdict in verdicts:
        sys.stdout.write(verdict.line() + "\n")
    failed = [verdict.name for verdict in verdicts if verdict.failed]
    took = f"{time.monotonic() - started:.0f} s"
    if failed:
        sys.stdout.write(f"bench-smoke: {len(failed)} of {len(verdicts)} ratios fail: {'; '.join(failed)} ({took})\n")
    else:
        sys.stdout.write(f"bench-smoke: {len(verdicts)} ratios hold ({took})\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
