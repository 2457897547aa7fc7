"""``make bench``: run the scenarios, and write results.json, RESULTS.md and the charts."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import pace
from benchmarks.harness import Bench, Measured, measure, pinned_to
from benchmarks.machine import described
from benchmarks.registry import scenarios
from benchmarks.report import write
from benchmarks.schedule import schedule

HERE = Path(__file__).parent


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """1 where a scenario failed. That a target is not met is no failure: RESULTS.md says so."""
    known = scenarios()
    parser = argparse.ArgumentParser(prog="make bench", description="Measure bff and its peers side by side.")
    parser.add_argument("names", nargs="*", metavar="scenario", help=f"these only: {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="shorter rounds: to see that it runs, not to publish")
    parser.add_argument(
        "--output", type=Path, help="where to write; by default this folder, or build/bench for a part or QUICK=1"
    )
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in given.names] or list(known.values())
    # Figures that are published come from one whole run: a part never mixes into them.
    whole = not given.names and not given.quick
    output = given.output or (HERE if whole else HERE.parent / "build" / "bench")

    started = time.monotonic()
    results = {scenario.name: Measured() for scenario in chosen}
    with tempfile.TemporaryDirectory(prefix="bff-bench-") as folder:
        bench = Bench(Path(folder), quick=given.quick)
        paces = []
        for scenario, rounds in schedule(chosen, bench):
            pinned_to(bench.cores.server)
            paces += pace.yardstick()
            pinned_to(bench.cores.load)
            began = time.monotonic()
            say(f"{scenario.name}: {scenario.title}")
            measure(scenario, bench, rounds, results[scenario.name], say)
            say(f"  {time.monotonic() - began:.0f} s")
        about = described(bench, seconds=time.monotonic() - started, paces=paces)
    write(output, chosen, results, about)
    say(f"{output / 'RESULTS.md'}: {time.monotonic() - started:.0f} s in all")
    failed = [name for name, result in results.items() if result.failed]
    if failed:
        say(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
