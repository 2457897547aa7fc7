"""``subscription { meetingSession(id: …) }``: the view as it is now, and after every change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, cast

from graphql import GraphQLResolveInfo

from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.context import Context
from bff.resolvers.view_document import ViewDocument

__all__ = ["ViewStates", "deliver", "view_source"]


class ViewStates:
    """The states of a view, the present one first; None while there is no such view. ``aclose`` ends the subscription.

    Not a generator: one that is closed before it is first asked would not run its ``finally``.
    """

    def __init__(self, context: Context, states: AsyncIterator[StoredView], stack: AsyncExitStack) -> None:
        self._context = context
        self._states = states
        self._stack = stack

    def __aiter__(self) -> ViewStates:
        return self

    async def __anext__(self) -> ViewDocument | None:
        stored = await anext(self._states)
        # Links are followed anew for each event: what a loader remembers is of the event before.
        self._context.renew()
        return ViewDocument.of(stored)

    async def aclose(self) -> None:
        """Leave the hub. Called twice, it does nothing the second time."""
        await self._stack.aclose()


def view_source(view: type[ViewModel]) -> Callable[..., Coroutine[Any, Any, ViewStates]]:
    """Subscribes to a view by its id. What goes wrong on the way is the answer to the subscription, not an event of it."""

    async def subscribe(_: Any, info: GraphQLResolveInfo, *, id: str) -> ViewStates:
        context = cast(Context, info.context)
        view.split_key(id)
        stack = AsyncExitStack()
        states = await stack.enter_async_context(context.hub.subscribe(view, id))
        return ViewStates(context, states, stack)

    return subscribe


def deliver(event: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """An event is the value of its field."""
    return event
