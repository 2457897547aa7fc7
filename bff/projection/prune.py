"""Removes the storages of former code that nobody has kept up for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from bff.datastore.port import Datastore, Delete, ExpectDocument
from bff.document import Document
from bff.errors import Conflict, OutcomeUnknown
from bff.model.view_definition import BESIDE
from bff.model.view_model import ViewModel
from bff.projection.checkpoint import PROJECTOR, PROJECTORS
from bff.projection.paging import pages, with_prefix
from bff.projection.rebuild_place import rebuild_path
from bff.projection.standing import Standings, Storage
from bff.projection.stored_view import METADATA
from bff.projection.unchecked import UNCHECKED
from bff.query import Query
from bff.types import Timepoint

__all__ = ["Pruned", "prune"]

PAGE = 200
IN_PLACE = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """So many ``documents`` of a storage were removed, all if it is ``complete``: otherwise somebody has come back to it."""

    view: str
    storage: str
    documents: int = 0
    complete: bool = False


async def prune(
    datastore: Datastore,
    view: type[ViewModel],
    older_than: float,
    on_progress: Callable[[Pruned], None] = lambda so_far: None,
) -> list[Pruned]:
    """Remove the storages of this view that are neither the current one nor this code's, and that nobody has followed for so many
    seconds: its documents, then what is known of them, then the note that there is one. One that is interrupted goes on.

    Raises DatastoreUnavailable.
    """
    standings, name = Standings(datastore), view.__view__.name
    before = await datastore.ping() - round(older_than * 1_000_000)
    [standing] = await standings.of([view])
    followed = await _followed(datastore)
    done = []
    for storage in standing.others:
        last = max(followed.get(storage.name, 0), 0 if BESIDE in storage.name else followed.get(IN_PLACE, 0))
        if storage.name != view.__view__.storage and max(storage.since, last) <= before:
            done.append(await _remove(datastore, standings, name, storage, on_progress))
    return done


async def _remove(
    datastore: Datastore, standings: Standings, view: str, storage: Storage, on_progress: Callable[[Pruned], None]
) -> Pruned:
    pruned = Pruned(view, storage.name)
    async for paths, counts in _everything(datastore, storage):
        # Whoever comes back to it says so first, and builds it throughout: nothing is removed after that.
        while (expected := await standings.abandon(view, storage)) is not None:
            storage = replace(storage, complete=False)
            if await _commit(datastore, paths, expected):
                break
        else:
            return pruned
        pruned = replace(pruned, documents=pruned.documents + len(paths) * counts)
        on_progress(pruned)
    if await standings.abandon(view, storage) is None:
        return pruned
    await standings.forget(view, replace(storage, complete=False))
    return replace(pruned, complete=True)


async def _commit(datastore: Datastore, paths: list[str], expected: ExpectDocument) -> bool:
    try:
        await datastore.commit([Delete(path, derived=True) for path in paths], [expected])
    except (Conflict, OutcomeUnknown):
        return False
    return True


async def _everything(datastore: Datastore, storage: Storage) -> AsyncIterator[tuple[list[str], int]]:
    """What there is of a storage, page by page, and whether that counts as its documents."""
    async for documents in pages(datastore, Query(storage.collection), PAGE, ()):
        yield [document.path for document in documents], 1
    async for documents in pages(datastore, Query(METADATA, with_prefix(METADATA, storage.name)), PAGE, ()):
        yield [document.path for document in documents], 0
    async for documents in pages(datastore, Query(UNCHECKED), PAGE, ("view",)):
        yield [document.path for document in documents if (document.data or {})["view"] == storage.name], 0
    yield [rebuild_path(storage.name)], 0


async def _followed(datastore: Datastore) -> Mapping[str, Timepoint]:
    """Up to when somebody has kept up each storage."""
    async with datastore.snapshot() as snapshot:
        found: list[Document] = await snapshot.query(Query(PROJECTORS))
    followed: dict[str, Timepoint] = {}
    for document in found:
        data = cast("Mapping[str, Any]", document.data)
        # Code of earlier releases, that stored all views in place, did not say which.
        kept = data.get("storages", (IN_PLACE,) if document.id == PROJECTOR else ())
        for storage in kept:
            followed[storage] = max(data["timepoint"], followed.get(storage, 0))
    return followed
