"""A stored view on its way to a client."""

from __future__ import annotations

from bff.projection.stored_view import StoredView
from bff.types import Value

__all__ = ["ViewDocument"]


class ViewDocument(dict[str, Value]):
    """The fields of a stored view by GraphQL name, and which view it is: an interface's type is told by it. Read-only."""

    __slots__ = ("stored",)

    def __init__(self, stored: StoredView) -> None:
        super().__init__(stored.document or {})
        self.stored = stored

    @property
    def view(self) -> str:
        """The name of the view."""
        return self.stored.view

    @classmethod
    def of(cls, stored: StoredView) -> ViewDocument | None:
        """None where there is no such view."""
        return None if stored.document is None else cls(stored)
