"""Expectations and preconditions of a commit: which hold together, and when a commit may be sent twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bff.datastore.port import Delete, ExpectDocument, Precondition, Set, Write
from bff.errors import Conflict
from bff.types import Timepoint

__all__ = ["as_read", "expected_documents", "is_repeatable", "with_preconditions"]


def expected_documents(expectations: Iterable[ExpectDocument]) -> dict[str, Timepoint | None]:
    """By path. Raises Conflict where two contradict each other."""
    expected: dict[str, Timepoint | None] = {}
    for expectation in expectations:
        update_time = expectation.update_time or None
        if expected.setdefault(expectation.path, update_time) != update_time:
            raise Conflict(f"{expectation.path}: it was read twice, and had changed in between")
    return expected


def with_preconditions(writes: Iterable[Write], expected: dict[str, Timepoint | None]) -> list[Write]:
    """The writes, the first to each expected document with its expectation as a precondition. Raises Conflict."""
    guarded: list[Write] = []
    seen: set[str] = set()
    for write in writes:
        if write.path in expected and write.path not in seen:
            both = _both(write.path, write.precondition, expected[write.path])
            guarded.append(replace(write, precondition=both))
        else:
            guarded.append(write)
        seen.add(write.path)
    return guarded


def is_repeatable(writes: Sequence[Write]) -> bool:
    """Whether making the commit twice does no more than making it once, whatever others do in between.

    So it is where one of its preconditions cannot hold ever again once it has been made; and where every write has one that only
    holds while nobody else has written. What was created may be deleted again before the commit is sent once more, and what was
    deleted may be there again.
    """
    preconditions = [(write, write.precondition) for write in writes if write.precondition is not None]
    if any(_ends(write, precondition) for write, precondition in preconditions):
        return True
    return len(preconditions) == len(writes) and all(precondition.update_time is not None for _, precondition in preconditions)


def _ends(write: Write, precondition: Precondition) -> bool:
    if isinstance(write, Delete):
        return precondition.update_time is not None
    return precondition.exists is False and isinstance(write, Set) and write.lasting


def _both(path: str, precondition: Precondition | None, update_time: Timepoint | None) -> Precondition:
    expected = as_read(update_time)
    if precondition is not None:
        exists = precondition.exists if precondition.update_time is None else True
        if exists is not None and exists != (update_time is not None):
            raise Conflict(f"{path}: it was read as {'present' if update_time else 'absent'}, and is written as if it were not")
        if precondition.update_time is not None and precondition.update_time != update_time:
            raise Conflict(f"{path}: it was read at another version than it is written on")
    return expected


def as_read(update_time: Timepoint | None) -> Precondition:
    """That the document is as it was read: last changed then, or absent where that is None."""
    return Precondition(exists=False) if update_time is None else Precondition(update_time=update_time)
