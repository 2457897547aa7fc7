"""Everything that was ever committed, in order, and what must be so of it at every moment."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bff.datastore.port import (
    Commit,
    Datastore,
    Delete,
    EarlyCommit,
    Expectation,
    Listening,
    ResumePoint,
    Set,
    Snapshot,
    Target,
    Write,
)
from bff.datastore.unit_of_work import CommitEarly
from bff.document import collection_of, document_id
from bff.types import Timepoint
from tests.stateful.domain import COLLECTIONS, VIEWS
from tests.stateful.oracle import BROKEN, Documents, Expected, expected

__all__ = ["History", "Key", "Recorder"]

METADATA = "_bff_views"
VIEW_OF = {view.__view__.collection: name for name, view in VIEWS.items()}

Key = tuple[str, str]
"""The name of a view and a key."""


@dataclass(frozen=True)
class Recorded:
    timepoint: Timepoint
    writes: tuple[Write, ...]


@dataclass
class Standing:
    """How a view stands after the commits that were checked."""

    version: Timepoint = 0
    built_at: Timepoint = 0
    content: Mapping[str, Any] | None = None


class History:
    """The states that the documents really had, and every state that a view was ever stored in."""

    def __init__(self) -> None:
        self._times: list[Timepoint] = [0]
        self._states: list[dict[str, Mapping[str, Any]]] = [{}]
        self._commits: list[Recorded] = []
        self._unchecked: list[Recorded] = []
        self.standing: dict[Key, Standing] = {}
        self.stored: dict[tuple[Key, Timepoint], Mapping[str, Any] | None] = {}
        """Each view by key and version; None where it was deleted then."""
        self.newest: dict[Key, Timepoint] = {}
        self.builds = 0

    def add(self, recorded: Recorded) -> None:
        if any(collection_of(write.path) in COLLECTIONS for write in recorded.writes):
            self._add_documents(recorded)
        if any(collection_of(write.path) == METADATA for write in recorded.writes):
            self._unchecked.append(recorded)
            for key, version, content in _views_of(recorded):
                self.stored[key, version] = content
                self.newest[key] = max(version, self.newest.get(key, 0))

    @property
    def present(self) -> dict[str, Mapping[str, Any]]:
        return self._states[-1]

    @property
    def last(self) -> Timepoint:
        """When the documents were last changed."""
        return self._times[-1]

    def at(self, timepoint: Timepoint) -> Documents:
        """The documents as they were at a timepoint."""
        return self._states[bisect_right(self._times, timepoint) - 1]

    def was(self, key: Key, content: Expected) -> bool:
        """Whether the view ever was this."""
        return any(expected(*key, state) == content for state in self._states)

    def pending(self) -> int:
        return len(self._unchecked)

    def check(self, count: int) -> None:
        """Check the first ``count`` commits that are not checked yet, and those that came before any of them.

        To be called when every commit that had begun by the time they were counted has returned. Every stored view is what it is
        built from the documents of one timepoint, is written only where that differs, and its version only rises.
        """
        until = max((one.timepoint for one in self._unchecked[:count]), default=0)
        due = sorted((one for one in self._unchecked if one.timepoint <= until), key=lambda one: one.timepoint)
        self._unchecked = [one for one in self._unchecked if one.timepoint > until]
        for recorded in due:
            self._check(recorded)

    def check_state(self, key: Key, version: Timepoint, document: Mapping[str, Any] | None) -> None:
        """Somebody was told this: it was stored so, or it is the absence of a view whose root was not there."""
        if document is None:
            stored = self.stored.get((key, version))
            assert stored is None, f"{key} at {version}: told it was gone, it was {stored}"
            assert (key, version) in self.stored or expected(*key, self.at(version)) is None, (
                f"{key} at {version}: told it was gone, and {expected(*key, self.at(version))} was there"
            )
        else:
            assert (key, version) in self.stored, f"{key}: told of {document}, which was never stored at {version}"
            stored = self.stored[key, version]
            for name, value in document.items():
                assert stored is not None, f"{key} at {version}: told of {document}, it was gone"
                assert stored[name] == value, f"{key} at {version}: told {name} is {value}, stored {stored}"

    def _add_documents(self, recorded: Recorded) -> None:
        index = bisect_right(self._times, recorded.timepoint)
        self._times.insert(index, recorded.timepoint)
        self._commits.insert(index - 1, recorded)
        del self._states[index:]
        for commit in self._commits[index - 1 :]:
            self._states.append(_after(self._states[-1], commit.writes))

    def _check(self, recorded: Recorded) -> None:
        written = {write.path: write for write in recorded.writes}
        for write in recorded.writes:
            if collection_of(write.path) != METADATA or not isinstance(write, Set):
                continue
            self.builds += 1
            metadata: Mapping[str, Any] = write.data
            key: Key = (metadata["view"], metadata["key"])
            standing = self.standing.setdefault(key, Standing())
            view_write = written.get(f"{VIEWS[key[0]].__view__.collection}/{key[1]}")
            self._check_build(key, standing, metadata, view_write)

    def _check_build(self, key: Key, standing: Standing, metadata: Mapping[str, Any], write: Write | None) -> None:
        built_at, version = metadata["builtAt"], metadata["version"]
        assert built_at >= standing.built_at, f"{key}: built of {built_at} after {standing.built_at}"
        assert version >= standing.version, f"{key}: version {version} after {standing.version}"
        content = expected(*key, self.at(built_at))
        if write is not None:
            assert not metadata.get("failing"), f"{key}: written though it cannot be built"
            assert version > standing.version, f"{key}: written without a newer version than {version}"
            before, standing.content = standing.content, _content(write)
            assert standing.content != before, f"{key} at {version}: written though it has not changed: {before}"
        standing.built_at, standing.version = built_at, version
        if metadata.get("failing"):
            assert content is BROKEN, f"{key} at {built_at}: failing {metadata['error']}, expected {content}"
            return
        told = f"{key} at {built_at}: stored {standing.content}, expected {content}"
        assert standing.content == content, told
        assert metadata.get("deleted", False) == (content is None), told


class Recorder:
    """A Datastore whose every commit is in the history. A commit goes on when its caller is cancelled, as on a server."""

    def __init__(self, inner: Datastore) -> None:
        self.inner = inner
        self.history = History()
        self._under_way: set[asyncio.Task[EarlyCommit]] = set()

    @property
    def url(self) -> str:
        return self.inner.url

    async def __aenter__(self) -> Recorder:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.settled()
        await self.inner.__aexit__(None, None, None)

    async def settled(self) -> None:
        """Every commit that has begun has ended."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=30)

    async def check(self) -> None:
        """Check every commit so far."""
        count = self.history.pending()
        await self.settled()
        self.history.check(count)

    async def ping(self) -> Timepoint:
        return await self.inner.ping()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self.inner.snapshot() as snapshot:
            yield snapshot

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        early = await self._begun(self._commit(tuple(writes), tuple(expect)))
        return early.commit

    async def commit_early(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> EarlyCommit:
        return await self._begun(self._commit(tuple(writes), tuple(expect), getattr(self.inner, "commit_early", None)))

    async def _begun(self, commit: Coroutine[Any, Any, EarlyCommit]) -> EarlyCommit:
        task = asyncio.create_task(commit)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _commit(
        self, writes: tuple[Write, ...], expect: tuple[Expectation, ...], early: CommitEarly | None = None
    ) -> EarlyCommit:
        commit = EarlyCommit(await self.inner.commit(writes, expect)) if early is None else await early(writes, expect)
        self.history.add(Recorded(commit.commit.timepoint, writes))
        return commit

    def _ended(self, task: asyncio.Task[EarlyCommit]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # its caller's to handle, if there still is one

    def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AbstractAsyncContextManager[Listening]:
        return self.inner.listen(targets, since)


def _after(state: Documents, writes: Iterable[Write]) -> dict[str, Mapping[str, Any]]:
    after = dict(state)
    for write in writes:
        if collection_of(write.path) not in COLLECTIONS:
            continue
        if isinstance(write, Delete):
            after.pop(write.path, None)
        elif isinstance(write, Set):
            after[write.path] = dict(write.data)
        else:
            kept = {name: value for name, value in after.get(write.path, {}).items() if name not in write.remove}
            after[write.path] = {**kept, **write.data}
    return after


def _views_of(recorded: Recorded) -> list[tuple[Key, Timepoint, Mapping[str, Any] | None]]:
    """The views that a commit stores or deletes."""
    versions: dict[Key, Mapping[str, Any]] = {
        (str(write.data["view"]), str(write.data["key"])): write.data
        for write in recorded.writes
        if collection_of(write.path) == METADATA and isinstance(write, Set)
    }
    found: list[tuple[Key, Timepoint, Mapping[str, Any] | None]] = []
    for write in recorded.writes:
        key = (VIEW_OF.get(collection_of(write.path), ""), document_id(write.path))
        if key in versions:
            found.append((key, versions[key]["version"], _content(write)))
    stored = {key for key, _, _ in found}
    found += [(key, data["version"], None) for key, data in versions.items() if key not in stored and data.get("deleted")]
    return found


def _content(write: Write) -> dict[str, Any] | None:
    """The content of a view as it is written, without its version."""
    if isinstance(write, Delete):
        return None
    return {name: value for name, value in write.data.items() if name != "version"}
