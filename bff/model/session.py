"""What ``City.get``, ``city.save()`` and ``City.where(…)`` go through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeVar

from bff.errors import DatastoreError

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel
    from bff.model.find import Find

__all__ = ["NoSession", "Session", "current_session", "use_session"]

M = TypeVar("M", bound="DomainModel")


class NoSession(DatastoreError):
    """A model was read or saved where no datastore is connected."""

    code = "NO_SESSION"


class Session(Protocol):
    """Reads and saves models: a connection, or one unit of work."""

    async def get(self, model: type[M], ids: Sequence[str]) -> list[M | None]:
        """The documents of these ids, in their order, None where there is none. Raises BadUserInput for what is no id."""
        ...

    async def find(self, find: Find[M]) -> list[M]:
        """The results, in the query's order. Raises InvalidQuery."""
        ...

    async def save(self, *models: DomainModel) -> None:
        """Save them together. Raises Conflict where a new one's id is taken."""
        ...

    async def delete(self, *models: DomainModel) -> None:
        """Delete their documents; those that do not exist are no error."""
        ...


_current: ContextVar[Session] = ContextVar("bff.session")


def current_session() -> Session:
    """The session of this task. Raises NoSession."""
    session = _current.get(None)
    if session is None:
        raise NoSession(
            'no datastore is connected here: read and save models inside "async with bff.connect(url):", '
            "in a @mutation, or in a Mediator"
        )
    return session


@contextmanager
def use_session(session: Session) -> Iterator[Session]:
    """Have the models use this session, in this task and in those that it starts."""
    token = _current.set(session)
    try:
        yield session
    finally:
        _current.reset(token)
