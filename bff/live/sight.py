"""What somebody is shown of a view that not everybody may see, one state after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bff.errors import Forbidden
from bff.projection.audience import Audience
from bff.projection.stored_view import StoredView

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Sight"]


class Sight:
    """Of one subscription to a view, by one audience.

    Until the view may be seen, it is one that is not there: the same is shown once, whether there is one or not, comes or goes.
    Once it was seen and may be no longer, Forbidden is raised: who looked is to know that there is nothing more to come, and
    learns nothing else.
    """

    __slots__ = ("_absent", "_audience", "_seen", "_view")

    def __init__(self, view: type[ViewModel], audience: Audience) -> None:
        self._view = view
        self._audience = audience
        self._absent = False  # that there is none was the last that was shown
        self._seen = False

    def of(self, state: StoredView) -> StoredView | None:
        """What to show of the newest state; None where that is nothing new. Raises Forbidden."""
        shown = self._audience.shown(self._view, state)
        if shown.document is not None:
            self._seen, self._absent = True, False
            return shown
        if self._seen and state.document is not None:
            raise Forbidden(f"this {state.view} may no longer be read")
        seen, self._seen = self._seen, False
        absent, self._absent = self._absent, True
        if absent:
            return None
        # When it went is for those who have seen it; for others it has never been there, which has no time.
        return shown if seen else StoredView(state.view, state.key, 0, None)
