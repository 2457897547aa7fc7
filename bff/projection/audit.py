"""Finds stored views that are not what their code makes of their documents, while everything goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from bff.datastore.port import Datastore
from bff.errors import Stale
from bff.model.view_model import ViewModel
from bff.projection.as_of import AsOf
from bff.projection.build import Build
from bff.projection.builder import Builder, Built
from bff.projection.drafts import Drafts
from bff.projection.drift import Cause, Drift, drift_of
from bff.projection.every_key import is_key
from bff.projection.metadata import Metadata
from bff.projection.paging import pages
from bff.projection.shapes import Shapes, shape_write
from bff.projection.tokens import Shape, query_tokens
from bff.projection.unchecked import UNCHECKED
from bff.query import Query
from bff.types import Timepoint
from bff.values import load_document, same_data

__all__ = ["Audit", "repair"]

SETTLE_AT = 256
LOOKS = 5


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a view that is not as it should be has found."""

    build: Build
    drift: Drift

    def still_holds(self, before: Look) -> bool:
        """Whether the same was found before: nothing that it reads has changed in between, nor what is stored of it."""
        now, then = self.build, before.build
        return (
            (self.is_failing or _stored_at(now) == _stored_at(then))
            and now.dependencies.documents == then.dependencies.documents
            and self.drift.cause is before.drift.cause
            and (now.stored is None) is (then.stored is None)
            and same_data(now.stored or {}, then.stored or {})
        )

    @property
    def is_failing(self) -> bool:
        """It is tried again and again, and each time noted as what is still to be checked: that is no news of it."""
        return self.drift.cause is Cause.FAILING

    def is_older_than(self, as_of: Timepoint) -> bool:
        """Whether it must have been so at this timepoint already: no document that counts has changed, or gone, since."""
        read, metadata = self.build.dependencies.documents, self.build.metadata
        known = metadata.present() if metadata is not None else self.build.root_paths
        return all(time <= as_of for time in read.values()) and all(read.get(path) for path in known)


class Audit:
    """Builds views of one kind from scratch and compares; nothing is written.

    A datastore tells what is now, not what was: a view that differs may just not be projected yet. So one that differs is looked
    at again, once the projector has come to where the first look was made (``as_of``, for which it waits so many ``seconds``).
    It has drifted where nothing about it has changed by then. What goes on changing, and what has changed since a projector was
    last here, is not judged: it is ``behind``.
    """

    def __init__(self, datastore: Datastore, view: type[ViewModel], as_of: AsOf, *, seconds: float = 10.0) -> None:
        self._datastore = datastore
        self._view = view
        self._as_of = as_of
        self._seconds = seconds
        self._drafts = Drafts(datastore, view)
        self._shapes = Shapes()
        self.checked = 0
        self.behind = 0

    async def of(self, keys: AsyncIterable[Sequence[str]]) -> AsyncGenerator[list[Drift], None]:
        """What is wrong with the views of these keys, some at a time. Raises DatastoreUnavailable."""
        suspects: dict[str, Look] = {}
        async for page in keys:
            possible = [key for key in page if is_key(self._view, key)]
            if wrong := set(page).difference(possible):
                yield [self._no_key(key) for key in sorted(wrong)]
            suspects |= await self._look(possible)
            self.checked += len(page)
            if len(suspects) >= SETTLE_AT:
                yield await self._settle(suspects)
                suspects = {}
        if suspects:
            yield await self._settle(suspects)

    async def _look(self, keys: Sequence[str]) -> dict[str, Look]:
        """Those that differ."""
        found: dict[str, Look] = {}
        async with aclosing(self._drafts.of(keys)) as drafted:
            async for builds in drafted:
                for build in builds:
                    drift = drift_of(build) or await self._unknown_query(build)
                    if drift is not None:
                        found[build.key] = Look(build, drift)
        return found

    async def _unknown_query(self, build: Build) -> Drift | None:
        """Whether no projector that starts now would know that it is to look for views that ask what this one asks."""
        shapes = build.dependencies.shapes()
        if build.metadata is None or shapes <= self._shapes.known:
            return None
        await self._shapes.load(self._datastore)
        if not (unknown := shapes - self._shapes.known):
            return None
        names = ", ".join(sorted(f"{shape.collection}?{'&'.join(shape.fields)}" for shape in unknown))
        return Drift(self._view.__view__.name, build.key, Cause.METADATA, f"_bff_shapes lacks {names}: changes do not find it")

    async def _settle(self, suspects: Mapping[str, Look]) -> list[Drift]:
        found: list[Drift] = []
        for _ in range(LOOKS):
            as_of = await self._wait_for(max(look.build.timepoint for look in suspects.values()))
            noted = await self._noted()
            moving: dict[str, Look] = {}
            for key, look in (await self._look(list(suspects))).items():
                before = suspects[key]
                if not look.still_holds(before) or (key in noted and not look.is_failing):
                    moving[key] = look
                elif as_of >= before.build.timepoint or _is_certain(look) or look.is_older_than(as_of):
                    found.append(look.drift)
                else:
                    self.behind += 1
            suspects = moving
            if not suspects:
                break
        self.behind += len(suspects)
        return found

    async def _wait_for(self, timepoint: Timepoint) -> Timepoint:
        """What is stored follows from everything up to the timepoint that this returns."""
        as_of = await self._as_of.now()
        if as_of == 0 or as_of >= timepoint or not self._seconds:
            return as_of
        try:
            return await self._as_of.wait_for(timepoint, self._seconds)
        except Stale:
            self._seconds = 0.0  # nobody is there: once is enough
            return await self._as_of.now()

    async def _noted(self) -> set[str]:
        """The keys whose builds nobody has made sure of yet."""
        keys: set[str] = set()
        async for documents in pages(self._datastore, Query(UNCHECKED)):
            for document in documents:
                data = cast("Mapping[str, Any]", document.data)
                if data["view"] == self._view.__view__.storage:
                    keys.update(cast("list[str]", load_document(data["keys"].encode())["keys"]))
        return keys

    def _no_key(self, key: str) -> Drift:
        why = "this cannot be a key of it: remove the document by hand"
        return Drift(self._view.__view__.name, key, Cause.ORPHANED, why, repairable=False)


def _stored_at(build: Build) -> Timepoint:
    return 0 if build.metadata is None else build.metadata.update_time


def _is_certain(look: Look) -> bool:
    """Whether no projector, however far behind, could be the reason."""
    return look.drift.cause in {Cause.DEFINITION, Cause.EDITED, Cause.FAILING}


async def repair(datastore: Datastore, view: type[ViewModel], drifts: Sequence[Drift]) -> list[Built]:
    """Build these anew and store them, as any build is stored: if nobody else has done so since, and with a newer version.

    Those that cannot be repaired are left out. Raises DatastoreUnavailable.
    """
    keys = [drift.key for drift in drifts if drift.repairable]
    if not keys:
        return []
    builder = Builder(datastore, anew=True)
    built = await builder.build(view, keys)
    # What a build would not write where the view itself is right.
    shapes = {shape for one in built if one.metadata is not None for shape in _shapes_of(one.metadata)}
    if shapes:
        await datastore.commit([shape_write(shape) for shape in sorted(shapes)])
    await builder.flush()
    return built


def _shapes_of(metadata: Metadata) -> Iterable[Shape]:
    return (shape for read in metadata.details.queries for shape in query_tokens(read.query).values())
