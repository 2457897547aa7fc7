"""The long-lived tasks of a process, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from bff.runtime import Runtime
from bff.supervisor import Status

__all__ = ["Supervised", "supervised"]


@runtime_checkable
class Supervised(Protocol):
    """A part that says how its tasks are."""

    def status(self) -> Sequence[Status]: ...


def supervised(runtime: Runtime) -> Iterator[tuple[str, Sequence[Status]]]:
    """The parts that run here, by the names that ``/readyz`` has for them, each with its tasks."""
    if runtime.projector is not None:
        yield "projector", runtime.projector.status().tasks
    if runtime.mediation is not None:
        yield "mediation", [task for mediator in runtime.mediation.status() for task in mediator.tasks]
    parts = ("datastore", runtime.datastore), ("broadcast", runtime.broadcast), ("relay", runtime.relay), ("hub", runtime.hub)
    if runtime.outbox is not None:
        yield "outbox", runtime.outbox.status().tasks
    others = (("revocations", runtime.revocations),)
    for name, part in (*parts, ("asOf", runtime.as_of), ("expiry", runtime.expiry), *others):
        if isinstance(part, Supervised):
            yield name, part.status()
