"""``subscription { meetingSessions(filter: …, orderBy: …, first: …) }``: a list as it is now, then what changes in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from contextlib import AsyncExitStack
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLResolveInfo

from bff.live.changes import Change, ChangeKind
from bff.model.view_model import ViewModel
from bff.projection.fresh_reader import FreshReader, list_unknown
from bff.projection.stored_view import StoredView
from bff.resolvers.context import Context
from bff.resolvers.followed import Followed
from bff.resolvers.page import PageRequest
from bff.resolvers.reads import ViewId
from bff.resolvers.view_document import ViewDocument
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.live.restricted_hub import RestrictedList
    from bff.live.windows import LiveList

__all__ = ["ListChanges", "list_source"]


class ListChanges:
    """The events of a live list. ``aclose`` ends the subscription. Not a generator, for the reason that ViewStates gives.

    Each node is a group of its own to Followed: where a view changes that its last event showed through a link, the node is given
    once more. What each node has shown through links is in the version as a mark of the node. Who comes back with marks may have
    missed a change of a link, and has links to be followed: a first event shows what he holds, to be compared, not to be sent.
    """

    def __init__(self, context: Context, request: PageRequest) -> None:
        self._context = context
        self._request = request
        self._stack = AsyncExitStack()
        self._list: LiveList | RestrictedList | None = None
        self.followed = Followed(context.hub, self._on_news, context.max_links)
        self._waiting = False
        self._nodes: Sequence[str] = ()
        self._settled = True
        self._silent = False
        self._marks: dict[str, str] = {}
        self._unchecked: Mapping[str, str] = {}

    @classmethod
    async def open(cls, context: Context, request: PageRequest) -> ListChanges:
        """Subscribe. Raises BadUserInput, InvalidQuery and Stale as the list query does, DatastoreUnavailable, BroadcastError."""
        self = cls(context, request)
        query, first = request.window()
        if isinstance(context.views, FreshReader):
            raise list_unknown(request.view)
        window = context.hub.window(request.view, query, first, context.asked.since)
        self._list = await self._stack.enter_async_context(window)
        self._stack.callback(self.followed.close)
        self._marks.update(self._list.marks)
        self._unchecked = self._list.marks
        context.source = self
        return self

    def __aiter__(self) -> ListChanges:
        return self

    async def __anext__(self) -> dict[str, Any]:
        self._settle()
        if self._list is None:
            raise StopAsyncIteration
        if self._unchecked:
            event = await self._held(self._list)
        else:
            self._silent = False
            self._give_again()
            self._waiting = True
            try:
                change = await anext(self._list)
            finally:
                # What changes while the event is executed is compared with what it has shown, afterwards.
                self._waiting = False
            event = self._event(change)
        # What a loader remembers is of the event before.
        self._context.renew()
        self._settled = False
        return event

    async def aclose(self) -> None:
        """Leave the hub. Called twice, it does nothing the second time."""
        self._list = None
        await self._stack.aclose()

    # --- Events

    def _event(self, change: Change) -> dict[str, Any]:
        if change.page is not None:
            return self._current(change.page, more=change.more)
        assert change.key is not None, "every change but CURRENT is of a view"
        self._nodes = (change.key,)
        document = None if change.view is None else ViewDocument.of(change.view)
        return {
            "kind": change.kind,
            "id": change.key,
            "node": document,
            "cursor": None if document is None else self._request.cursor(document),
            "previous": change.previous,
            "next": change.next,
        }

    def _current(self, views: Sequence[StoredView], *, more: bool) -> dict[str, Any]:
        self._nodes = [view.key for view in views]
        return {"kind": ChangeKind.CURRENT, "page": self._request.current(self._context, views, more=more)}

    async def _held(self, live: LiveList | RestrictedList) -> dict[str, Any]:
        """What the subscriber holds and is shown by links: followed from now on."""
        views = await live.unchanged()
        self._silent = True
        return self._current(views, more=False)

    # --- Links

    def _settle(self) -> None:
        """The event before was executed: what it has shown through links is followed now, by the node that showed it."""
        if self._settled:
            return
        self._settled = True
        shown = self._shown()
        if self._unchecked:
            # The marks stay as he brought them until he is given what is new.
            unchecked, self._unchecked = self._unchecked, {}
            for key, views in shown.items():
                if _mark(views) != unchecked.get(key, "") and self._list is not None:
                    self._list.again(key)
        else:
            self._mark(shown)
        self.followed.settle(cast("Mapping[Hashable, Mapping[ViewId, StoredView | None]]", shown))

    def _shown(self) -> dict[str, Mapping[ViewId, StoredView | None]]:
        reads = self._context.reads
        if len(self._nodes) == 1:
            return {self._nodes[0]: reads.shown()}
        # What was read by code that does not say for which node may be any node's.
        everywhere = reads.shown_by(None)
        return {key: {**everywhere, **reads.shown_by(place)} for place, key in enumerate(self._nodes)}

    def _mark(self, shown: Mapping[str, Mapping[ViewId, StoredView | None]]) -> None:
        for key, views in shown.items():
            mark = _mark(views)
            if mark:
                self._marks[key] = mark
            else:
                self._marks.pop(key, None)

    def version(self) -> str | None:
        """Of the list, with what the event has shown. An event that was not sent has none: nothing is to be made against it."""
        if self._list is None or self._silent:
            return None
        self._mark(self._shown())
        return self._list.version(self._marks)

    def seen(self) -> bool:
        """An event of what the subscriber holds is executed for its links alone."""
        return self._silent

    def as_of(self) -> Timepoint:
        return 0

    def _on_news(self) -> None:
        if self._waiting:
            self._give_again()

    def _give_again(self) -> None:
        if self._list is not None:
            for key in self.followed.stale:
                self._list.again(str(key))


def _mark(shown: Mapping[ViewId, StoredView | None]) -> str:
    """The same for the same versions of the same views; empty for none."""
    if not shown:
        return ""
    digest = hashlib.blake2s(digest_size=6)
    for (view, key), stored in sorted(shown.items(), key=itemgetter(0)):
        # What is absent is that however often it is read, though it has a newer version each time where it never was.
        version = None if stored is None else stored.version if stored.document is not None else 0
        digest.update(f"{len(view)}:{view}{len(key)}:{key}{version};".encode())
    return digest.hexdigest()


def list_source(view: type[ViewModel]) -> Callable[..., Coroutine[Any, Any, ListChanges]]:
    """Subscribes to a list. What goes wrong on the way is the answer to the subscription, as it is to the list query."""

    async def subscribe(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> ListChanges:
        request = PageRequest(view, order_by=arguments.pop("orderBy", None), **arguments)
        return await ListChanges.open(cast(Context, info.context), request)

    return subscribe
