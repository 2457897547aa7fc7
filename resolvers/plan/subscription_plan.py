"""A subscription to one view by its key, compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bff.principal import ANONYMOUS, Principal
from bff.resolvers.plan.payload import ViewPayload
from bff.resolvers.plan.planning import Sight, Unanswerable, Visibility, Watch
from bff.resolvers.plan.query_plan import expected
from bff.resolvers.plan.root_field import ViewRoot
from bff.resolvers.plan.variable_values import VariableValues
from bff.resolvers.plan.variants import Variants
from bff.types import Timepoint

__all__ = ["RestrictedView", "SubscriptionPlan", "ViewSubscription", "WatchedView"]


class ViewSubscription:
    """What one variant of a subscription watches, and how it is written."""

    __slots__ = ("payload", "root")

    def __init__(self, response: str, root: ViewRoot) -> None:
        self.root = root
        self.payload = ViewPayload(response, root)


class SubscriptionPlan:
    """As ``bff.serving.planning.SubscriptionPlan``."""

    __slots__ = ("_values", "_variants", "_visibility")

    def __init__(self, values: VariableValues, visibility: Visibility, variants: Variants[ViewSubscription]) -> None:
        self._values = values
        self._visibility = visibility
        self._variants = variants

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The coerced variables; None where graphql-core has to say what is wrong with them."""
        return self._values.coerce(given)

    async def watch(
        self, variables: Mapping[str, Any], wake: Callable[[], None], principal: Principal = ANONYMOUS
    ) -> WatchedView | None:
        """Open it. None where graphql-core has to, because something is wrong."""
        one = self._variants.of(variables)
        if one is None:
            return None
        try:
            key = one.root.key_of(variables)
            one.root.view.split_key(key)
            watch = await self._visibility.of(principal).hub.watch(one.root.view, key, wake)
            return WatchedView(watch, one.payload) if watch.sight is None else RestrictedView(watch, one.payload, watch.sight)
        except Exception as error:
            expected(error)
            return None


class WatchedView:
    """One open subscription (``bff.serving.planning.Watching``). It remembers which version it gave, and nothing else."""

    __slots__ = ("_given", "_gone", "_payload", "_shown", "_watch")

    def __init__(self, watch: Watch, payload: ViewPayload) -> None:
        self._watch = watch
        self._shown = watch.entry
        self._payload = payload
        self._given: Timepoint = -1
        self._gone = False

    @property
    def ended(self) -> bool:
        """Whether live updates have ended, and nothing more will come."""
        return self._shown.closed

    def take(self) -> bytes | None:
        """The newest payload, if it was not taken before. Raises LookupError where graphql-core has to say what it is."""
        state = self._shown.state
        if state is None or state.version <= self._given:
            return None
        gone, self._gone = self._gone, state.document is None
        self._given = state.version
        # As ``bff.live.entry.Slot`` has it: that what was gone is gone at a later timepoint as well is nothing to tell.
        if gone and self._gone:
            return None
        try:
            return self._payload.text(state)
        except Unanswerable as error:
            raise LookupError(str(error)) from error

    def close(self) -> None:
        """Leave; awaits nothing. Called twice, it does nothing the second time."""
        self._watch.leave()


class RestrictedView(WatchedView):
    """As ``WatchedView``, of a view that not everybody may see.

    What is written is a text of the state, or of the state without some fields: all who are shown the same share it.
    """

    __slots__ = ("_sight",)

    def __init__(self, watch: Watch, payload: ViewPayload, sight: Sight) -> None:
        super().__init__(watch, payload)
        self._sight = sight

    def take(self) -> bytes | None:
        """As ``WatchedView.take``. Raises Forbidden where the view was shown, and may be no longer: that is the end."""
        state = self._shown.state
        if state is None or state.version <= self._given:
            return None
        self._given = state.version
        shown = self._sight.of(state)
        if shown is None:
            return None
        try:
            return self._payload.text(shown)
        except Unanswerable as error:
            raise LookupError(str(error)) from error
