"""A datastore that tells of what is read from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from bff.datastore.connect import open_datastore
from bff.document import Document
from bff.query import Query

__all__ = ["WatchedReads"]


class WatchedReads:
    """The datastore of a URL; a subclass hears of what snapshots of it read."""

    def __init__(self, url: str) -> None:
        self._inner = open_datastore(url)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._inner.__aexit__(*exc_info)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        async with self._inner.snapshot() as snapshot:
            yield _Snapshot(self, snapshot)

    def asked(self, paths: Sequence[str]) -> None:
        """These are about to be read in one go."""

    def read(self, documents: Sequence[Document], fields: Sequence[str] | None) -> None:
        """These were read, by their paths or by a query; of all their fields where ``fields`` is None."""


class _Snapshot:
    def __init__(self, watched: WatchedReads, inner: Any) -> None:
        self._watched = watched
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        self._watched.asked(paths)
        documents: list[Document] = await self._inner.get(paths, fields)
        self._watched.read(documents, fields)
        return documents

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        documents: list[Document] = await self._inner.query(query, fields)
        self._watched.read(documents, fields)
        return documents
