"""What the tests of datastores share."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias

import pytest

from bff.datastore.port import Changes, Datastore, Listening, ResumePoint
from bff.document import Document
from bff.order_key import order_key
from bff.query import Query
from bff.types import Timepoint, Value

__all__ = [
    "PATIENCE",
    "DatastoreCase",
    "Follower",
    "NewDatastore",
    "count",
    "data_of",
    "get",
    "query",
    "same_value",
    "update_times",
]

NewDatastore: TypeAlias = Callable[[], Datastore]

PATIENCE = 30.0
"""For how long a test waits for what must come."""


class DatastoreCase:
    """The fixtures. Inherit ``DatastoreConformance``, not this."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def new_datastore(self) -> NewDatastore:
        raise NotImplementedError("define the fixture new_datastore: see bff.testing.datastore_conformance")

    @pytest.fixture
    async def datastore(self, new_datastore: NewDatastore) -> AsyncIterator[Datastore]:
        async with new_datastore() as datastore:
            yield datastore


async def get(datastore: Datastore, *paths: str) -> list[Document]:
    async with datastore.snapshot() as snapshot:
        return await snapshot.get(paths)


async def query(datastore: Datastore, query: Query) -> list[Document]:
    async with datastore.snapshot() as snapshot:
        return await snapshot.query(query)


async def count(datastore: Datastore, query: Query) -> int:
    async with datastore.snapshot() as snapshot:
        return await snapshot.count(query)


async def data_of(datastore: Datastore, path: str) -> Mapping[str, Value] | None:
    [document] = await get(datastore, path)
    return document.data


async def update_times(datastore: Datastore, *paths: str) -> list[Timepoint]:
    return [document.update_time for document in await get(datastore, *paths)]


def same_value(one: Any, other: Any) -> bool:
    """Equal, of the same types, and NaN equals NaN."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_value(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_value(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return (
        isinstance(one, bool) is isinstance(other, bool)
        and isinstance(one, float) is isinstance(other, float)
        and order_key(one) == order_key(other)
    )


class Follower:
    """A listener's reader that keeps what it was told, as a projector would."""

    def __init__(self, listening: Listening) -> None:
        self._changes = aiter(listening)
        self.documents: dict[str, Document] = {}
        self.batches: list[Changes] = []
        self.resume: ResumePoint | None = None
        self._resent: set[str] | None = None

    async def step(self) -> Changes:
        async with asyncio.timeout(PATIENCE):
            changes = await anext(self._changes)
        self.batches.append(changes)
        paths = [document.path for document in changes.documents]
        assert len(paths) == len(set(paths)), "a batch holds each document once"
        if changes.reset:
            self._resent = set()
        for document in changes.documents:
            self.documents[document.path] = document
        if self._resent is not None:
            self._resent.update(paths)
        if changes.resume is not None:
            assert self.resume is None or changes.resume.timepoint >= self.resume.timepoint, "never back"
            self.resume = changes.resume
            if self._resent is not None:
                for gone in self.documents.keys() - self._resent:
                    del self.documents[gone]
                self._resent = None
        else:
            assert self._resent is not None, "only a resend may come in parts"
        return changes

    async def until(self, timepoint: Timepoint) -> None:
        """Until everything up to this timepoint has been delivered."""
        while self.resume is None or self.resume.timepoint < timepoint:
            await self.step()

    def present(self) -> dict[str, Mapping[str, Value]]:
        return {path: document.data for path, document in self.documents.items() if document.data is not None}
