"""What a rebuild would do: every view built with the present code, and compared with what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from bff.datastore.port import Datastore
from bff.model.view_model import ViewModel
from bff.projection.build import Build
from bff.projection.difference import Difference, differences
from bff.projection.drafts import Drafts
from bff.projection.every_key import every_key, is_key
from bff.projection.standing import Standings, Storage
from bff.projection.stored_view import view_path

__all__ = ["Change", "Preview", "preview"]


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one stored view."""

    key: str
    kind: Literal["created", "changed", "removed"]
    differences: tuple[Difference, ...] = ()


@dataclass(slots=True)
class Preview:
    """Of one view: how many documents would change, in which fields, and how the first of them would.

    ``fields`` counts the changed documents by field. ``failures`` are the first keys that cannot be built, with why; what is
    stored of those would stay.
    """

    view: str
    keys: int = 0
    unchanged: int = 0
    created: int = 0
    changed: int = 0
    removed: int = 0
    failed: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    shown: list[Change] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)


async def preview(
    datastore: Datastore,
    view: type[ViewModel],
    *,
    show: int = 10,
    on_progress: Callable[[Preview], None] = lambda so_far: None,
) -> Preview:
    """Build every key of the view and write nothing. ``show`` bounds the changes, and the failures, that are kept in full.

    Of a view that is to be built beside the current storage, what is stored is what stands in that.

    What was written a moment ago and is not projected yet is a change like any other. A document whose id cannot be a key is
    left out: no build touches it. Raises DatastoreUnavailable.
    """
    found, drafts = Preview(view.__view__.name), Drafts(datastore, view)
    former = await _former(datastore, view)
    async with aclosing(every_key(datastore, view, former)) as pages:
        async for page in pages:
            keys = [key for key in page if is_key(view, key)]
            async with aclosing(drafts.of(keys)) as drafted:
                async for builds in drafted:
                    for build in builds if former is None else await _beside(datastore, builds, former):
                        _note(found, build, show)
                    on_progress(found)
    return found


async def _former(datastore: Datastore, view: type[ViewModel]) -> Storage | None:
    """What the lists of the view are of, where that is not of this code."""
    if not view.__view__.beside:
        return None
    [standing] = await Standings(datastore).of([view])
    return None if standing.current is None or standing.current.name == view.__view__.storage else standing.current


async def _beside(datastore: Datastore, builds: Sequence[Build], former: Storage) -> list[Build]:
    """The same builds, beside what is stored there."""
    async with datastore.snapshot() as snapshot:
        documents = await snapshot.get([view_path(former.collection, build.key) for build in builds])
    return [replace(build, stored=document.data) for build, document in zip(builds, documents, strict=True)]


def _note(found: Preview, build: Build, show: int) -> None:
    found.keys += 1
    if build.error is not None:
        found.failed += 1
        if len(found.failures) < show:
            found.failures.append((build.key, str(build.error)))
        return
    change = _change(build)
    if change is None:
        found.unchanged += 1
        return
    if change.kind == "created":
        found.created += 1
    elif change.kind == "removed":
        found.removed += 1
    else:
        found.changed += 1
        found.fields.update(one.field for one in change.differences)
    if len(found.shown) < show:
        found.shown.append(change)


def _change(build: Build) -> Change | None:
    if build.content is None:
        return None if build.stored is None else Change(build.key, "removed")
    different = differences(build.stored, build.content)
    if build.stored is None:
        return Change(build.key, "created", different)
    return Change(build.key, "changed", different) if different else None
