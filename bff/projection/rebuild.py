"""Builds everything of a view: after its code has changed, or when asked to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from bff.datastore.port import Datastore
from bff.document import Document
from bff.model.view_model import ViewModel
from bff.projection.builder import Builder
from bff.projection.definitions import Definitions
from bff.projection.paging import pages, with_prefix
from bff.projection.rebuild_place import RebuildPlace
from bff.projection.roots import single_root
from bff.projection.stored_view import METADATA, metadata_path
from bff.query import Cursor, Query
from bff.together import together
from bff.types import Timepoint

__all__ = ["OnProgress", "RebuildProgress", "rebuild"]

PAGE = 256
BATCH = 64
BUILT = ("key", "definition", "builtAt")
"""Of a view's metadata, what a rebuild goes by."""


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """Of ``found`` keys so far ``built`` were built, ``failed`` of them in vain. ``found`` rises until ``complete``."""

    view: str
    found: int = 0
    built: int = 0
    failed: int = 0
    complete: bool = False


OnProgress: TypeAlias = Callable[[RebuildProgress], None]


async def rebuild(
    datastore: Datastore,
    views: Iterable[type[ViewModel]],
    *,
    builder: Builder | None = None,
    on_progress: OnProgress = lambda progress: None,
    force: bool = True,
    resume: bool = False,
    since: Timepoint = 0,
    concurrency: int = 3,
    page: int = PAGE,
) -> list[RebuildProgress]:
    """Build every key of these views: each document of a single root's model, and every view that is stored.

    The documents that are there serve until they are replaced, one by one; a view whose root is gone is removed. Without
    ``force`` what is of the present definition already, and was built ``since`` then, is left alone: an interrupted rebuild goes
    on where it was. With ``force`` it does so where it is told to ``resume``; how far it has come is noted then, after each
    ``page`` of keys.

    ``concurrency`` builds of up to 64 views run at a time, so that one is read and built while others are written.

    Of a view that is stored beside those of other code this is not all: see ``bff.projection.beside``, to which it leaves its
    place.

    Raises DatastoreUnavailable. A view that cannot be built counts as ``failed`` and keeps its last good value.
    """
    builder = builder or Builder(datastore, anew=force)
    done = []
    for view in views:
        place = await RebuildPlace.load(datastore, view) if resume else None
        beside = view.__view__.beside
        if not beside:
            await Definitions(datastore).want(view, throughout=place is None)
        if place is None:
            place = RebuildPlace(view.__view__.storage, view.__view__.definition_hash, await datastore.ping())
        work = _Work(builder, view, on_progress, concurrency, place, noting=resume)
        if not place.rest:
            await work.through(_roots(datastore, view, place.after, page, None if force else since))
            place = await work.rest()
        await work.through(_stored(datastore, view, place, page, place.began if force else since))
        await builder.flush()
        if not beside:
            await Definitions(datastore).complete(view, since)
        if resume and not beside:
            await RebuildPlace.clear(datastore, view)
        done.append(work.complete())
    return done


@dataclass(slots=True)
class _Page:
    """Keys that were found together, up to the path ``last``: those that nobody has taken yet, and how many are built."""

    keys: list[str]
    last: str
    size: int
    built: int = 0
    failed: int = 0


class _Work:
    """The rebuild of one view: whoever is done with a batch takes the next keys."""

    def __init__(
        self,
        builder: Builder,
        view: type[ViewModel],
        on_progress: OnProgress,
        concurrency: int,
        place: RebuildPlace,
        *,
        noting: bool,
    ) -> None:
        self._builder = builder
        self._view = view
        self._on_progress = on_progress
        self._concurrency = concurrency
        self._place = place
        self._noting = noting
        self._progress = RebuildProgress(view.__view__.name, place.built, place.built, place.failed)
        self._page = _Page([], "", 0)
        self._under_way: deque[_Page] = deque()
        self._taking = asyncio.Lock()
        self._saving = asyncio.Lock()
        on_progress(self._progress)

    async def through(self, pages: AsyncGenerator[_Page, None]) -> None:
        """Build all of these, and return when they are built."""
        async with aclosing(pages):
            await together(*(self._build(pages) for _ in range(self._concurrency)))

    async def rest(self) -> RebuildPlace:
        """The roots are done."""
        await self._note(replace(self._place, rest=True, after=""))
        return self._place

    def complete(self) -> RebuildProgress:
        self._progress = replace(self._progress, complete=True)
        self._on_progress(self._progress)
        return self._progress

    async def _build(self, pages: AsyncGenerator[_Page, None]) -> None:
        while taken := await self._take(pages):
            page, keys = taken
            built = await self._builder.build(self._view, keys)
            failed = sum(one.error is not None for one in built)
            before = self._progress
            self._progress = replace(before, built=before.built + len(built), failed=before.failed + failed)
            self._on_progress(self._progress)
            page.built += len(keys)
            page.failed += failed
            await self._note_done()

    async def _take(self, pages: AsyncGenerator[_Page, None]) -> tuple[_Page, list[str]] | None:
        """The next batch, None at the end. While one reads the next page, the others build what is left of the last."""
        async with self._taking:
            page = self._page
            if not page.keys:
                following = await anext(pages, None)
                if following is None:
                    return None
                page = self._page = following
                self._under_way.append(page)
                self._progress = replace(self._progress, found=self._progress.found + page.size)
            size = self._builder.batch(self._view.__view__.name, BATCH)
            keys, page.keys = page.keys[:size], page.keys[size:]
            return page, keys

    async def _note_done(self) -> None:
        """Note how far everything is built: pages end in another order than they began."""
        async with self._saving:
            place = self._place
            while self._under_way and self._under_way[0].built == self._under_way[0].size:
                page = self._under_way.popleft()
                place = replace(place, after=page.last, built=place.built + page.size, failed=place.failed + page.failed)
            if place is not self._place:
                await self._note(place)

    async def _note(self, place: RebuildPlace) -> None:
        self._place = place
        if self._noting:
            await place.save(self._builder.datastore)


async def _roots(
    datastore: Datastore, view: type[ViewModel], after: str, size: int, since: Timepoint | None
) -> AsyncGenerator[_Page, None]:
    """The documents that a view's keys are the ids of, where it has a single root; but for what was built ``since``."""
    root = single_root(view)
    if root is None:
        return
    async for documents in pages(datastore, _from(after, root.model.all().to_query()), size, ()):
        keys = [document.id for document in documents]
        if since is not None:
            async with datastore.snapshot() as snapshot:
                known = await snapshot.get([metadata_path(view.__view__.storage, key) for key in keys], BUILT)
            keys = [key for key, metadata in zip(keys, known, strict=True) if not _is_current(view, metadata, since)]
        if keys:
            yield _Page(keys, documents[-1].path, len(keys))


async def _stored(
    datastore: Datastore, view: type[ViewModel], place: RebuildPlace, size: int, since: Timepoint
) -> AsyncGenerator[_Page, None]:
    """What is stored, and the scan of the roots cannot have found: views of several roots, and views whose root is gone.

    What was built ``since``, by whomever, is as good as built by this.
    """
    query = Query(METADATA, with_prefix(METADATA, view.__view__.storage))
    async for documents in pages(datastore, _from(place.after, query), size, BUILT):
        stale = [_key(one) for one in documents if not _is_current(view, one, since)]
        if since and stale:
            stale = await _of_no_root(datastore, view, stale)
        if stale:
            yield _Page(stale, documents[-1].path, len(stale))


def _from(after: str, query: Query) -> Query:
    return replace(query, start=Cursor((after,))) if after else query


async def _of_no_root(datastore: Datastore, view: type[ViewModel], keys: Sequence[str]) -> list[str]:
    root = single_root(view)
    if root is None:
        return [*keys]
    paths = {key: f"{root.model.__document__.collection}/{key}" for key in keys}
    async with datastore.snapshot() as snapshot:
        there = {document.path for document in await snapshot.get(list(paths.values()), ()) if document.exists}
    return [key for key, path in paths.items() if path not in there]


def _is_current(view: type[ViewModel], metadata: Document, since: Timepoint) -> bool:
    if metadata.data is None or metadata.data["definition"] != view.__view__.definition_hash:
        return False
    return _built_at(metadata) >= since


def _built_at(metadata: Document) -> Timepoint:
    return cast("Timepoint", cast("Mapping[str, Any]", metadata.data)["builtAt"])


def _key(metadata: Document) -> str:
    return cast("str", cast("Mapping[str, Any]", metadata.data)["key"])
