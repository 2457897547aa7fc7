"""What a process costs before anybody asks for anything: importing bff, starting the meeting room, and its memory."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Bench, Metric, Scenario, Target, absolute
from benchmarks.processes import PYTHON, ROOT, python_path

__all__ = ["SCENARIOS", "ProcessScenario"]

MEETING_ROOM = "meeting_room.app:app"
IMPORTS = 10
SETTLE_SECONDS = 2.0

IMPORTING = """
import json, time
started = time.perf_counter()
import {module}
print(json.dumps({{"seconds": time.perf_counter() - started}}))
"""
# The last line of -X importtime is the outermost import: "import time: self | cumulative | bff", in microseconds.
ADDING_UP = """
import json, subprocess, sys
ran = subprocess.run([sys.executable, "-X", "importtime", "-c", "import bff"], capture_output=True, text=True, check=True)
print(json.dumps({"seconds": int(ran.stderr.strip().splitlines()[-1].split("|")[1]) / 1e6}))
"""


class ProcessScenario(Scenario):
    """One sample is one process of each kind."""

    name = "process"
    title = "A process that is idle"
    about = (
        "The meeting room of `examples/`, served by `bff serve` on its seeded SQLite file: from starting it to `/readyz`,"
        f" and its resident memory {SETTLE_SECONDS:g} s later, before any other request. The import is `import bff` in a fresh"
        f" interpreter by its own clock, the median of {IMPORTS}; `declare an app` is the same of the meeting room's module,"
        " which imports bff and ends with its `App` built; `importtime` is what `python -X importtime` adds up, which costs"
        " time itself."
    )
    metrics = (
        Metric("idle memory", "MB", higher_is_better=False, compared=False),
        Metric("start to ready", "s", higher_is_better=False, compared=False),
        Metric("import bff", "s", higher_is_better=False, compared=False),
        Metric("declare an app", "s", higher_is_better=False, compared=False),
        Metric("importtime", "s", higher_is_better=False, compared=False),
    )
    contenders = ("bff",)
    targets = (
        Target("a meeting-room process idle ≤ 90 MB", absolute("process", "idle memory"), at_most=90.0, unit="MB"),
        Target("`import bff` ≤ 0.4 s", absolute("process", "import bff"), at_most=0.4, unit="s"),
    )
    together = False
    apart = True

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Path]:
        path = bench.folder / "meeting_room.db"
        if not path.exists():
            seeding = "import asyncio, sys; from meeting_room.seed import main; asyncio.run(main(sys.argv[1])); print('{}')"
            bench.run([PYTHON, "-c", seeding, f"sqlite:///{path}"], env=_environment())
        yield path

    def measure(self, bench: Bench, contender: str, opened: Path) -> dict[str, float]:
        started = time.perf_counter()
        with bench.bff(MEETING_ROOM, database=opened, env=_environment()) as server:
            ready = time.perf_counter() - started
            time.sleep(SETTLE_SECONDS)
            memory = server.rss_bytes() / 1e6
        return {
            "idle memory": memory,
            "start to ready": ready,
            "import bff": _import_seconds(bench, "bff"),
            "declare an app": _import_seconds(bench, "meeting_room.app"),
            "importtime": bench.run([PYTHON, "-c", ADDING_UP])["seconds"],
        }


def _import_seconds(bench: Bench, module: str) -> float:
    program = IMPORTING.format(module=module)
    runs = 3 if bench.quick else IMPORTS
    seconds: list[float] = [bench.run([PYTHON, "-c", program], env=_environment())["seconds"] for _ in range(runs)]
    return statistics.median(seconds)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": f"{ROOT / 'examples'}{os.pathsep}{python_path()}"}


SCENARIOS: list[Scenario] = [ProcessScenario()]
