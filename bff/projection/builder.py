"""Builds views until what is stored is what was built: build, write, check."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bff.datastore.port import Datastore, Merge, Precondition
from bff.errors import Conflict, IncompleteBuild, OutcomeUnknown
from bff.model.view_model import ViewModel
from bff.projection.build import Build, Evaluated, memory_key, prepare
from bff.projection.dependencies import results_of
from bff.projection.metadata import Metadata
from bff.projection.recent import Mark, RecentChanges
from bff.projection.shapes import Shapes
from bff.projection.stored_view import StoredView, metadata_path
from bff.projection.view_writer import Written, write
from bff.together import together
from bff.types import Timepoint

__all__ = ["Builder", "Built", "Observer"]

logger = logging.getLogger(__name__)

ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 0.5
MEMORY = 10_000
FLUSH_AT = 100


@dataclass(frozen=True, slots=True)
class Built:
    """What is stored of a view after it was built. ``error``: why the build failed; ``view`` is then the last good one."""

    view: StoredView
    error: Exception | None = None
    metadata: Metadata | None = None


class Observer(Protocol):
    """Is told what comes of every build of this process."""

    def built(self, built: Built) -> None: ...

    def again(self, view: str, key: str, *, in_vain: bool = False) -> None:
        """What the build read has changed since, or nothing of it could be stored (``in_vain``): have it built again."""
        ...


class Builder:
    """Builds views at one timepoint, stores them, and makes sure that no change was missed in between.

    The race: a document changes after a build read it and before the build has stored that it did; whoever looks the change up
    finds nobody. So every build, once stored, is checked against what changed since its timepoint: against ``recent`` where a
    listener of this process follows along, else by reading what it read again. Until then its metadata says ``unchecked``: a
    process that dies in between leaves a trace for ``Sweep`` to find.
    """

    def __init__(
        self,
        datastore: Datastore,
        *,
        recent: RecentChanges | None = None,
        shapes: Shapes | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.datastore = datastore
        self.shapes = shapes or Shapes()
        self._recent = recent or RecentChanges()
        self._observer = observer
        self._memory: OrderedDict[str, Evaluated] = OrderedDict()
        self._checked: dict[str, Timepoint] = {}
        self._building: Counter[str] = Counter()
        self._flushing: set[str] = set()
        self._flushed = asyncio.Event()
        self._warned: set[str] = set()

    async def build(self, view: type[ViewModel], keys: Sequence[str]) -> list[Built]:
        """Build these views from what is stored now, and store them; what is stored then, in the order of the keys.

        What goes wrong for one view is its ``error``; where others write it faster than it can be built, that is IncompleteBuild.
        Raises DatastoreUnavailable.
        """
        built: dict[str, Built] = {}
        pending = list(dict.fromkeys(keys))
        for attempt in range(1, ATTEMPTS + 1):
            pending = await self._attempt(view, pending, built, last=attempt == ATTEMPTS)
            if not pending:
                break
            await asyncio.sleep(random.uniform(0, min(0.005 * 2.0**attempt, LONGEST_PAUSE_SECONDS)))
        if self._observer is not None:
            for one in built.values():
                self._observer.built(one)
        return [built[key] for key in keys]

    def is_checked(self, metadata_path: str) -> bool:
        """Whether this view was checked here, and only the note of it is still to be written."""
        return metadata_path in self._checked

    async def flush(self) -> None:
        """Note in the datastore what has been checked, but for what is being built. Raises DatastoreUnavailable."""
        # A build under way expects the metadata as it read it, and will be checked itself.
        paths = [path for path in self._checked if not self._building[path]]
        while paths:
            some = [(path, self._checked.pop(path)) for path in paths[:FLUSH_AT] if path in self._checked]
            del paths[:FLUSH_AT]
            if not some:
                continue
            self._flushing.update(path for path, _ in some)
            try:
                await self._flush([Merge(path, {}, ("unchecked",), Precondition(update_time=time)) for path, time in some])
            except BaseException:
                self._checked = {**dict(some), **self._checked}
                raise
            finally:
                self._flushing.difference_update(path for path, _ in some)
                self._flushed.set()
                self._flushed = asyncio.Event()

    async def _flush(self, notes: Sequence[Merge]) -> None:
        try:
            await self.datastore.commit(notes)
        except (Conflict, OutcomeUnknown):
            if len(notes) > 1:
                await together(*(self._flush([note]) for note in notes))
            # A single one was built again elsewhere: the newer build answers for itself.

    async def _attempt(self, view: type[ViewModel], keys: Sequence[str], built: dict[str, Built], *, last: bool) -> list[str]:
        """Build, write and check once. The keys that are to be built again at once."""
        paths = [metadata_path(view.__view__.name, key) for key in keys]
        while not self._flushing.isdisjoint(paths):
            await self._flushed.wait()
        mark = self._recent.begin()
        self._building.update(paths)
        try:
            builds = await prepare(self.datastore, view, keys, self._memory)
            self._warn(view, builds)
            results = await together(*(self._write(build) for build in builds))
            again = []
            for build, written in zip(builds, results, strict=True):
                if written is None:
                    again.append(build.key)
                    if last:
                        built[build.key] = self._given_up(build)
                    continue
                built[build.key] = Built(written.view, written.build.error, written.metadata)
                self._remember(written)
            again += await self._check(mark, [written for written in results if written is not None])
        finally:
            self._recent.end(mark)
            self._building.subtract(paths)
            for path in paths:
                if not self._building[path]:
                    del self._building[path]
        if not self._recent.following or len(self._checked) >= FLUSH_AT:
            await self.flush()
        return [] if last else again

    async def _write(self, build: Build) -> Written | None:
        """None: somebody else wrote the view meanwhile, or nobody knows."""
        try:
            written = await write(self.datastore, build, self.shapes.known)
        except (Conflict, OutcomeUnknown):
            return None
        if written.registered:
            for shape in written.build.dependencies.shapes():
                self.shapes.add(shape)
        return written

    def _given_up(self, build: Build) -> Built:
        name = build.view.__view__.name
        if self._observer is not None:
            self._observer.again(name, build.key, in_vain=True)
        return Built(build.as_stored(), IncompleteBuild(f"{name} {build.key!r} changed under each of {ATTEMPTS} builds"))

    async def _check(self, mark: Mark, results: Sequence[Written]) -> list[str]:
        """The keys of which something changed between being read and being registered."""
        again: list[str] = []
        unknown: list[Written] = []
        for written in results:
            if not written.registered:
                self._passed(written)
                continue
            touched = self._recent.touch(mark, written.build.timepoint, written.build.dependencies)
            if touched is None:
                unknown.append(written)
            elif touched:
                again.append(written.build.key)
            else:
                self._passed(written)
        if unknown:
            for written, touched in zip(unknown, await self._changed(unknown), strict=True):
                if touched:
                    again.append(written.build.key)
                else:
                    self._passed(written)
        if self._observer is None:
            return again
        for key in again:
            self._observer.again(results[0].view.view, key)
        return []

    def _passed(self, written: Written) -> None:
        if written.metadata is not None and written.metadata.unchecked:
            self._checked[written.metadata.path] = written.metadata.update_time

    async def _changed(self, results: Sequence[Written]) -> list[bool]:
        """Whether what these builds read is still as they read it: read again, from a snapshot newer than their registration."""
        paths = {path: None for written in results for path in written.build.dependencies.documents}
        queries = [read for written in results for read in written.build.dependencies.queries]
        async with self.datastore.snapshot() as snapshot:
            documents, *found = await together(snapshot.get(list(paths)), *(snapshot.query(read.query) for read in queries))
        times = {document.path: document.update_time if document.exists else 0 for document in documents}
        changed = {id(read) for read, now in zip(queries, found, strict=True) if read.results != results_of(now)}
        return [
            any(times[path] != time for path, time in written.build.dependencies.documents.items())
            or any(id(read) in changed for read in written.build.dependencies.queries)
            for written in results
        ]

    def _remember(self, written: Written) -> None:
        """What an unchanged content was made of now, which is not worth a write, so that its fields can be taken over."""
        if written.metadata is None or written.registered or written.build.content is None:
            return
        key = memory_key(written.metadata)
        self._memory[key] = written.build.evaluated
        self._memory.move_to_end(key)
        if len(self._memory) > MEMORY:
            self._memory.popitem(last=False)

    def _warn(self, view: type[ViewModel], builds: Sequence[Build]) -> None:
        definition = view.__view__
        count = max((len(build.dependencies.documents) for build in builds), default=0)
        if count > definition.max_documents and definition.name not in self._warned:
            self._warned.add(definition.name)
            logger.warning(
                "%s reads %d documents, over its limit of %d: every change of one of them builds it again (max_documents)",
                definition.name,
                count,
                definition.max_documents,
            )
