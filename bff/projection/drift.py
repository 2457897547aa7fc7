"""A stored view that is not what its code makes of its documents, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bff.projection.build import Build
from bff.projection.difference import Difference, differences
from bff.projection.metadata import Metadata
from bff.projection.view_writer import Written, plan

__all__ = ["Cause", "Drift", "drift_of"]

SHOWN = 3


class Cause(StrEnum):
    """What must have happened, as far as can be told afterwards."""

    DEFINITION = "definition"
    """It was built by other code."""
    DEPENDENCY = "dependency"
    """A document that it reads has changed, and it was not built again."""
    EDITED = "edited"
    """What the fields read is as it was, and they are not: somebody wrote the document, or a field reads more than its store."""
    MISSING = "missing"
    """It is not stored, and its roots exist."""
    ORPHANED = "orphaned"
    """It is stored, and a root of it does not exist, or its key cannot be one."""
    METADATA = "metadata"
    """The document is right, and what is stored about it in `_bff_views` is not."""
    FAILING = "failing"
    """It cannot be built: its last good value, if there is one, is stored."""


@dataclass(frozen=True, slots=True)
class Drift:
    """``why`` says more than the cause does, for people. ``repairable``: a build would make it right."""

    view: str
    key: str
    cause: Cause
    why: str
    differences: tuple[Difference, ...] = ()
    repairable: bool = True


def drift_of(build: Build) -> Drift | None:
    """What is wrong with what is stored, given a build that took nothing over from it: whatever that would write.

    None where it would write nothing.
    """
    view = build.view.__view__.name
    if build.error is not None:
        return Drift(view, build.key, Cause.FAILING, str(build.error), repairable=False)
    planned = plan(build)
    if isinstance(planned, Written):
        return None
    found = differences(build.stored, build.content)
    cause, why = _cause(build, found, planned.metadata)
    return Drift(view, build.key, cause, why, found)


def _cause(build: Build, found: tuple[Difference, ...], wanted: Metadata) -> tuple[Cause, str]:
    metadata = build.metadata
    if build.content is None and build.stored is not None:
        return Cause.ORPHANED, f"there is no {_some(set(build.root_paths).intersection(build.dependencies.absent()))}"
    if build.content is not None and build.stored is None:
        return Cause.MISSING, "never built" if metadata is None else "noted as deleted" if metadata.deleted else "noted as stored"
    if metadata is None:
        return Cause.METADATA, "there is none"
    if metadata.definition != wanted.definition:
        return Cause.DEFINITION, f"built by {metadata.definition}, the code is {wanted.definition}"
    unknown = set(wanted.dependencies).difference(metadata.dependencies)
    if not found:
        return Cause.METADATA, _wrong_in(metadata, wanted, unknown)
    if _is_edited(build, metadata, found):
        return Cause.EDITED, "what its fields read has not changed since they were built"
    if unknown:
        return Cause.DEPENDENCY, f"it would not have been told of {_some(unknown)}"
    newer = {path for path, time in build.dependencies.documents.items() if time > metadata.built_at}
    gone = set(metadata.dependencies).difference(wanted.dependencies)
    return Cause.DEPENDENCY, f"not built again since {_some(newer or gone) or 'what it reads'} changed"


def _is_edited(build: Build, metadata: Metadata, found: tuple[Difference, ...]) -> bool:
    """Whether every field that differs read what it reads now when it was built."""
    details = metadata.details
    same = {name for name, digest in build.evaluated.inputs.items() if details.inputs.get(name) == digest}
    names = {one.document_name: name for name, one in build.view.__view__.stored.items()}
    return all(
        one.field not in names or (names[one.field] in details.reads and same.issuperset(details.reads[names[one.field]]))
        for one in found
    )


def _wrong_in(metadata: Metadata, wanted: Metadata, unknown: set[str]) -> str:
    wrong = []
    if metadata.version != wanted.version:
        wrong.append(f"says version {metadata.version}, stored is {wanted.version}")
    if metadata.deleted is not wanted.deleted:
        wrong.append("says that it is deleted" if metadata.deleted else "does not say that it is deleted")
    if unknown:
        wrong.append(f"lacks the dependency {_some(unknown)}")
    if needless := set(metadata.dependencies).difference(wanted.dependencies):
        wrong.append(f"has the dependency {_some(needless)}, which it does not read")
    if metadata.failure is not None:
        wrong.append(f"says that it cannot be built: {metadata.failure.message}")
    return ", ".join(wrong) or "differs in what queries it reads"


def _some(names: set[str]) -> str:
    shown = sorted(names)[:SHOWN]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
