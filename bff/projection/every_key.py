"""Every key of a view: what is stored of it, whatever is known of that, and what should be."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import cast

from bff.datastore.port import Datastore
from bff.errors import BadUserInput
from bff.model.view_model import ViewModel
from bff.projection.paging import pages, with_prefix
from bff.projection.roots import single_root
from bff.projection.standing import Storage
from bff.projection.stored_view import METADATA, metadata_path, view_path
from bff.query import Query

__all__ = ["every_key", "is_key", "sample"]

PAGE = 256


async def every_key(
    datastore: Datastore, view: type[ViewModel], former: Storage | None = None
) -> AsyncGenerator[list[str], None]:
    """Page by page, each key once, but for one that is stored meanwhile.

    A document in the collection of the views whose id cannot be a key is among them: see ``is_key``. They are read without
    their fields: one read a key, and some more for each that is not stored. With ``former``, what is stored is what stands there.

    Raises DatastoreUnavailable.
    """
    storage, collection = _place(view, former)
    async for documents in pages(datastore, Query(METADATA, with_prefix(METADATA, storage)), PAGE, ("key",)):
        yield [cast("str", (document.data or {})["key"]) for document in documents]
    async for documents in pages(datastore, Query(collection), PAGE, ()):
        if keys := await _not_yet(datastore, (storage, collection), [document.id for document in documents], stored=False):
            yield keys
    root = single_root(view)
    if root is not None:
        async for documents in pages(datastore, root.model.all().to_query(), PAGE, ()):
            if keys := await _not_yet(datastore, (storage, collection), [document.id for document in documents], stored=True):
                yield keys


def _place(view: type[ViewModel], former: Storage | None) -> tuple[str, str]:
    if former is not None:
        return former.name, former.collection
    return view.__view__.storage, view.__view__.collection


def is_key(view: type[ViewModel], key: str) -> bool:
    try:
        view.split_key(key)
    except BadUserInput:
        return False
    return True


async def sample(keys: AsyncIterable[list[str]], size: int) -> list[str]:
    """So many of them, each with the same chance; all where there are no more."""
    chosen: list[str] = []
    seen = 0
    async for page in keys:
        for key in page:
            seen += 1
            if len(chosen) < size:
                chosen.append(key)
            elif (place := random.randrange(seen)) < size:
                chosen[place] = key
    return chosen


async def _not_yet(datastore: Datastore, place: tuple[str, str], keys: Sequence[str], *, stored: bool) -> list[str]:
    """Those of which there is no metadata and, of ``stored`` ones, no document."""
    storage, collection = place
    kinds = [[metadata_path(storage, key) for key in keys]]
    if stored:
        kinds.append([view_path(collection, key) for key in keys])
    async with datastore.snapshot() as snapshot:
        found = await snapshot.get([path for paths in kinds for path in paths], ())
    known = {document.path for document in found if document.exists}
    return [key for key, *paths in zip(keys, *kinds, strict=True) if known.isdisjoint(paths)]
