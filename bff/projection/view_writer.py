"""Writes what a build found, if it differs from what is stored and nobody has built a newer one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bff.datastore.port import Datastore, Delete, ExpectDocument, Set, Write
from bff.errors import BFFError, Conflict, DocumentTooLarge, InvalidDocument, OutcomeUnknown
from bff.projection.build import Build, Evaluated
from bff.projection.dependencies import Dependencies
from bff.projection.metadata import Details, FailureRecord, Metadata
from bff.projection.shapes import shape_write
from bff.projection.stored_view import StoredView, view_path
from bff.projection.tokens import Shape
from bff.projection.unchecked import Unchecked
from bff.together import together
from bff.types import Timepoint, Value
from bff.values import same_data

__all__ = ["Writing", "Written"]

LONGEST_MESSAGE = 2000
ATTEMPTS_EVERY = 1_000_000
"""Microseconds."""

AT_ONCE = 32
"""So many views are written in one commit, with what is known of them."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is stored now. ``metadata`` is None where nothing is known of the view, as it never was.

    ``committed_at`` says that the metadata was written now, so that what changed meanwhile is still to be checked. ``build`` is
    what was written in the end: a build whose view no datastore would take has become a failed one.
    """

    build: Build
    view: StoredView
    metadata: Metadata | None
    committed_at: Timepoint | None = None

    @property
    def registered(self) -> bool:
        return self.committed_at is not None

    @property
    def overwrites_other_code(self) -> bool:
        """Whether what was stored until now was built by another definition of the view."""
        before = self.build.metadata
        return self.registered and before is not None and before.definition != self.build.view.__view__.definition_hash


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes to store a build: the view and its metadata, if nobody has built the view since the build began."""

    build: Build
    view: StoredView
    metadata: Metadata
    writes: tuple[Write, ...]
    expect: ExpectDocument


Outcome: TypeAlias = "Written | None"
"""What was stored, or None: somebody else has built the view since the build began, or nobody knows whether it was stored."""


@dataclass(frozen=True, slots=True)
class Writing:
    """One attempt to store builds of one kind of view, some in one commit. Nothing is written that does not differ.

    A commit also notes which builds it holds, as ``unchecked`` by an attempt of this number. ``on_stored`` is called with each as
    soon as it is known what is stored. ``stored_shapes`` are known to be in the datastore.
    """

    datastore: Datastore
    unchecked: Unchecked
    attempt: int
    stored_shapes: Collection[Shape] = ()
    on_stored: Callable[[Written], None] = lambda written: None

    async def store(self, builds: Sequence[Build]) -> list[Outcome]:
        """What became of each. Raises DatastoreUnavailable."""
        planned = [plan(build, self.stored_shapes) for build in builds]
        outcomes: dict[str, Outcome] = {}
        for one in planned:
            if isinstance(one, Written):
                outcomes[one.build.key] = one
                self.on_stored(one)
        plans = [one for one in planned if isinstance(one, Plan)]
        groups = [plans[start : start + AT_ONCE] for start in range(0, len(plans), AT_ONCE)]
        for group, stored in zip(groups, await together(*map(self._commit, groups)), strict=True):
            outcomes.update(zip((one.build.key for one in group), stored, strict=True))
        return [outcomes[build.key] for build in builds]

    async def _commit(self, plans: Sequence[Plan]) -> list[Outcome]:
        storage, keys = plans[0].build.view.__view__.storage, [one.build.key for one in plans]
        note = self.unchecked.begin(storage, keys, self.attempt)
        writes = {write.path: write for one in plans for write in one.writes}  # a shape that is new is so to all of them
        at = max(one.build.timepoint for one in plans)
        try:
            commit = await self.datastore.commit(
                [*writes.values(), self.unchecked.write(note, at)], [one.expect for one in plans]
            )
        except OutcomeUnknown:
            return [None] * len(plans)
        except (Conflict, DocumentTooLarge, InvalidDocument) as error:
            self.unchecked.undo(note)
            return await self._by_halves(plans, error)
        except BFFError:
            self.unchecked.undo(note)
            raise
        # One that is cancelled may have been made: its note stays where it is, for the next process if this one is ending.
        stored = [Written(one.build, one.view, one.metadata, commit.timepoint) for one in plans]
        for one in stored:
            self.on_stored(one)
        return [*stored]

    async def _by_halves(self, plans: Sequence[Plan], error: Exception) -> list[Outcome]:
        """What stands in the way of one view must not hold up the others."""
        if len(plans) > 1:
            half = len(plans) // 2
            stored = await together(self._commit(plans[:half]), self._commit(plans[half:]))
            return [*stored[0], *stored[1]]
        if isinstance(error, Conflict):
            return [None]
        build = plans[0].build
        if build.error is None:
            return await self._again(build.failed(error))
        if len(build.dependencies.documents) <= len(build.root_paths):
            raise error
        # Not even what went wrong can be stored with all that was read: it is found by its roots then, and tried again in time.
        roots = {path: time for path, time in build.dependencies.documents.items() if path in build.root_paths}
        return await self._again(replace(build, dependencies=Dependencies(roots)))

    async def _again(self, build: Build) -> list[Outcome]:
        planned = plan(build, self.stored_shapes)
        return [planned] if isinstance(planned, Written) else await self._commit([planned])


def plan(build: Build, stored_shapes: Collection[Shape] = ()) -> Plan | Written:
    """What it takes to store a build, or what is stored where that does not differ.

    A view of a single root that does not exist and never did leaves no trace: unknown ids must not fill the datastore.
    """
    before = build.metadata
    traceless = before is None and build.stored is None and len(build.root_paths) == 1
    if traceless and build.error is None and build.content is None:
        return Written(build, build.as_stored(), None)
    view, writes = _view_writes(build)
    metadata = _metadata(build, view)
    if before is not None and not writes and not _differs(before, metadata):
        return Written(build, view, before)
    shapes = build.dependencies.shapes().difference(stored_shapes)
    writes += [shape_write(shape) for shape in sorted(shapes)]
    path = metadata.path
    writes.append(Set(path, metadata.to_data(), derived=True))
    return Plan(build, view, metadata, tuple(writes), ExpectDocument(path, None if before is None else before.update_time))


def _view_writes(build: Build) -> tuple[StoredView, list[Write]]:
    """The view as it will be stored, and what that takes."""
    definition = build.view.__view__
    before = build.as_stored()
    path = view_path(definition.collection, build.key)
    if build.error is not None:
        version = before.version if build.metadata is not None or build.stored is not None else 0
        return StoredView(definition.name, build.key, version, before.document), []
    version = _next_version(build, before)
    if build.content is None:
        if before.document is not None:
            return StoredView(definition.name, build.key, version, None), [Delete(path, derived=True)]
        if build.metadata is not None and build.metadata.deleted:
            return before, []
        return StoredView(definition.name, build.key, version, None), []
    if before.document is not None and same_data(build.content, _without_version(before)):
        return before, []
    document: dict[str, Value] = {**build.content, "version": version}
    return StoredView(definition.name, build.key, version, document), [Set(path, document, derived=True)]


def _without_version(view: StoredView) -> dict[str, Value]:
    return {name: value for name, value in (view.document or {}).items() if name != "version"}


def _next_version(build: Build, stored: StoredView) -> Timepoint:
    """This build's timepoint, and always above what was there: a stored version never goes back."""
    before = 0 if build.metadata is None and build.stored is None else stored.version
    if build.metadata is not None:
        before = max(before, build.metadata.version)
    return max(build.timepoint, before + 1)


def _metadata(build: Build, view: StoredView) -> Metadata:
    definition = build.view.__view__
    before = build.metadata
    evaluated = build.evaluated if build.content is not None else Evaluated({}, {})
    deleted = build.content is None
    if build.error is not None:
        # What is stored stays as it was built: by the former code nothing of it can be taken over.
        deleted = before is not None and before.deleted
        if before is not None and before.definition == definition.definition_hash:
            evaluated = Evaluated(before.details.reads, before.details.inputs)
    return Metadata(
        view=definition.storage,
        key=build.key,
        version=view.version,
        built_at=build.timepoint,
        definition=definition.definition_hash,
        dependencies=tuple(build.dependencies.keys()),
        details=Details.of(
            build.dependencies.absent(),
            build.dependencies.queries,
            build.dependencies.long_paths(),
            evaluated.reads,
            evaluated.inputs,
        ),
        deleted=deleted,
        failure=None if build.error is None else _failure(build.error, build.timepoint, before),
    )


def _failure(error: Exception, timepoint: Timepoint, before: Metadata | None) -> FailureRecord:
    cause = error.__cause__ or error
    known = None if before is None else before.failure
    attempts, since = (1, timepoint) if known is None else (known.attempts + 1, known.since)
    return FailureRecord(type(cause).__name__, str(error)[:LONGEST_MESSAGE], since, attempts)


def _differs(before: Metadata, now: Metadata) -> bool:
    """Whether the metadata is worth a write: another time of building is not, nor other inputs of the same content."""
    if (
        (before.version, before.definition, before.dependencies, before.deleted)
        != (now.version, now.definition, now.dependencies, now.deleted)
        or not before.details.is_of_same_reads(now.details)
        or (before.failure is None) is not (now.failure is None)
    ):
        return True
    if before.failure is None or now.failure is None:
        return False
    # The count of attempts is worth a write now and then: clients that ask for a failing view must not make one each.
    same = (before.failure.kind, before.failure.message) == (now.failure.kind, now.failure.message)
    return not same or now.built_at - before.built_at >= ATTEMPTS_EVERY
