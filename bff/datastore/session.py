"""What ``City.get``, ``city.save`` and ``City.where`` go through: a datastore directly, or one unit of work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeAlias, TypeVar
from uuid import uuid4

from bff.datastore.port import Commit, Datastore, Delete, EarlyCommit, Merge, Precondition, Set, Write
from bff.datastore.unit_of_work import Change, UnitOfWork
from bff.document import Document, join_path
from bff.errors import Conflict
from bff.model.domain_model import DomainModel
from bff.model.effect import use_outbox
from bff.model.find import Find
from bff.model.outbox_entry import OutboxEntry
from bff.model.session import use_session
from bff.types import Timepoint, Value

__all__ = ["ChangesMade", "DatastoreSession", "Done", "OnCommit", "TransactionSession", "transaction"]

T = TypeVar("T")
M = TypeVar("M", bound=DomainModel)

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.5


ChangesMade: TypeAlias = Callable[[], Sequence[Change]]
"""What a commit made of which documents, made out when somebody asks."""

OnCommit: TypeAlias = Callable[[Timepoint, ChangesMade], None]
"""Is told of a commit: its timepoint, and what it changed."""


class DatastoreSession:
    """Every call stands for itself: a read is of the present, a save is committed when it returns.

    ``on_commit`` is told of every commit that is made through it.
    """

    def __init__(self, datastore: Datastore, on_commit: OnCommit | None = None) -> None:
        self.datastore = datastore
        self.on_commit = on_commit

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
        changed = [(model, write) for model in models if (write := _write(model)) is not None]
        if changed:
            changes = [_change(model, model.to_data()) for model, _ in changed]
            commit = await self.datastore.commit([write for _, write in changed])
            for model in models:
                model.mark_stored(commit.timepoint)
            self._committed(commit.timepoint, changes)

    async def delete(self, *models: DomainModel) -> None:
        changes = [_change(model, None) for model in models]
        commit = await self.datastore.commit([Delete(model.path) for model in models])
        self._committed(commit.timepoint, changes)

    def _committed(self, timepoint: Timepoint, changes: Sequence[Change]) -> None:
        if self.on_commit is not None:
            self.on_commit(timepoint, lambda: changes)


class TransactionSession:
    """A unit of work over models: each document is one object, and what changed of it is saved at the end by itself."""

    def __init__(self, unit: UnitOfWork) -> None:
        self.unit = unit
        self.origin: str | None = None
        """What this is done because of: the keys of the effects that it sends follow from it, and one that is known is muted."""
        self.muted = False
        """Whether nothing that it sends is to be sent: it was, when this was done first."""
        self._models: dict[str, DomainModel] = {}
        self._sent: list[OutboxEntry] = []

    async def get(self, model: type[M], ids: Sequence[str]) -> list[M | None]:
        self.hand_over()
        paths = [join_path(model.__document__.collection, id) for id in ids]
        return [self._one(model, document) for document in await self.unit.get(paths)]

    async def find(self, find: Find[M]) -> list[M]:
        self.hand_over()
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
            self._hand_over_one(model)

    async def delete(self, *models: DomainModel) -> None:
        for model in models:
            self._models.pop(model.path, None)
            self.unit.write(Delete(model.path))

    def send(self, effect: str, payload: Value, order: str | None) -> None:
        """Have an effect part of the commit."""
        self._sent.append(OutboxEntry(self._key(effect), effect, payload, order, len(self._sent)))

    async def post(self) -> None:
        """Write what was sent, but for what was sent before because of the same."""
        if self.muted:
            return
        known: set[str] = set()
        if self._sent and self.origin is not None:
            paths = [path for entry in self._sent for path in (entry.path, entry.sent_path)]
            known = {document.id for document in await self.unit.get(paths) if document.exists}
        for entry in self._sent:
            if entry.key not in known:
                self.unit.write(Set(entry.path, entry.to_data(), Precondition(exists=False)))

    def _key(self, effect: str) -> str:
        if self.origin is None:
            return uuid4().hex
        number = sum(entry.effect == effect for entry in self._sent)
        return sha256(f"{self.origin}\n{effect}\n{number}".encode()).hexdigest()[:40]

    def adopt(self, model: type[M], document: Document) -> M | None:
        """The one object for a document that was read through this unit of work."""
        return self._one(model, document)

    def changes(self) -> list[Change]:
        """What was changed so far."""
        self.hand_over()
        return self.unit.changes()

    def _one(self, model: type[M], document: Document) -> M | None:
        known = self._models.get(document.path)
        if known is None:
            loaded = _loaded(model, document)
            if loaded is not None:
                self._models[document.path] = loaded
            return loaded
        return known if isinstance(known, model) else None

    def hand_over(self) -> None:
        """Hand what changed to the unit of work, so that its reads see it, and its commit makes it."""
        for model in self._models.values():
            self._hand_over_one(model)

    def _hand_over_one(self, model: DomainModel) -> None:
        write = _write(model)
        if write is not None:
            self.unit.write(write)
            model.mark_stored(None)


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a transaction returned, its commit, what that made of which documents, and how often it was begun."""

    result: T
    commit: EarlyCommit
    changes: ChangesMade
    attempts: int

    @property
    def timepoint(self) -> Timepoint:
        return self.commit.commit.timepoint


async def transaction(
    datastore: Datastore, work: Callable[[TransactionSession], Awaitable[T]], *, seconds: float = 15.0, early: bool = False
) -> Done[T]:
    """Do ``work`` in one serializable unit of work, again from the start whenever a commit finds that a read no longer holds.

    Inside it, ``City.get`` and the like are part of the unit of work; what ``work`` changed of them is saved when it returns, and
    nothing is when it raises. It may be called several times: let it touch nothing but documents.

    With ``early``, it may return before the commit is flushed: nobody is to be told of it before ``commit.flushed()`` of what it
    returns has returned.

    Raises Conflict after ``seconds`` of conflicts, and whatever ``work`` raises.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    pause = FIRST_PAUSE_SECONDS
    attempts = 0
    while True:
        attempts += 1
        async with datastore.snapshot() as snapshot:
            session = TransactionSession(UnitOfWork(datastore, snapshot))
            with use_session(session), use_outbox(session):
                result = await work(session)
                await session.post()
            session.hand_over()
            try:
                commit = await session.unit.commit_early() if early else EarlyCommit(Commit(await session.unit.commit()))
                return Done(result, commit, session.unit.changes, attempts)
            except Conflict:
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise
        # Full jitter: those who met once should not meet again (https://aws.amazon.com/builders-library, timeouts and retries).
        await asyncio.sleep(random.uniform(0, pause))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _loaded(model: type[M], document: Document) -> M | None:
    return model.from_document(document) if model.holds(document) else None


def _change(model: DomainModel, data: dict[str, Value] | None) -> Change:
    before = None if model.is_new else Document(model.path, model.stored_data, model.update_time or 0)
    return Change(before, Document(model.path, data))


def _write(model: DomainModel) -> Write | None:
    """What saving the model takes: nothing, the fields that changed, or all of it."""
    if model.is_new:
        return Set(model.path, model.to_data(), Precondition(exists=False) if model.create_only else None)
    changes = model.changes()
    if not changes.data and not changes.removed:
        return None
    return Merge(model.path, changes.data, changes.removed, Precondition(exists=True))
