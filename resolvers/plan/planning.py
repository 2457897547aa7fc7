"""What a plan is made from, and how it says that it is not the one to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from bff.errors import BFFError
from bff.model.view_model import ViewModel
from bff.principal import Principal
from bff.projection.reader import Found
from bff.projection.stored_view import StoredView
from bff.query import Query

__all__ = [
    "STORED",
    "KnownViews",
    "ListedViews",
    "Shown",
    "Sight",
    "StoredQueries",
    "Unanswerable",
    "Unplannable",
    "Visibility",
    "Visible",
    "Watch",
]

STORED: Final = "bff.stored"
"""In the ``extensions`` of a field: its value follows from stored views alone. Of a type, False: it may not. ``bind`` says so."""


class Unplannable(Exception):
    """Something in an operation is not of the kinds that are planned."""


class Unanswerable(Exception):
    """Something is missing, or not as its type says: graphql-core has to say what the answer is."""


class ListedViews(Protocol):
    """The first results of a query: the same object as long as nothing has changed."""

    @property
    def views(self) -> Sequence[StoredView]:
        """In the order of the query."""
        ...

    @property
    def more(self) -> bool:
        """Whether there are more results."""
        ...

    @property
    def texts(self) -> dict[Any, bytes]:
        """What this very list was written as, by what was selected of it."""
        ...


class Shown(Protocol):
    """One view as it is known, of all who look at it: a thousand find its state in the processor's cache when one of them has."""

    @property
    def state(self) -> StoredView | None:
        """The newest state known."""
        ...

    @property
    def closed(self) -> bool:
        """Whether live updates have ended."""
        ...


class Sight(Protocol):
    """What somebody is shown of a view that not everybody may see: ``bff.live.sight.Sight``."""

    def of(self, state: StoredView, /) -> StoredView | None:
        """What to show of the newest state; None where that is nothing new. Raises Forbidden where it may no longer be seen."""
        ...


class Watch(Protocol):
    """One view that a subscription looks at."""

    @property
    def entry(self) -> Shown: ...

    @property
    def sight(self) -> Sight | None:
        """None where everybody may see all of the view."""
        ...

    def leave(self) -> None:
        """Look no more. Called twice, it does nothing the second time."""
        ...


class KnownViews(Protocol):
    """Stored views, close at hand where they can be: ``bff.live.hub.Hub``."""

    def known(self, view: type[ViewModel], key: str, /) -> StoredView | None:
        """The newest state, if it is kept coherent at this moment."""
        ...

    def known_all(self, view: type[ViewModel], keys: Sequence[str], /) -> Sequence[StoredView] | None:
        """The newest states in the order of the keys; None where one of them is not kept coherent at this moment."""
        ...

    async def read(self, view: type[ViewModel], keys: Sequence[str], /) -> Sequence[StoredView | BFFError]:
        """The views of these keys, in their order; what is wrong with a key stands in its place."""
        ...

    def known_list(self, view: type[ViewModel], query: Query, first: int, /) -> ListedViews | None:
        """The first so many results of a query without cursors, if they are kept coherent at this moment."""
        ...

    async def read_list(self, view: type[ViewModel], query: Query, first: int, /) -> ListedViews:
        """The same, from what is kept or from the datastore at one timepoint."""
        ...

    async def watch(self, view: type[ViewModel], key: str, wake: Callable[[], None], /) -> Watch:
        """Look at a view from now on. Raises what its first read raises, and BroadcastError."""
        ...


class Visible(Protocol):
    """What whoever asks sees things through: ``bff.resolvers.visibility.Visible``."""

    @property
    def hub(self) -> KnownViews: ...

    @property
    def views(self) -> StoredQueries: ...


class Visibility(Protocol):
    """Tells what a principal sees things through: ``bff.resolvers.visibility.Visibility``."""

    def of(self, principal: Principal, /) -> Visible:
        """The same object for all, where no view has readers."""
        ...


class StoredQueries(Protocol):
    """Queries over stored views, from the datastore: ``bff.projection.reader.ViewReader``."""

    async def find_at(self, query: Query, view: type[ViewModel], /) -> Found: ...

    async def count(self, query: Query, view: type[ViewModel], /) -> int: ...
