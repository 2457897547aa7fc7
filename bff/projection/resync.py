"""What was deleted while nobody looked: found by comparing what views have read with what there still is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.paging import metadata_pages

__all__ = ["missing_documents"]

PAGE = 50


async def missing_documents(datastore: Datastore, catalog: Catalog) -> AsyncIterator[tuple[str, str]]:
    """The name and the key of each view that read a document which is gone.

    For when a listener was resent everything and so was told of no deletion. Reads all metadata, page by page, and the documents
    it names: nothing is held in memory but one page.
    """
    names = {view.__view__.storage: name for name, view in catalog.views.items()}
    async for page in metadata_pages(datastore, None, PAGE):
        known = [metadata for metadata in page if metadata.view in names]
        paths = list(dict.fromkeys(path for metadata in known for path in metadata.present()))
        if not paths:
            continue
        async with datastore.snapshot() as snapshot:
            gone = {document.path for document in await snapshot.get(paths) if not document.exists}
        for metadata in known:
            if not gone.isdisjoint(metadata.present()):
                yield names[metadata.view], metadata.key
