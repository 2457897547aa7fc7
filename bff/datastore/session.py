"""What ``City.get``, ``city.save`` and ``City.where`` go through: a datastore directly, or one unit of work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bff.datastore.port import Datastore, Delete, Merge, Precondition, Set, Write
from bff.datastore.unit_of_work import UnitOfWork
from bff.document import Document, join_path
from bff.errors import Conflict
from bff.model.domain_model import DomainModel
from bff.model.find import Find
from bff.model.session import use_session
from bff.types import Timepoint

__all__ = ["DatastoreSession", "Done", "TransactionSession", "transaction"]

T = TypeVar("T")
M = TypeVar("M", bound=DomainModel)

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.5


class DatastoreSession:
    """Every call stands for itself: a read is of the present, a save is committed when it returns."""

    def __init__(self, datastore: Datastore) -> None:
        self.datastore = datastore

    async def get(self, model: type[M], ids: Sequence[str]) -> list[M | None]:
        paths = [join_path(model.__document__.collection, id) for id in ids]
        async with self.datastore.snapshot() as snapshot:
            documents = await snapshot.get(paths)
        return [_loaded(model, document) for document in documents]

    async def find(self, find: Find[M]) -> list[M]:
        async with self.datastore.snapshot() as snapshot:
            documents = await snapshot.query(find.to_query())
        return [find.model.from_document(document) for document in documents]

    async def save(self, *models: DomainModel) -> None:
        """Raises Conflict where a new one's id is taken, or where a loaded one was deleted since."""
        writes = [write for model in models if (write := _write(model)) is not None]
        if writes:
            commit = await self.datastore.commit(writes)
            for model in models:
                model.mark_stored(commit.timepoint)

    async def delete(self, *models: DomainModel) -> None:
        await self.datastore.commit([Delete(model.path) for model in models])


class TransactionSession:
    """A unit of work over models: each document is one object, and what changed of it is saved at the end by itself."""

    def __init__(self, unit: UnitOfWork) -> None:
        self.unit = unit
        self._models: dict[str, DomainModel] = {}

    async def get(self, model: type[M], ids: Sequence[str]) -> list[M | None]:
        self._flush()
        paths = [join_path(model.__document__.collection, id) for id in ids]
        return [self._one(model, document) for document in await self.unit.get(paths)]

    async def find(self, find: Find[M]) -> list[M]:
        self._flush()
        found = (self._one(find.model, document) for document in await self.unit.query(find.to_query()))
        return [model for model in found if model is not None]

    async def save(self, *models: DomainModel) -> None:
        """Have these saved with the others. Raises Conflict where a new one's id is taken."""
        for model in models:
            if model.create_only and self._models.get(model.path) is not model:
                [stored] = await self.unit.get([model.path])
                if stored.exists:
                    raise Conflict(f"{model.path} exists already")
            self._models[model.path] = model
        self._flush()

    async def delete(self, *models: DomainModel) -> None:
        for model in models:
            self._models.pop(model.path, None)
            self.unit.write(Delete(model.path))

    def adopt(self, model: type[M], document: Document) -> M | None:
        """The one object for a document that was read through this unit of work."""
        return self._one(model, document)

    async def commit(self) -> Timepoint:
        self._flush()
        return await self.unit.commit()

    def _one(self, model: type[M], document: Document) -> M | None:
        known = self._models.get(document.path)
        if known is None:
            loaded = _loaded(model, document)
            if loaded is not None:
                self._models[document.path] = loaded
            return loaded
        return known if isinstance(known, model) else None

    def _flush(self) -> None:
        """Hand what changed to the unit of work, so that its reads see it."""
        for model in self._models.values():
            write = _write(model)
            if write is not None:
                self.unit.write(write)
                model.mark_stored(None)


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a transaction returned, and the timepoint of its commit."""

    result: T
    timepoint: Timepoint


async def transaction(
    datastore: Datastore, work: Callable[[TransactionSession], Awaitable[T]], *, seconds: float = 15.0
) -> Done[T]:
    """Do ``work`` in one serializable unit of work, again from the start whenever a commit finds that a read no longer holds.

    Inside it, ``City.get`` and the like are part of the unit of work; what ``work`` changed of them is saved when it returns, and
    nothing is when it raises. It may be called several times: let it touch nothing but documents.

    Raises Conflict after ``seconds`` of conflicts, and whatever ``work`` raises.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        async with datastore.snapshot() as snapshot:
            session = TransactionSession(UnitOfWork(datastore, snapshot))
            with use_session(session):
                result = await work(session)
            try:
                return Done(result, await session.commit())
            except Conflict:
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise
        # Full jitter: those who met once should not meet again (https://aws.amazon.com/builders-library, timeouts and retries).
        await asyncio.sleep(random.uniform(0, pause))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _loaded(model: type[M], document: Document) -> M | None:
    return model.from_document(document) if model.holds(document) else None


def _write(model: DomainModel) -> Write | None:
    """What saving the model takes: nothing, the fields that changed, or all of it."""
    if model.is_new:
        return Set(model.path, model.to_data(), Precondition(exists=False) if model.create_only else None)
    changes = model.changes()
    if not changes.data and not changes.removed:
        return None
    return Merge(model.path, changes.data, changes.removed, Precondition(exists=True))
