"""A datastore that refuses what it is told to refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

from bff.datastore.connect import open_datastore
from bff.datastore.port import Commit, Datastore, Expectation, Listening, ResumePoint, Snapshot, Target, Write
from bff.document import Document, collection_of
from bff.query import Query
from bff.types import Timepoint

__all__ = ["FailingDatastore"]

Refusal = Callable[[str], BaseException | None]


class FailingDatastore:
    """``refuse`` is asked before each call (``commit kettles``, ``get _bff_views kettles``), ``lose`` after each commit."""

    def __init__(self, url: str = "sqlite://") -> None:
        self._inner: Datastore = open_datastore(url)
        self.refuse: Refusal = lambda call: None
        self.lose: Refusal = lambda call: None
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return self._inner.url

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._inner.__aexit__(*exc_info)

    async def ping(self) -> Timepoint:
        return await self._inner.ping()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self._inner.snapshot() as snapshot:
            yield _FailingSnapshot(self, snapshot)

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes = list(writes)
        call = self.asked("commit", (write.path for write in writes))
        commit = await self._inner.commit(writes, expect)
        error = self.lose(call)
        if error is not None:
            raise error
        return commit

    def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AbstractAsyncContextManager[Listening]:
        return self._inner.listen(targets, since)

    def asked(self, call: str, paths: Iterable[str]) -> str:
        """What is about to be done to which collections. Raises what is to be refused."""
        call = " ".join([call, *sorted({collection_of(path) for path in paths})])
        self.calls.append(call)
        error = self.refuse(call)
        if error is not None:
            raise error
        return call


class _FailingSnapshot:
    def __init__(self, outer: FailingDatastore, inner: Snapshot) -> None:
        self._outer = outer
        self._inner = inner

    @property
    def timepoint(self) -> Timepoint:
        return self._inner.timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        self._outer.asked("get", paths)
        return await self._inner.get(paths, fields)

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        self._outer.asked("query", (f"{query.collection}/any",))
        return await self._inner.query(query, fields)

    async def count(self, query: Query) -> int:
        self._outer.asked("count", (f"{query.collection}/any",))
        return await self._inner.count(query)
