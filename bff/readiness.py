"""What ``/readyz`` asks of the parts of a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from bff.projection.mediation import Mediation
from bff.projection.projector import Projector
from bff.runtime import Runtime
from bff.serving.health import Check, CheckResult
from bff.supervisor import State, Status

__all__ = ["readiness"]


def readiness(runtime: Runtime) -> Sequence[Check]:
    """A check for each part that runs here."""

    async def datastore() -> CheckResult:
        await runtime.datastore.ping()
        return CheckResult(True, {"url": runtime.datastore.url})

    async def broadcast() -> CheckResult:
        await runtime.broadcast.ping()
        return CheckResult(True, {"url": runtime.broadcast.url})

    checks = [Check("datastore", datastore), Check("broadcast", broadcast)]
    if runtime.projector is not None:
        checks.append(Check("projector", partial(_projector, runtime.projector)))
    if runtime.mediation is not None:
        checks.append(Check("mediation", partial(_mediation, runtime.mediation)))
    for name, part in (("relay", runtime.relay), ("hub", runtime.hub), ("asOf", runtime.as_of), ("expiry", runtime.expiry)):
        if part is not None:
            checks.append(Check(name, partial(_tasks, part)))
    return checks


class _Supervised(Protocol):
    def status(self) -> Sequence[Status]: ...


async def _tasks(part: _Supervised) -> CheckResult:
    failing = [_task(task) for task in part.status() if task.state is State.FAILING]
    return CheckResult(not failing, {"tasks": failing} if failing else {})


async def _projector(projector: Projector) -> CheckResult:
    """Views that cannot be built are shown, and do not make the process unready: everything else is served."""
    status = projector.status()
    return CheckResult(
        status.healthy,
        {
            "asOf": datetime.fromtimestamp(status.as_of / 1_000_000, UTC).isoformat() if status.as_of else None,
            "waiting": status.waiting,
            "building": status.building,
            "failing": status.failing,
            "failures": [asdict(failure) for failure in status.failures],
            "rebuilding": [progress.view for progress in status.rebuilding if not progress.complete],
            "tasks": [_task(task) for task in status.tasks if task.state is State.FAILING],
        },
    )


async def _mediation(mediation: Mediation) -> CheckResult:
    """Triggers that raise are shown, and do not make the process unready, as with views."""
    mediators = mediation.status()
    return CheckResult(
        all(mediator.healthy for mediator in mediators),
        {
            "mediators": [
                {
                    "name": mediator.name,
                    "waiting": mediator.waiting,
                    "failing": mediator.failing,
                    "failures": [asdict(failure) for failure in mediator.failures],
                    "tasks": [_task(task) for task in mediator.tasks if task.state is State.FAILING],
                }
                for mediator in mediators
            ]
        },
    )


def _task(task: Status) -> dict[str, Any]:
    error = task.last_error
    return {
        "name": task.name,
        "since": task.since.isoformat(),
        "failures": task.failures,
        "error": None if error is None else f"{type(error).__name__}: {error}",
    }
