"""One page of a list of views: keyset pagination, stable whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bff.errors import BadUserInput
from bff.model.view_model import ViewModel
from bff.query import Direction, Order, Query
from bff.resolvers.context import Context
from bff.resolvers.cursor import decode_cursor, encode_cursor
from bff.resolvers.filter import filter_of
from bff.resolvers.view_document import ViewDocument

__all__ = ["DEFAULT_PAGE", "MAX_PAGE", "PageRequest"]

DEFAULT_PAGE = 50
MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The arguments of a list field, as Relay defines them (https://relay.dev/graphql/connections.htm#sec-Pagination-algorithm)."""

    view: type[ViewModel]
    filter: Mapping[str, Any] | None = None
    order_by: Sequence[Mapping[str, Any]] | None = None
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    async def read(self, context: Context) -> dict[str, Any]:
        """The connection. Raises BadUserInput where the arguments do not go together, InvalidQuery."""
        size, backwards = self._size()
        query = self._query(size + 1, backwards=backwards)
        found = await context.views.find(query, self.view)
        more = len(found) > size
        documents = [document for stored in found[:size] if (document := ViewDocument.of(stored)) is not None]
        if backwards:
            documents.reverse()
        orders = self._orders()
        collection = self.view.__view__.collection
        edges = [{"node": document, "cursor": encode_cursor(collection, orders, document)} for document in documents]
        return {
            "edges": edges,
            "pageInfo": {
                # Beyond the cursor there was something when it was given out: what it points at.
                "hasNextPage": self.before is not None if backwards else more,
                "hasPreviousPage": more if backwards else self.after is not None,
                "startCursor": edges[0]["cursor"] if edges else None,
                "endCursor": edges[-1]["cursor"] if edges else None,
            },
        }

    def _size(self) -> tuple[int, bool]:
        """How many, and whether from the end."""
        if self.first is not None and self.last is not None:
            raise BadUserInput("first and last: ask for one of them", ["last"])
        name, size = ("last", self.last) if self.last is not None else ("first", self.first)
        if size is None:
            # `before` alone means the page before it, as it does to everyone who pages back.
            return DEFAULT_PAGE, self.before is not None and self.after is None
        if not 0 <= size <= MAX_PAGE:
            raise BadUserInput(f"{name}: {size} is not between 0 and {MAX_PAGE}", [name])
        return size, name == "last"

    def _orders(self) -> tuple[Order, ...]:
        """The whole order, ties included, from the first to the last."""
        return self._forwards(None).full_order()

    def _forwards(self, limit: int | None) -> Query:
        orders: list[Order] = []
        for index, given in enumerate(self.order_by or ()):
            name = _plain(given["field"])
            if any(order.field == name for order in orders):
                raise BadUserInput(f"orderBy: {name} is named twice", ["orderBy", index])
            descending = _plain(given["direction"]) == "DESC"
            orders.append(Order(name, Direction.DESCENDING if descending else Direction.ASCENDING))
        where = filter_of(self.view, self.filter, ["filter"])
        return Query(self.view.__view__.collection, where, tuple(orders), limit)

    def _query(self, limit: int, *, backwards: bool) -> Query:
        query = self._forwards(limit)
        orders = query.full_order()
        after = None if self.after is None else decode_cursor(query.collection, orders, self.after, "after")
        before = None if self.before is None else decode_cursor(query.collection, orders, self.before, "before")
        if backwards:
            flipped = tuple(Order(order.field, _opposite(order.direction)) for order in orders)
            return Query(query.collection, query.where, flipped, limit, start=before, end=after)
        return Query(query.collection, query.where, query.order_by, limit, start=after, end=before)


def _opposite(direction: Direction) -> Direction:
    return Direction.ASCENDING if direction is Direction.DESCENDING else Direction.DESCENDING


def _plain(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)
