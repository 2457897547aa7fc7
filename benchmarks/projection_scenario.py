"""Projection: how fast views follow their documents, as `benchmarks.projection` measures it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks import pace
from benchmarks.harness import Bench, Metric, Scenario, Target, Unavailable, absolute, ratio
from benchmarks.processes import PYTHON
from benchmarks.smoke import Check
from bff.testing.emulators import firestore_emulator

__all__ = ["SCENARIOS", "SMOKE", "OnEmulator", "OnSQLite"]

UNCOALESCED = "bff, each change another view"
COALESCED = "bff, changes of 20 views"
YARDSTICK = "yardstick: a view's JSON read and written 100 times"
ON_EMULATOR = "bff"
BARE_CLIENT = "google-cloud-firestore"


class OnSQLite(Scenario):
    """Changes of documents, followed by a projector beside them in one process."""

    name = "projection"
    title = "Projection on SQLite: views of 22 documents"
    about = (
        "A projector and the commits that it follows in one process, on one core, the file flushed to the disk. A change is of"
        " one document, in a commit of its own, 64 at a time. Either each is of another view, which is then built and written"
        " once; or they go round the documents of 20 views, so that one build takes in many. The rate is of changes that were"
        " made and are in the views; it ends when all of them are."
    )
    metrics = (
        Metric("rate", "changes/s", compared=False),
        Metric("server µs", "µs CPU/change", higher_is_better=False, compared=False),
    )
    contenders = (COALESCED, UNCOALESCED)
    targets = (
        Target("≥ 5,000/s where changes coalesce", absolute("projection", "rate", COALESCED), at_least=5_000, unit="/s"),
        Target("≥ 1,000/s where they do not", absolute("projection", "rate", UNCOALESCED), at_least=1_000, unit="/s"),
    )
    together = False
    apart = True

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[None]:
        yield

    def measure(self, bench: Bench, contender: str, opened: None) -> dict[str, float]:
        if contender == YARDSTICK:
            return {"server µs": median(pace.yardstick())}
        small, many = bench.quick, contender == COALESCED
        sessions = 200 if bench.smoke else 400 if small else 1_000
        changes = 1_000 if bench.smoke else (4_000 if many else 400) if small else 8_000 if many else 1_000
        argv = [PYTHON, "-m", "benchmarks.projection", "coalesced" if many else "uncoalesced", "--sessions", str(sessions)]
        ran = bench.run([*argv, "--changes", str(min(changes, sessions) if not many else changes), "--repeat", "2"])
        return {"rate": ran["rate"], "server µs": ran["cpu"]}


class OnEmulator(Scenario):
    """What is written to the official Firestore emulator, which takes the time of it."""

    name = "projection-firestore"
    title = "Projection on the Firestore emulator"
    about = (
        "The emulator on the load's core, the clients on the server's. bff builds views anew and writes each with what is known"
        " of it; google-cloud-firestore sets the same view documents, 64 at a time, and nothing else. A view of one document is"
        " about writing. Of one of 22 documents, most of the time goes into the emulator's queries, which have no index; there"
        " are 50 of these."
    )
    metrics = (Metric("rate", "views/s"), Metric("client µs", "µs CPU/view", higher_is_better=False, compared=False))
    contenders = (ON_EMULATOR, BARE_CLIENT, f"{ON_EMULATOR}, 22 documents", f"{BARE_CLIENT}, 22 documents")
    targets = (Target("≥ 0.7 × google-cloud-firestore", ratio("projection-firestore", "rate", BARE_CLIENT), at_least=0.7),)
    together = False

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[str]:
        if shutil.which("gcloud") is None:
            raise Unavailable("gcloud, which has the emulator, is not installed")
        with firestore_emulator() as emulator:
            yield emulator

    def measure(self, bench: Bench, contender: str, opened: str) -> dict[str, float]:
        ours, small = contender.startswith(ON_EMULATOR), contender in (ON_EMULATOR, BARE_CLIENT)
        size = 100 if bench.quick else 400
        what = ["rebuild" if ours else "bare", "--view", "person" if small else "session"]
        # 50 sessions have 500 persons. What a query costs grows with the collection: more would say nothing about writing.
        sizes = ["--sessions", "50", "--changes", str(size)]
        ran = bench.run([PYTHON, "-m", "benchmarks.projection", *what, *sizes, "--repeat", "2", "--emulator", opened])
        return {"rate": ran["rate"], "client µs": ran["cpu"]}


SCENARIOS = [OnSQLite(), OnEmulator()]
SMOKE = [
    Check("projection, a yardstick", SCENARIOS[0], YARDSTICK, ours=UNCOALESCED),
    Check("projection that coalesces, a yardstick", SCENARIOS[0], YARDSTICK, ours=COALESCED),
]
