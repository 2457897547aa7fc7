"""Builds everything of a view: after its code has changed, or when asked to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bff.datastore.port import Datastore
from bff.model.view_model import ViewModel
from bff.projection.builder import Builder
from bff.projection.definitions import Definitions
from bff.projection.metadata import Metadata
from bff.projection.paging import metadata_pages, pages, with_prefix
from bff.projection.roots import single_root
from bff.projection.stored_view import METADATA, metadata_path
from bff.together import together

__all__ = ["OnProgress", "RebuildProgress", "rebuild"]

PAGE = 256
BATCH = 64


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
    concurrency: int = 2,
) -> list[RebuildProgress]:
    """Build every key of these views: each document of a single root's model, and every view that is stored.

    The documents that are there serve until they are replaced, one by one; a view whose root is gone is removed. Without
    ``force`` what is of the present definition already is left alone: an interrupted rebuild goes on where it was.

    Raises DatastoreUnavailable. A view that cannot be built counts as ``failed`` and keeps its last good value.
    """
    builder = builder or Builder(datastore)
    done = []
    for view in views:
        progress = RebuildProgress(view.__view__.name)
        on_progress(progress)
        async for keys in _keys(datastore, view, force=force):
            progress = replace(progress, found=progress.found + len(keys))
            size = builder.batch(view.__view__.name, BATCH)
            batches = [keys[start : start + size] for start in range(0, len(keys), size)]
            for some in [batches[start : start + concurrency] for start in range(0, len(batches), concurrency)]:
                results = await together(*(builder.build(view, batch) for batch in some))
                built = [one for result in results for one in result]
                failed = sum(one.error is not None for one in built)
                progress = replace(progress, built=progress.built + len(built), failed=progress.failed + failed)
                on_progress(progress)
        await builder.flush()
        await Definitions(datastore).complete(view)
        progress = replace(progress, complete=True)
        on_progress(progress)
        done.append(progress)
    return done


async def _keys(datastore: Datastore, view: type[ViewModel], *, force: bool) -> AsyncIterator[list[str]]:
    definition = view.__view__
    root = single_root(view)
    if root is not None:
        async for documents in pages(datastore, root.model.all().to_query(), PAGE, ()):
            keys = [document.id for document in documents]
            if not force:
                async with datastore.snapshot() as snapshot:
                    known = await snapshot.get([metadata_path(definition.name, key) for key in keys])
                both = zip(keys, map(Metadata.from_document, known), strict=True)
                keys = [key for key, metadata in both if not _is_current(view, metadata)]
            if keys:
                yield keys
    mine = with_prefix(METADATA, definition.name)
    async for page in metadata_pages(datastore, mine, PAGE):
        stale = await _of_no_root(datastore, view, page) if force else [one.key for one in page if not _is_current(view, one)]
        if stale:
            yield stale


async def _of_no_root(datastore: Datastore, view: type[ViewModel], page: Sequence[Metadata]) -> list[str]:
    """What the scan of the root's documents cannot have found: views of several roots, and views whose root is gone."""
    root = single_root(view)
    if root is None:
        return [metadata.key for metadata in page]
    paths = {metadata.key: f"{root.model.__document__.collection}/{metadata.key}" for metadata in page}
    async with datastore.snapshot() as snapshot:
        there = {document.path for document in await snapshot.get(list(paths.values())) if document.exists}
    return [key for key, path in paths.items() if path not in there]


def _is_current(view: type[ViewModel], metadata: Metadata | None) -> bool:
    return metadata is not None and metadata.definition == view.__view__.definition_hash
