"""``kill -9`` between any two steps of a mutation, a projection or a trigger, then a restart: converged, nothing is lost."""

from __future__ import annotations

import queue
import signal
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.faults.killed_run import Forker, Job
from tests.faults.killing import KillPoint
from tests.faults.oracle import Stored, check
from tests.faults.script import Journal

AT_ONCE = 4
PHASES: tuple[Literal["before", "after"], ...] = ("before", "after")
CALLS = ("commit", "get", "query", "listen")
MUTATIONS = ("commit customers", "commit products", "commit orders")
ON_FIRESTORE = {
    *("commit customers orders products", "commit CustomerPage _bff_unchecked _bff_views"),
    *("commit _bff_mediators ledgers receipts",),
    *("get CustomerPage _bff_views customers", "query orders", "listen CustomerPage"),
}


@dataclass(frozen=True)
class Deaths:
    """Kills the app at points of its script, each time on a datastore of its own, and says how that went."""

    directory: Path
    forkers: queue.Queue[Forker]
    emulator: str | None = None

    def calls(self) -> Counter[str]:
        """What an undisturbed life asks of the datastore: how often each kind of call."""
        trace = self.directory / "undisturbed.trace"
        assert self._live(uuid.uuid4().hex[:12], "", trace) == 0
        return Counter(trace.read_text().splitlines())

    def survive(self, points: Sequence[KillPoint]) -> int:
        """Die at each point and restart; how many points were there to die at. Raises AssertionError."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(self._die_at, points))
        wrong = [f"{point}: {problem}" for point, (_, problem) in zip(points, results, strict=True) if problem]
        assert not wrong, f"{len(wrong)} of {len(points)}:\n\n" + "\n\n".join(wrong)
        return sum(died for died, _ in results)

    def _die_at(self, point: KillPoint) -> tuple[bool, str]:
        try:
            outcome = self._live(uuid.uuid4().hex[:12], str(point))
        except AssertionError as wrong:
            return False, str(wrong)
        return outcome == -signal.SIGKILL, ""

    def _live(self, name: str, kill: str, trace: Path | None = None) -> int:
        """One life that may be cut short, and the next one; how the first ended. Raises AssertionError on anything amiss."""
        place = self.directory / name
        place.mkdir()
        url = f"sqlite:///{place / 'shop.db'}" if self.emulator is None else f"firestore://faults-{name}?emulator={self.emulator}"
        report, journal, log = place / "report", Journal(place / "journal"), place / "log"
        forker = self.forkers.get()
        try:
            outcome = forker.run(Job(url, str(journal.path), str(log), kill=kill, trace=str(trace or "")))
            assert outcome in {0, -signal.SIGKILL}, log.read_text()[-4000:]
            second = forker.run(Job(url, str(journal.path), str(log), plays=False, report=str(report)))
            assert second == 0, log.read_text()[-4000:]
        finally:
            self.forkers.put(forker)
        check(journal, Stored.of_bytes(report.read_bytes()))
        return outcome


@pytest.fixture(scope="module")
def forkers() -> Iterator[queue.Queue[Forker]]:
    with ExitStack() as stack:
        idle: queue.Queue[Forker] = queue.Queue()
        for _ in range(AT_ONCE):
            idle.put(stack.enter_context(Forker()))
        yield idle


@pytest.fixture(scope="module")
def deaths(forkers: queue.Queue[Forker], tmp_path_factory: pytest.TempPathFactory) -> Deaths:
    return Deaths(tmp_path_factory.mktemp("deaths"), forkers)


@pytest.fixture(scope="module")
def calls(deaths: Deaths) -> Counter[str]:
    return deaths.calls()


def points_of(calls: Counter[str], call: str) -> list[KillPoint]:
    """Before and after the first call of each kind, and around one in the middle; every one that mutations depend on."""
    points = []
    for number, (kind, count) in enumerate(sorted(calls.items())):
        if kind.partition(" ")[0] != call:
            continue
        if kind.startswith(MUTATIONS):
            points += [KillPoint(phase, one, kind) for one in range(1, count + 1) for phase in PHASES]
            continue
        points += [KillPoint(phase, 1, kind) for phase in PHASES]
        if count > 2:
            points.append(KillPoint(PHASES[number % 2], (count + 1) // 2, kind))
    return points


@pytest.mark.parametrize("call", CALLS)
def test_killed_around_any_step_nothing_is_lost_and_the_views_converge(deaths: Deaths, calls: Counter[str], call: str) -> None:
    """What runs side by side comes in another order now and then: not every point is met every time."""
    points = points_of(calls, call)
    assert deaths.survive(points) >= 0.7 * len(points)


def test_killed_on_firestore_nothing_is_lost_and_the_views_converge(
    forkers: queue.Queue[Forker], firestore_emulator: str, tmp_path: Path
) -> None:
    """The emulator resends everything to whoever resumes: the restart is another one than on SQLite."""
    deaths = Deaths(tmp_path, forkers, firestore_emulator)
    calls = deaths.calls()
    kinds = sorted(ON_FIRESTORE.intersection(calls))
    sample = [KillPoint(phase, (calls[kind] + 1) // 2, kind) for kind in kinds for phase in PHASES]
    assert len(sample) >= 8
    assert deaths.survive(sample) >= 0.5 * len(sample)
