"""Writes what a build found, if it differs from what is stored and nobody has built a newer one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from bff.datastore.port import Datastore, Delete, ExpectDocument, Set, Write
from bff.errors import DocumentTooLarge, InvalidDocument
from bff.projection.build import Build, Evaluated
from bff.projection.dependencies import Dependencies
from bff.projection.metadata import FailureRecord, Metadata
from bff.projection.shapes import shape_write
from bff.projection.stored_view import StoredView, view_path
from bff.projection.tokens import Shape
from bff.types import Timepoint, Value
from bff.values import same_data

__all__ = ["Written", "write"]

LONGEST_MESSAGE = 2000
ATTEMPTS_EVERY = 1_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is stored now. ``metadata`` is None where nothing is known of the view, as it never was.

    ``registered`` says that the metadata was written now, so that what changed meanwhile is still to be checked. ``build`` is
    what was written in the end: a build whose view no datastore would take has become a failed one.
    """

    build: Build
    view: StoredView
    metadata: Metadata | None
    registered: bool


async def write(datastore: Datastore, build: Build, stored_shapes: Collection[Shape] = ()) -> Written:
    """Store the view and its metadata in one commit. Nothing is written that does not differ.

    A view of a single root that does not exist and never did leaves no trace: unknown ids must not fill the datastore.

    Raises Conflict where somebody else built the view since this build began, DatastoreUnavailable, OutcomeUnknown.
    """
    before = build.metadata
    traceless = before is None and build.stored is None and len(build.root_paths) == 1
    if traceless and build.error is None and build.content is None:
        return Written(build, build.as_stored(), None, registered=False)
    view, writes = _view_writes(build)
    metadata = _metadata(build, view)
    if before is not None and not writes and not _differs(before, metadata):
        return Written(build, view, before, registered=False)
    shapes = build.dependencies.shapes().difference(stored_shapes)
    writes += [shape_write(shape) for shape in sorted(shapes)]
    writes.append(Set(metadata.path, metadata.to_data()))
    try:
        commit = await datastore.commit(writes, [ExpectDocument(metadata.path, before.update_time if before else None)])
    except (DocumentTooLarge, InvalidDocument) as error:
        if build.error is None:
            return await write(datastore, build.failed(error), stored_shapes)
        if len(build.dependencies.documents) <= len(build.root_paths):
            raise
        # Not even what went wrong can be stored with all that was read: it is found by its roots then, and tried again in time.
        roots = {path: time for path, time in build.dependencies.documents.items() if path in build.root_paths}
        return await write(datastore, replace(build, dependencies=Dependencies(roots)), stored_shapes)
    return Written(build, view, replace(metadata, update_time=commit.timepoint), registered=True)


def _view_writes(build: Build) -> tuple[StoredView, list[Write]]:
    """The view as it will be stored, and what that takes."""
    definition = build.view.__view__
    before = build.as_stored()
    path = view_path(definition.collection, build.key)
    if build.error is not None:
        version = before.version if build.metadata is not None or build.stored is not None else 0
        return StoredView(definition.name, build.key, version, before.document), []
    version = _next_version(build)
    if build.content is None:
        if before.document is not None:
            return StoredView(definition.name, build.key, version, None), [Delete(path)]
        if build.metadata is not None and build.metadata.deleted:
            return before, []
        return StoredView(definition.name, build.key, version, None), []
    if before.document is not None and same_data(build.content, _without_version(before)):
        return before, []
    document: dict[str, Value] = {**build.content, "version": version}
    return StoredView(definition.name, build.key, version, document), [Set(path, document)]


def _without_version(view: StoredView) -> dict[str, Value]:
    return {name: value for name, value in (view.document or {}).items() if name != "version"}


def _next_version(build: Build) -> Timepoint:
    """This build's timepoint, and always above what was there: a stored version never goes back."""
    before = 0 if build.metadata is None and build.stored is None else build.as_stored().version
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
            evaluated = Evaluated(before.reads, before.inputs)
    return Metadata(
        view=definition.name,
        key=build.key,
        version=view.version,
        built_at=build.timepoint,
        definition=definition.definition_hash,
        dependencies=tuple(build.dependencies.keys()),
        absent=build.dependencies.absent(),
        queries=build.dependencies.queries,
        long_paths=build.dependencies.long_paths(),
        reads=evaluated.reads,
        inputs=evaluated.inputs,
        deleted=deleted,
        unchecked=True,
        failure=None if build.error is None else _failure(build.error, build.timepoint, before),
    )


def _failure(error: Exception, timepoint: Timepoint, before: Metadata | None) -> FailureRecord:
    cause = error.__cause__ or error
    known = None if before is None else before.failure
    attempts, since = (1, timepoint) if known is None else (known.attempts + 1, known.since)
    return FailureRecord(type(cause).__name__, str(error)[:LONGEST_MESSAGE], since, attempts)


def _differs(before: Metadata, now: Metadata) -> bool:
    """Whether the metadata is worth a write: another time of building is not, nor other inputs of the same content."""
    comparable = replace(
        now,
        built_at=before.built_at,
        reads=before.reads,
        inputs=before.inputs,
        unchecked=before.unchecked,
        failure=before.failure,
        update_time=before.update_time,
    )
    if comparable != before or before.failure is None or now.failure is None:
        return comparable != before or before.failure is not now.failure
    # The count of attempts is worth a write now and then: clients that ask for a failing view must not make one each.
    same = (before.failure.kind, before.failure.message) == (now.failure.kind, now.failure.message)
    return not same or now.built_at - before.built_at >= ATTEMPTS_EVERY
