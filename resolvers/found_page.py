"""One page of a list, as it was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bff.projection.stored_view import StoredView
from bff.query import Order
from bff.resolvers.cursor import encode_cursor
from bff.types import Value

__all__ = ["FoundPage"]


@dataclass(slots=True)
class FoundPage:
    """``views`` are what is shown, in the order of the list; ``places`` are the documents that the cursors are of.

    One that has no document any more has a place, and no edge. ``order`` tells the whole order, and is asked where cursors are.
    """

    collection: str
    order: Callable[[], tuple[Order, ...]]
    views: Sequence[StoredView]
    places: Sequence[Mapping[str, Value]]
    has_next: bool
    has_previous: bool
    _orders: tuple[Order, ...] | None = field(default=None, repr=False)

    @property
    def orders(self) -> tuple[Order, ...]:
        """The whole order, ties included."""
        if self._orders is None:
            self._orders = self.order()
        return self._orders

    def cursor(self, index: int) -> str:
        """Where a view stands in the list."""
        return encode_cursor(self.collection, self.orders, self.places[index])

    @property
    def start(self) -> str | None:
        """The cursor of the first, None where there is none."""
        return self.cursor(0) if self.places else None

    @property
    def end(self) -> str | None:
        """The cursor of the last, None where there is none."""
        return self.cursor(-1) if self.places else None
