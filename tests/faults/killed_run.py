"""Runs the shop in processes that are cheap to start and to kill: forked from one that has imported everything already."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.query import Query
from bff.runtime import Runtime
from bff.settings import Settings
from bff.testing.harness import AppHarness
from bff.types import Value
from bff.values import dump_document
from tests.faults.forked import work_off
from tests.faults.killed_app import app
from tests.faults.killing import KILL, TRACE
from tests.faults.script import Journal, play, seed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["COLLECTIONS", "Forker", "Job", "settled", "work", "written_down"]

ROOT = Path(__file__).parent.parent.parent
JOB_SECONDS = 60

COLLECTIONS = (
    *("products", "customers", "orders", "receipts", "ledgers", "welcomes", "farewells"),
    *("ProductPage", "CustomerPage", "_bff_views", "_bff_unchecked", "_bff_mediators", "_bff_projectors", "_bff_definitions"),
)


@dataclass(frozen=True)
class Job:
    """One life of the app: with the script played or only watched; killed at a point, or ended once all is written down."""

    url: str
    journal: str
    log: str
    plays: bool = True
    kill: str = ""
    trace: str = ""
    report: str = ""


class Forker:
    """A process that forks one for each job. Not for several threads at once."""

    def __init__(self, module: str = "tests.faults.killed_run") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {module} import work; work()"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def run(self, job: DataclassInstance) -> int:
        """Returns when it has ended: 0, 1 where it raised (its log says what), or minus the signal that ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(asdict(job))}\n".encode())
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=JOB_SECONDS)


def work() -> None:
    """Work off the jobs on standard input."""
    work_off(
        Job,
        _run,
        log=lambda job: job.log,
        environment=lambda job: {"BFF_DATASTORE_URL": job.url, KILL: job.kill, TRACE: job.trace},
        seconds=JOB_SECONDS,
    )


async def _run(job: Job) -> None:
    if job.plays:
        await seed(job.url)
    async with AppHarness(app, settings=Settings(datastore_url=job.url), timeout=20) as running:
        journal = Journal(Path(job.journal))
        await (play(running, journal) if job.plays else play(running, journal, ()))
        await settled(running.runtime)
    if job.report:
        async with open_datastore(job.url) as datastore:
            report = await written_down(datastore)
        await asyncio.to_thread(Path(job.report).write_bytes, report)


async def settled(runtime: Runtime) -> None:
    """Everything written so far is handled by the triggers, and what they wrote is in the views."""
    assert runtime.mediation is not None
    assert runtime.projector is not None
    await runtime.mediation.wait_for(await runtime.datastore.ping())
    await runtime.projector.wait_for(await runtime.datastore.ping())


async def written_down(datastore: Datastore) -> bytes:
    """Every document there is, and when it was last changed: ``Stored.of_bytes`` reads it."""
    documents: dict[str, Value] = {}
    async with datastore.snapshot() as snapshot:
        for collection in COLLECTIONS:
            for document in await snapshot.query(Query(collection)):
                documents[document.path] = {"data": dict(document.data or {}), "time": document.update_time}
    return dump_document(documents)
