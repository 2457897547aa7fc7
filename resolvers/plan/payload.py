"""A whole response that shows one view."""

from __future__ import annotations

from bff.projection.stored_view import StoredView
from bff.resolvers.plan.planning import Unanswerable
from bff.resolvers.plan.root_field import ViewRoot
from bff.resolvers.plan.selection import digest
from bff.resolvers.plan.texts import keep

__all__ = ["ViewPayload"]


class ViewPayload:
    """``{"data":{"meetingSession":…}}``, written once for each state and selection, and shared by all who are sent it."""

    __slots__ = ("_lead", "_root", "key")

    def __init__(self, response: str, root: ViewRoot) -> None:
        assert root.selection.plain, "what a link leads to is no part of a state"
        self._root = root
        self._lead = b'{"data":{"%s":' % response.encode()
        self.key = digest(f"{response}={root.selection.shape}")
        """Under which a state has its text."""

    def text(self, stored: StoredView) -> bytes:
        """The response that shows this state. Raises Unanswerable."""
        text = stored.texts.get(self.key)
        if text is None:
            text = self._write(stored)
            keep(stored.texts, self.key, text, repeats=self._root.selection.repeats)
        return text

    def _write(self, stored: StoredView) -> bytes:
        if stored.document is not None:
            return self._lead + self._root.selection.once(stored) + b"}}"
        if self._root.required:
            raise Unanswerable("null where there must be a view")
        return self._lead + b"null}}"
