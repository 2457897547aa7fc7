"""Long queries, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from bff.datastore.port import Snapshots
from bff.document import Document
from bff.projection.metadata import Metadata
from bff.projection.stored_view import METADATA
from bff.query import PATH, And, Compare, Cursor, Filter, Op, Order, Query

__all__ = ["metadata_pages", "pages", "with_prefix"]

PAGE = 300


async def pages(
    snapshots: Snapshots, query: Query, size: int = PAGE, fields: Sequence[str] | None = None
) -> AsyncGenerator[list[Document], None]:
    """The results by path, each page at its own time, so that no snapshot stays open for as long as all of them take.

    ``fields`` is a mask, as a Reader's.
    """
    query = replace(query, order_by=(Order(PATH),), limit=size)
    while True:
        async with snapshots.snapshot() as snapshot:
            documents = await snapshot.query(query, fields)
        if documents:
            yield documents
        if len(documents) < size:
            return
        query = replace(query, start=Cursor((documents[-1].path,)))


async def metadata_pages(snapshots: Snapshots, where: Filter | None, size: int = PAGE) -> AsyncGenerator[list[Metadata], None]:
    """What `_bff_views` holds."""
    async for documents in pages(snapshots, Query(METADATA, where), size):
        yield [metadata for document in documents if (metadata := Metadata.from_document(document)) is not None]


def with_prefix(collection: str, name: str) -> Filter:
    """The documents whose ids begin with ``name:``."""
    # ';' is the character after ':'.
    return And((Compare(PATH, Op.GE, f"{collection}/{name}:"), Compare(PATH, Op.LT, f"{collection}/{name};")))
