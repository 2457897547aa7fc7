"""``bff.connect`` and ``bff.transaction``: documents without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession, TransactionSession
from bff.datastore.session import transaction as run_transaction
from bff.model.session import current_session, use_session

__all__ = ["connect", "transaction"]

T = TypeVar("T")


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Datastore]:
    """Open a datastore; inside the ``async with``, models are read from it and saved to it.

    ::

        async with bff.connect("sqlite:///city.db"):            # or firestore://my-project
            await City(id="SF", city_name="San Francisco").save()

    Raises SettingsError where the URL is wrong, and DatastoreUnavailable where nothing answers there.
    """
    async with open_datastore(url) as datastore:
        with use_session(DatastoreSession(datastore)):
            yield datastore


async def transaction(work: Callable[[], Awaitable[T]]) -> T:
    """Do ``work`` in one serializable unit of work, again from the start whenever somebody else wrote what it had read.

    What it changed of the models that it got is saved when it returns, and nothing is when it raises. Inside another transaction
    it is part of that one. Raises Conflict after 15 seconds of conflicts, and whatever ``work`` raises.
    """
    session = current_session()
    if isinstance(session, TransactionSession):
        return await work()
    if not isinstance(session, DatastoreSession):
        raise TypeError(f"{type(session).__name__} has no transactions")

    async def work_in(_: TransactionSession) -> T:
        return await work()

    done = await run_transaction(session.datastore, work_in)
    if session.on_commit is not None:
        session.on_commit(done.timepoint, done.changes)
    return done.result
