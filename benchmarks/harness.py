"""The harness: contenders that run side by side, measured in interleaved rounds.

A benchmark is a `Scenario`. It names its contenders (ours is ``"bff"``), opens each one (starts its process, checks that its
answers are right, warms it up), and measures one that is open. The harness goes round: A B C, A B C, A B C, and keeps every
sample; what is reported is the median. To add one::

    # benchmarks/fan_out.py
    class FanOut(Scenario):
        name = "fan-out"                          # make bench SCENARIOS=fan-out
        title = "Fan-out to 1,000 sockets"
        about = "One sentence or two: what is measured, and how."
        metrics = (Metric("rate", "deliveries/s"), Metric("p99", "ms", higher_is_better=False))     # the first one is charted
        contenders = ("bff", "bare ASGI")
        targets = (
            Target("≥ 0.9 × bare ASGI", ratio("fan-out", "rate", "bare ASGI"), at_least=0.9),
            Target("p99 ≤ 10 ms", absolute("fan-out", "p99"), at_most=10.0, unit="ms"),
        )

        @contextmanager
        def open(self, bench: Bench, contender: str) -> Iterator[Server]:
            port = free_port()
            with bench.start([…, str(port)], port=port, env={…}) as server:      # pinned to the server's core
                … check an answer: raise Wrong(…); warm up …
                yield server

        def measure(self, bench: Bench, contender: str, opened: Server) -> dict[str, float]:
            ran = bench.load([…, opened.url], server=opened)                       # pinned to the load's core
            return {"rate": …, "p99": …, **ran.cpu()}

    SCENARIOS = [FanOut()]

and name the module in `benchmarks/registry.py`. What matters:

- Ours is served by `bench.bff(…)` (`bff serve`, default settings, on a copy of a seeded SQLite file): nothing is switched off.
- A contender that gives a wrong answer or an error raises `Wrong`: the scenario has failed, its figures are dropped, and the run
  ends with exit code 1. One that cannot run here (no Node.js) raises `Unavailable`: it is left out, and RESULTS.md says so.
- All contenders of a scenario are open during all rounds, idle but for the one that is measured. With ``together = False`` each
  is opened for each of its samples alone (memory, start-up); then what takes long may be done in ``open`` or in ``measure``.
- ``bench.quick`` (QUICK=1) asks for less: fewer sizes, two rounds, `bench.seconds` each. A whole run is to take 20 minutes.
- Sizes of a growth curve are contenders too (``"bff, 1,000 documents"``); `Scenario.charts` may draw lines instead of bars.
- A scenario with a near target in milliseconds or per second has ``apart = True``: its rounds are spread over the run.
- What measures in its own process, without a server, is `bench.run([python, "-m", "benchmarks.growth", …])`: pinned to the
  server's core, its last line of output being JSON.
- What CI is to watch goes into a list ``SMOKE`` of the module too (`benchmarks.smoke.Check`): cheap, and by CPU time.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import chart
from benchmarks.processes import PYTHON, ROOT, Cores, Load, Server, Wrong, finish, free_port, load, serving, settled

__all__ = [
    "Bench",
    "Measured",
    "Metric",
    "Results",
    "Scenario",
    "Server",
    "Target",
    "Unavailable",
    "Wrong",
    "absolute",
    "free_port",
    "measure",
    "ratio",
]

OURS = "bff"
DOMAIN = "benchmarks.domain:app"


class Unavailable(Exception):
    """This contender cannot run on this machine: what it needs is not installed. It is left out."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a scenario. ``name`` is its key in what `Scenario.measure` returns."""

    name: str
    unit: str
    higher_is_better: bool = True
    compared: bool = True
    """Whether the table says the ratio to ours."""


@dataclass(slots=True)
class Measured:
    """What came out of one scenario: every sample, by contender and metric, in the order they were taken."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: str | None = None

    def median(self, contender: str, metric: str) -> float | None:
        """None where it was not measured."""
        samples = self.samples.get(contender, {}).get(metric)
        return statistics.median(samples) if samples and self.failed is None else None

    def add(self, contender: str, sample: Mapping[str, float]) -> None:
        for metric, value in sample.items():
            self.samples.setdefault(contender, {}).setdefault(metric, []).append(value)


Results = Mapping[str, Measured]
"""By the scenarios' names."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of "Done means": what was asked, and how it is found in the results: None where it was not measured."""

    asked: str
    value: Callable[[Results], float | None]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "×"

    def holds(self, results: Results) -> bool | None:
        """None where it was not measured."""
        value = self.value(results)
        if value is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


def absolute(scenario: str, metric: str, contender: str = OURS) -> Callable[[Results], float | None]:
    """The median itself."""
    return lambda results: results[scenario].median(contender, metric) if scenario in results else None


def ratio(scenario: str, metric: str, *others: str, ours: str = OURS) -> Callable[[Results], float | None]:
    """Our median over the highest one of these others; None where one of them was not measured."""

    def value(results: Results) -> float | None:
        if scenario not in results:
            return None
        mine = results[scenario].median(ours, metric)
        theirs = [results[scenario].median(other, metric) for other in others]
        found = [median for median in theirs if median is not None]
        return mine / max(found) if mine is not None and found and len(found) == len(others) and max(found) > 0 else None

    return value


class Bench:
    """What a scenario is given: the cores, a folder that is removed at the end, and processes."""

    def __init__(self, folder: Path, *, quick: bool = False, smoke: bool = False, slower: float = 0.0) -> None:
        self.folder = folder
        self.quick = quick or smoke
        self.smoke = smoke
        """Whether this is ``make bench-smoke``: nothing is needed that bff itself does not need, wrk and Node.js least of all."""
        self.slower = slower
        self.seconds = 1.0 if self.quick else 1.5
        """How long one sample of one contender is taken."""
        self.warm_seconds = 1.0
        self.busy = os.getloadavg()[0]
        """How busy the machine was before: the load average of the last minute."""
        self._seeded: dict[str, Path] = {}

    def rounds(self, scenario: Scenario) -> int:
        """How many samples are taken of each contender."""
        return min(scenario.repeats, 2) if self.quick else scenario.repeats

    @cached_property
    def cores(self) -> Cores:
        """Raises Wrong on a machine that has but one."""
        return Cores.of_this_machine()

    def start(
        self,
        argv: Sequence[str],
        *,
        port: int,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        ready: str | None = None,
        timeout: float = 60.0,
    ) -> AbstractContextManager[Server]:
        """A server as a process of its own on the server's core, ended with the block.

        Entered when its port takes connections, or where ``ready`` is a path, when that is answered 200.
        Raises Wrong, with what it printed, where it ends or is not ready in time.
        """
        return serving(argv, core=self.cores.server, port=port, env=env, cwd=cwd, ready=ready, timeout=timeout)

    @contextmanager
    def bff(self, app: str = DOMAIN, *, database: Path | None = None, env: Mapping[str, str] | None = None) -> Iterator[Server]:
        """``bff serve``, one process, default settings but for where its data is: ``database``, or a fresh copy of `seeded()`."""
        port = free_port()
        with ExitStack() as stack:
            if database is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
                database = folder / "bff.db"
                database.write_bytes(self.seeded().read_bytes())
            settings = {"BFF_DATASTORE_URL": f"sqlite:///{database}", **(env or {})}
            if self.slower and app == DOMAIN:
                app = "benchmarks.slowed:app"
                settings["BENCH_SLOWER"] = str(self.slower)
            argv = [PYTHON, "-c", "from bff.cli import main; main()", "serve", app, "--port", str(port)]
            yield stack.enter_context(self.start(argv, port=port, env=settings, ready="/readyz"))

    def seeded(self, module: str = "benchmarks.seed") -> Path:
        """A SQLite file with the benchmark's documents, and their views built: made once a run, by ``python -m <module> <path>``.

        It is nobody's: copy it.
        """
        if module not in self._seeded:
            path = self.folder / f"{module}.db"
            finish([PYTHON, "-m", module, str(path)], core=self.cores.server)
            self._seeded[module] = path
        return self._seeded[module]

    def load(self, argv: Sequence[str], *, server: Server, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Load:
        """Run a load generator to its end on the load's core, and note the CPU time of both sides meanwhile.

        Raises Wrong where it fails.
        """
        return load(argv, core=self.cores.load, server=server, env=env, timeout=timeout)

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 600.0) -> dict[str, Any]:
        """Run to its end, alone on the server's core, what measures itself. Its last line of output, which is a JSON object.

        Raises Wrong where it fails.
        """
        return finish(argv, core=self.cores.server, env=env, timeout=timeout)


class Scenario(ABC):
    """What is measured, of whom, and how. Written as this module's docstring shows."""

    name: str
    title: str
    about: str
    metrics: tuple[Metric, ...]
    contenders: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    repeats: int = 3
    together: bool = True
    """Whether all contenders are open during all rounds."""
    apart: bool = False
    """Whether its rounds are minutes apart, at the beginning, in the middle and at the end of a run: others keep a machine busy
    for minutes at a time, which a ratio hardly sees, and a target in milliseconds with little to spare does."""

    @abstractmethod
    def open(self, bench: Bench, contender: str) -> AbstractContextManager[Any]:
        """Start it, check that it is right, warm it up. Raises Unavailable, Wrong."""

    @abstractmethod
    def measure(self, bench: Bench, contender: str, opened: Any) -> dict[str, float]:
        """One sample: a value for each metric. Raises Wrong."""

    def charts(self, measured: Measured) -> dict[str, str]:
        """SVG texts by file name. By default, the first metric as bars."""
        metric = self.metrics[0]
        bars = [(name, median) for name in self.contenders if (median := measured.median(name, metric.name)) is not None]
        better = "more is better" if metric.higher_is_better else "less is better"
        return {f"{self.name}.svg": chart.bars(self.title, f"{metric.unit}, {better}", bars, ours=OURS)} if len(bars) > 1 else {}


def measure(scenario: Scenario, bench: Bench, rounds: Iterable[int], result: Measured, say: Callable[[str], None]) -> None:
    """Run these rounds of a scenario, and add them to its result. What fails is said, stands there, and is not tried again."""
    if result.failed is not None:
        return
    try:
        with ExitStack() as stack:
            opened = _opened(scenario, bench, stack, result, say) if scenario.together else {}
            for turn in rounds:
                for name in [name for name in scenario.contenders if name not in result.left_out]:
                    started = time.monotonic()
                    try:
                        sample = _sample(scenario, bench, name, opened)
                    except Unavailable as reason:
                        _leave_out(result, name, reason, say)
                        continue
                    result.add(name, sample)
                    first, took = scenario.metrics[0], time.monotonic() - started
                    of = f"{turn + 1}/{bench.rounds(scenario)}"
                    say(f"  {of}  {name:<42} {sample[first.name]:>12,.1f} {first.unit}   ({took:.1f} s)")
    except Exception as error:
        result.failed = f"{type(error).__name__}: {error}"
        say(f"  FAILED: {result.failed}")
        if not isinstance(error, Wrong):
            traceback.print_exc(file=sys.stderr)


def _opened(scenario: Scenario, bench: Bench, stack: ExitStack, result: Measured, say: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in [name for name in scenario.contenders if name not in result.left_out]:
        try:
            found[name] = stack.enter_context(scenario.open(bench, name))
        except Unavailable as reason:
            _leave_out(result, name, reason, say)
        except Wrong as wrong:
            raise Wrong(f"{name}: {wrong}") from wrong
    return found


def _sample(scenario: Scenario, bench: Bench, name: str, opened: Mapping[str, Any]) -> dict[str, float]:
    try:
        if scenario.together:
            settled(bench.cores.server)
            return scenario.measure(bench, name, opened[name])
        with scenario.open(bench, name) as alone:
            return scenario.measure(bench, name, alone)
    except Wrong as wrong:
        raise Wrong(f"{name}: {wrong}") from wrong


def _leave_out(result: Measured, name: str, reason: Unavailable, say: Callable[[str], None]) -> None:
    result.left_out[name] = str(reason)
    result.samples.pop(name, None)
    say(f"  left out: {name} ({reason})")


def pinned_to(core: int) -> None:
    """Keep this process on one core: the harness itself belongs to the load."""
    os.sched_setaffinity(0, {core})
