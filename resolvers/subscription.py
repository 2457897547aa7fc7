"""``subscription { meetingSession(id: …) }``: the view as it is now, and after every change."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLResolveInfo

from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.arguments import argument_at
from bff.resolvers.context import Context
from bff.resolvers.followed import Followed
from bff.resolvers.shown_version import ShownVersion
from bff.resolvers.view_document import ViewDocument
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.live.entry import Slot
    from bff.live.restricted_hub import RestrictedSlot

__all__ = ["ViewStates", "deliver", "view_source"]


class ViewStates:
    """The states of a view, the present one first; None while there is no such view. ``aclose`` ends the subscription.

    A state is given once more when a view that its event showed beside it, through a link, has changed. Raises TooLarge where
    that are more than one subscription follows. Not a generator: one that is closed before it is first asked would not run its
    ``finally``.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stack = AsyncExitStack()
        self._states: Slot | RestrictedSlot | None = None
        self._waiting = False
        self._root: StoredView | None = None
        self.followed = Followed(context.hub, self._again, context.max_links)

    @classmethod
    async def open(cls, context: Context, view: type[ViewModel], key: str) -> ViewStates:
        """Subscribe to a view. Raises BroadcastError, and what its first read raises."""
        self = cls(context)
        self._states = await self._stack.enter_async_context(context.hub.subscribe(view, key))
        self._stack.callback(self.followed.close)
        context.source = self
        return self

    def __aiter__(self) -> ViewStates:
        return self

    async def __anext__(self) -> ViewDocument | None:
        if self._states is None:
            raise StopAsyncIteration
        context, followed = self._context, self.followed
        shown = context.reads.shown()
        if shown or followed:
            followed.settle({None: shown})
        self._waiting = True
        if followed.stale:
            self._again()
        try:
            stored = await anext(self._states)
        finally:
            # What changes while the event is executed is compared with what it has shown, afterwards.
            self._waiting = False
        self._root = stored
        # What a loader remembers is of the event before.
        context.renew()
        return ViewDocument.of(stored)

    async def aclose(self) -> None:
        """Leave the hub. Called twice, it does nothing the second time."""
        self._states = None
        await self._stack.aclose()

    def version(self) -> str | None:
        """Of the view and of what its links led to; what could not be read has no version, nor has an answer without it."""
        reads, root = self._context.reads, self._root
        if root is None or reads.failed:
            return None
        return str(ShownVersion.gone(root.version) if root.document is None else ShownVersion.of(root.version, reads.views))

    def seen(self) -> bool:
        since, version = self._context.asked.since, self._context.version
        if since is None or version is None:
            return False
        return not ShownVersion.parse(version).is_news_to(ShownVersion.parse(since))

    def as_of(self) -> Timepoint:
        """A view without links is true as of its version; links may be older than it."""
        return 0 if self._context.reads.views or self._root is None else self._root.version

    def _again(self) -> None:
        if self._waiting and self._states is not None:
            self._states.again()


def view_source(view: type[ViewModel]) -> Callable[..., Coroutine[Any, Any, ViewStates]]:
    """Subscribes to a view by its id. What goes wrong on the way is the answer to the subscription, not an event of it."""

    async def subscribe(_: Any, info: GraphQLResolveInfo, *, id: str) -> ViewStates:
        context = cast(Context, info.context)
        with argument_at(["id"]):
            view.split_key(id)
        if context.asked.since is not None:
            ShownVersion.parse(context.asked.since)
        await context.freshen(view, id)
        return await ViewStates.open(context, view, id)

    return subscribe


def deliver(event: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """An event is the value of its field."""
    return event
