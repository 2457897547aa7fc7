"""How a projector is, and whoever else follows documents: for `/readyz` and `bff doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from bff.projection.failures import Failure
from bff.projection.rebuild import RebuildProgress
from bff.supervisor import State, Status
from bff.types import Timepoint

__all__ = ["FAILURES_SHOWN", "ProjectorStatus", "WorkStatus"]

FAILURES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ProjectorStatus:
    """``waiting`` and ``building`` count views; ``failing`` counts those whose newest build failed, ``failures`` are the first
    of them. ``tasks`` are the long-lived parts, each with its last error.
    """

    name: str
    running: bool
    as_of: Timepoint
    waiting: int
    building: int
    failing: int
    failures: tuple[Failure, ...]
    rebuilding: tuple[RebuildProgress, ...]
    tasks: tuple[Status, ...]

    @property
    def healthy(self) -> bool:
        """Whether it is at work and nothing of it fails; views that cannot be built are the views' own illness."""
        return self.running and all(task.state is not State.FAILING for task in self.tasks)


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """Of a mediator, a form or the outbox: ``waiting`` counts what is still to be worked off.

    ``failures`` are the first of what is ``failing``: with the mediator and the path of the document, or with the effect and the
    key of what is to be sent, or the order that waits.
    """

    name: str
    as_of: Timepoint
    waiting: int
    failing: int
    failures: tuple[Failure, ...]
    tasks: tuple[Status, ...]

    @property
    def healthy(self) -> bool:
        return all(task.state is not State.FAILING for task in self.tasks)
