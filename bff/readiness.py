"""What ``/readyz`` asks of the parts of a process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bff.errors import BroadcastError
from bff.observability.tasks import Supervised
from bff.projection.dead import DeadLetters
from bff.projection.mediation import Mediation
from bff.projection.outbox import Outbox
from bff.projection.projector import Projector
from bff.projection.storages import Storages
from bff.runtime import Runtime
from bff.serving.health import Check, CheckResult
from bff.supervisor import State, Status

__all__ = ["readiness"]


def readiness(runtime: Runtime) -> Sequence[Check]:
    """A check for each part that runs here."""

    async def datastore() -> CheckResult:
        tasks = _failing(runtime.datastore.status() if isinstance(runtime.datastore, Supervised) else ())
        await runtime.datastore.ping()
        return CheckResult(not tasks, {"url": runtime.datastore.url, **({"tasks": tasks} if tasks else {})})

    async def broadcast() -> CheckResult:
        tasks = _failing(runtime.broadcast.status() if isinstance(runtime.broadcast, Supervised) else ())
        try:
            await runtime.broadcast.ping()
        except BroadcastError:
            if not tasks:
                raise  # Health logs it, and says since when
            return CheckResult(False, {"url": runtime.broadcast.url, "tasks": tasks})
        return CheckResult(not tasks, {"url": runtime.broadcast.url, **({"tasks": tasks} if tasks else {})})

    checks = [Check("datastore", datastore), Check("broadcast", broadcast)]
    if runtime.projector is not None:
        checks.append(Check("projector", partial(_projector, runtime.projector)))
    if runtime.mediation is not None:
        checks.append(Check("mediation", partial(_mediation, runtime.mediation, DeadLetters(runtime.datastore))))
    if runtime.outbox is not None:
        checks.append(Check("outbox", partial(_outbox, runtime.outbox, DeadLetters(runtime.datastore))))
    parts = {"relay": runtime.relay, "hub": runtime.hub, "asOf": runtime.as_of, "expiry": runtime.expiry}
    for name, part in {**parts, "revocations": runtime.revocations}.items():
        if part is not None:
            checks.append(Check(name, partial(_tasks, part)))
    if runtime.storages.beside:
        checks.append(Check("storages", partial(_storages, runtime.storages)))
    return checks


async def _tasks(part: Supervised) -> CheckResult:
    failing = _failing(part.status())
    return CheckResult(not failing, {"tasks": failing} if failing else {})


async def _storages(storages: Storages) -> CheckResult:
    """Not ready while a view is being built beside the storage of former code, whose processes go on until then."""
    waiting = [
        {"view": view.__view__.name, "storage": view.__view__.storage, "former": None if former is None else former.name}
        for view, former in storages.waiting.items()
    ]
    since = None if not waiting else storages.since.isoformat()
    tasks = _failing(storages.status())
    return CheckResult(not waiting and not tasks, {"waiting": waiting, "since": since, "tasks": tasks})


async def _projector(projector: Projector) -> CheckResult:
    """Views that cannot be built are shown, and do not make the process unready: everything else is served."""
    status = projector.status()
    return CheckResult(
        status.healthy,
        {
            "asOf": datetime.fromtimestamp(status.as_of / 1_000_000, UTC).isoformat() if status.as_of else None,
            "lagSeconds": projector.lag(time.time_ns() // 1_000),
            "waiting": status.waiting,
            "building": status.building,
            "failing": status.failing,
            "failures": [asdict(failure) for failure in status.failures],
            "rebuilding": [progress.view for progress in status.rebuilding if not progress.complete],
            "tasks": _failing(status.tasks),
        },
    )


async def _mediation(mediation: Mediation, dead: DeadLetters) -> CheckResult:
    """Triggers that raise, and what is set aside, are shown, and do not make the process unready, as with views."""
    mediators = mediation.status()
    return CheckResult(
        all(mediator.healthy for mediator in mediators),
        {
            "setAside": (await dead.counts()).documents,
            "mediators": [
                {
                    "name": mediator.name,
                    "waiting": mediator.waiting,
                    "failing": mediator.failing,
                    "failures": [asdict(failure) for failure in mediator.failures],
                    "tasks": _failing(mediator.tasks),
                }
                for mediator in mediators
            ],
        },
    )


async def _outbox(outbox: Outbox, dead: DeadLetters) -> CheckResult:
    """Effects that raise, and what is set aside, are shown, and do not make the process unready."""
    status = outbox.status()
    return CheckResult(
        status.healthy,
        {
            "waiting": status.waiting,
            "failing": status.failing,
            "setAside": (await dead.counts()).effects,
            "failures": [asdict(failure) for failure in status.failures],
            "tasks": _failing(status.tasks),
        },
    )


def _failing(tasks: Sequence[Status]) -> list[dict[str, Any]]:
    """Which of them fail, and since when."""
    return [_task(task) for task in tasks if task.state is State.FAILING]


def _task(task: Status) -> dict[str, Any]:
    error = task.last_error
    return {
        "name": task.name,
        "since": task.since.isoformat(),
        "failures": task.failures,
        "error": None if error is None else f"{type(error).__name__}: {error}",
    }
