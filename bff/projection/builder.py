"""Builds views until what is stored is what was built: build, write, check."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bff.datastore.port import Datastore
from bff.errors import IncompleteBuild
from bff.model.view_model import ViewModel
from bff.observability.tracing import NO_TRACING, Tracing
from bff.projection.build import Build, Evaluated, MemoryKey, first_read, memory_key, prepare
from bff.projection.definitions import Definitions
from bff.projection.dependencies import results_of
from bff.projection.joined_queries import read_both
from bff.projection.metadata import Metadata
from bff.projection.news import News
from bff.projection.recent import Mark, RecentChanges
from bff.projection.shapes import Shapes
from bff.projection.stored_view import StoredView
from bff.projection.turns import Turns
from bff.projection.unchecked import FLUSH_AT, Unchecked
from bff.projection.view_writer import Writing, Written
from bff.types import Timepoint

__all__ = ["Builder", "Built", "Observer"]

logger = logging.getLogger(__name__)

ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 0.5
MEMORY = 10_000
MOST_AHEAD = 100
AHEAD_VIEWS = 1_000
"""Of so many views it is remembered which documents they read by path, if those are no more than ``MOST_AHEAD``."""

BATCH_DOCUMENTS = 4_000
FIRST_BATCH = 16


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
    listener of this process follows along, else by reading what it read again. Until then a note in the datastore says that it
    is ``unchecked``: a process that dies in between leaves a trace for ``Sweep`` to find.
    """

    def __init__(
        self,
        datastore: Datastore,
        *,
        recent: RecentChanges | None = None,
        shapes: Shapes | None = None,
        observer: Observer | None = None,
        anew: bool = False,
    ) -> None:
        """``anew``: every field is evaluated, and none taken over from what is stored, which may have been edited by hand."""
        self.datastore = datastore
        self.shapes = shapes or Shapes()
        self.news = News()
        self.tracing: Tracing = NO_TRACING
        self._turns = Turns()
        self._recent = recent or RecentChanges()
        self._observer = observer
        self._anew = anew
        self._memory: OrderedDict[MemoryKey, Evaluated] = OrderedDict()
        self._built_at: OrderedDict[tuple[str, str], Timepoint] = OrderedDict()
        """Up to when what is stored of a view has read everything, as far as it was built here, and lately."""
        self._ahead: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()
        """What views have read by path when they were built here, lately: mostly, they will again."""
        self.unchecked = Unchecked()
        self._documents: dict[str, int] = {}
        """By the name of a view, how many documents the largest of the last builds has read."""
        self._warned: set[str] = set()
        self.built: Counter[str] = Counter()
        """How many builds there were, by view; ``failed`` of them, and ``contended``: made again, as others were faster."""
        self.failed: Counter[str] = Counter()
        self.contended: Counter[str] = Counter()

    async def build(self, view: type[ViewModel], keys: Sequence[str]) -> list[Built]:
        """Build these views from what is stored now, and store them; what is stored then, in the order of the keys.

        What goes wrong for one view is its ``error``; where others write it faster than it can be built, that is IncompleteBuild.
        Raises DatastoreUnavailable.
        """
        built: dict[str, Built] = {}
        pending = list(dict.fromkeys(keys))
        for attempt in range(1, ATTEMPTS + 1):
            async with self._turns.take(view.__view__.name, pending):
                pending = await self._attempt(view, pending, built, last=attempt == ATTEMPTS)
            if not pending:
                break
            await asyncio.sleep(random.uniform(0, min(0.005 * 2.0**attempt, LONGEST_PAUSE_SECONDS)))
        self.built[view.__view__.name] += len(built)
        self.failed[view.__view__.name] += sum(one.error is not None for one in built.values())
        if self._observer is not None:
            for one in built.values():
                self._observer.built(one)
        return [built[key] for key in keys]

    async def look(self, view: type[ViewModel], keys: Sequence[str]) -> None:
        """Read what ``build`` reads of views that are not there, and do nothing about it. Raises DatastoreUnavailable."""
        paths = dict.fromkeys(path for key in keys for path in first_read(view, key))
        async with self.datastore.snapshot() as snapshot:
            await snapshot.get(list(paths), ())

    async def catch_up(self, view: type[ViewModel], wanted: Mapping[str, Timepoint]) -> None:
        """As ``build``, for who wants what is stored of each key to follow from everything up to a timepoint.

        What was built here since then is left alone, be it as the answer to the mutation that made the change.
        """
        name = view.__view__.name
        async with self._turns.take(name, wanted):
            late = [key for key, timepoint in wanted.items() if self._built_at.get((name, key), 0) < timepoint]
        if late:
            await self.build(view, late)

    def batch(self, view: str, limit: int) -> int:
        """How many views of this name to build at a time: so many that their documents are no more than some thousands."""
        return max(1, min(limit, BATCH_DOCUMENTS // self._documents.get(view, BATCH_DOCUMENTS // FIRST_BATCH)))

    async def flush(self) -> None:
        """Remove the notes in the datastore of what has been checked. Raises DatastoreUnavailable."""
        await self.unchecked.flush(self.datastore)

    async def _attempt(self, view: type[ViewModel], keys: Sequence[str], built: dict[str, Built], *, last: bool) -> list[str]:
        """Build, write and check once. The keys that are to be built again at once."""
        attempt, mark = self.unchecked.attempt(), self._recent.begin()
        try:
            name = view.__view__.name
            ahead = [path for key in keys for path in self._ahead.get((name, key), ())]
            builds = await prepare(self.datastore, view, keys, self._memory, ahead=ahead, anew=self._anew)
            self._note_size(view, builds)
            writing = Writing(self.datastore, self.unchecked, attempt, self.shapes.known, self._stored)
            again = []
            stored: list[Written] = []
            outcomes = await writing.store(builds)
            if self.news.listener is not None:
                # Who looks at what was stored has been told: they are sent it now, and not after the rest.
                await asyncio.sleep(0)
            for build, written in zip(builds, outcomes, strict=True):
                if written is None:
                    again.append(build.key)
                    self.contended[build.view.__view__.name] += 1
                    if last:
                        built[build.key] = self._given_up(build)
                    continue
                built[build.key] = Built(written.view, written.build.error, written.metadata)
                stored.append(written)
                self._remember(written)
            if any(one.overwrites_other_code for one in stored):
                await Definitions(self.datastore).overwritten(view)
            again += await self._check(mark, stored, attempt)
            self._note_built(stored)
        finally:
            self._recent.end(mark)
        if last:
            for key in again:
                self.unchecked.leave((view.__view__.storage, key))
        if not self._recent.following or self.unchecked.done >= FLUSH_AT:
            await self.flush()
        return [] if last else again

    def _stored(self, written: Written) -> None:
        # At once, not when the others of its batch are done: who looks at the view need not wait for the relay.
        if written.committed_at is not None and written.build.error is None:
            self.tracing.committed(written.committed_at)
            self.news.written(written.build.view, written.view, written.committed_at)
        elif written.view.exists or written.build.error is None:
            self.news.seen(written.build.view, written.view)
        if written.registered:
            for shape in written.build.dependencies.shapes():
                self.shapes.add(shape)

    def _given_up(self, build: Build) -> Built:
        name = build.view.__view__.name
        if self._observer is not None:
            self._observer.again(name, build.key, in_vain=True)
        return Built(build.as_stored(), IncompleteBuild(f"{name} {build.key!r} changed under each of {ATTEMPTS} builds"))

    async def _check(self, mark: Mark, results: Sequence[Written], attempt: int) -> list[str]:
        """The keys of which something changed between being read and being registered."""
        again: list[str] = []
        unknown: list[Written] = []
        for written in results:
            if not written.registered:
                self._passed(written, attempt)
                continue
            touched = self._recent.touch(mark, written.build.timepoint, written.build.dependencies)
            if touched is None:
                unknown.append(written)
            elif touched:
                again.append(written.build.key)
            else:
                self._passed(written, attempt)
        if unknown:
            for written, touched in zip(unknown, await self._changed(unknown), strict=True):
                if touched:
                    again.append(written.build.key)
                else:
                    self._passed(written, attempt)
        if self._observer is None:
            return again
        for key in again:
            self._observer.again(results[0].view.view, key)
        return []

    def _passed(self, written: Written, attempt: int) -> None:
        self.unchecked.passed((written.build.view.__view__.storage, written.view.key), attempt)

    async def _changed(self, results: Sequence[Written]) -> list[bool]:
        """Whether what these builds read is still as they read it: read again, from a snapshot newer than their registration."""
        paths = {path: None for written in results for path in written.build.dependencies.documents}
        queries = [read for written in results for read in written.build.dependencies.queries]
        async with self.datastore.snapshot() as snapshot:
            documents, found = await read_both(snapshot, list(paths), [read.query for read in queries])
        times = {document.path: document.update_time if document.exists else 0 for document in documents}
        changed = {
            id(read)
            for read, now in zip(queries, found, strict=True)
            if isinstance(now, Exception) or read.results != results_of(now)
        }
        return [
            any(times[path] != time for path, time in written.build.dependencies.documents.items())
            or any(id(read) in changed for read in written.build.dependencies.queries)
            for written in results
        ]

    def _note_built(self, stored: Sequence[Written]) -> None:
        for written in stored:
            if written.build.error is None:
                item = (written.view.view, written.view.key)
                self._built_at[item] = max(written.build.timepoint, self._built_at.pop(item, 0))
                self._ahead.pop(item, None)
                if 0 < len(written.build.ahead) <= MOST_AHEAD:
                    self._ahead[item] = written.build.ahead
        for remembered, most in ((self._built_at, MEMORY), (self._ahead, AHEAD_VIEWS)):
            while len(remembered) > most:
                remembered.popitem(last=False)

    def _remember(self, written: Written) -> None:
        """What an unchanged content was made of now, which is not worth a write, so that its fields can be taken over."""
        if written.metadata is None or written.registered or written.build.content is None:
            return
        key = memory_key(written.metadata)
        self._memory[key] = written.build.evaluated
        self._memory.move_to_end(key)
        if len(self._memory) > MEMORY:
            self._memory.popitem(last=False)

    def _note_size(self, view: type[ViewModel], builds: Sequence[Build]) -> None:
        definition = view.__view__
        count = max([len(build.dependencies.documents) for build in builds], default=0)
        # What is read less from now on is known by and by.
        self._documents[definition.name] = max(1, count, self._documents.get(definition.name, 0) * 7 // 8)
        if count > definition.max_documents and definition.name not in self._warned:
            self._warned.add(definition.name)
            logger.warning(
                "%s reads %d documents, over its limit of %d: every change of one of them builds it again (max_documents)",
                definition.name,
                count,
                definition.max_documents,
            )
