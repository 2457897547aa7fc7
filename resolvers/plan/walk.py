"""One answer on its way: the states that it shows, and what is still to be read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

from bff.errors import BFFError
from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.resolvers.plan.planning import ListedViews, Unanswerable, Visible
from bff.together import together

__all__ = ["Walk"]


class Walk:
    """Writing goes over the whole answer and awaits nothing; what it needs and does not find it leaves out, and notes here.

    Where something was noted, ``read`` reads it, in one batch for each view type, and the answer is written again from its
    beginning. So everything that is known is of one moment, and what was read stays as it was read.

    ``queries`` find what no window shows.
    """

    __slots__ = ("_found", "_states", "_views", "_waiting", "_wanted", "queries")

    def __init__(self, visible: Visible) -> None:
        self._views = visible.hub
        self.queries = visible.views
        self._states: dict[type[ViewModel], dict[str, StoredView]] = {}
        self._found: dict[Hashable, Any] = {}
        self._wanted: dict[type[ViewModel], dict[str, None]] = {}
        self._waiting: dict[Hashable, Callable[[], Coroutine[Any, Any, Any]]] = {}

    @property
    def complete(self) -> bool:
        """Whether nothing was left out since ``read``."""
        return not self._wanted and not self._waiting

    def view(self, view: type[ViewModel], key: str) -> StoredView | None:
        """The state of a view; None where it has to be read."""
        read = self._states.get(view) if self._states else None
        state = None if read is None else read.get(key)
        if state is None:
            state = self._views.known(view, key)
            if state is None:
                self._wanted.setdefault(view, {})[key] = None
        return state

    def asked(self, view: type[ViewModel], key: str) -> StoredView | None:
        """As ``view``, of a key that the client has named: what may not be seen is read, as what is not there is."""
        state = self.view(view, key)
        if state is None or state.document is not None or key in self._states.get(view, ()):
            return state
        self._wanted.setdefault(view, {})[key] = None
        return None

    def known(self, view: type[ViewModel], keys: Sequence[str]) -> Sequence[StoredView] | None:
        """The states of views, all of which there are; None where that is not known of each: ask for each, then."""
        # What was read stays as it was read.
        return None if view in self._states else self._views.known_all(view, keys)

    def found(self, what: Hashable, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What ``read`` returned; None where it has to be called."""
        found = self._found.get(what)
        if found is None:
            self._waiting[what] = read
        return found

    def listed(self, what: Hashable, view: type[ViewModel], query: Query, first: int) -> ListedViews | None:
        """The first results of a query; None where they have to be read."""
        listed: ListedViews | None = self._found.get(what)
        if listed is None:
            listed = self._views.known_list(view, query, first)
            if listed is None:
                self._waiting[what] = lambda: self._views.read_list(view, query, first)
        return listed

    async def read(self) -> None:
        """Read what was left out. Raises Unanswerable where a view cannot be read, and what reading raises."""
        wanted, self._wanted = self._wanted, {}
        waiting, self._waiting = self._waiting, {}
        views = [self._read(view, list(keys)) for view, keys in wanted.items()]
        others = [self._call(what, read) for what, read in waiting.items()]
        await together(*views, *others)

    async def _read(self, view: type[ViewModel], keys: Sequence[str]) -> None:
        for key, state in zip(keys, await self._views.read(view, keys), strict=True):
            if isinstance(state, BFFError):
                raise Unanswerable(str(state)) from state
            self._states.setdefault(view, {})[key] = state

    async def _call(self, what: Hashable, read: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._found[what] = await read()
