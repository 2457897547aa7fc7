"""One page of a list of views: keyset pagination, stable whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from graphql import GraphQLResolveInfo

from bff.errors import BadUserInput
from bff.model.view_model import ViewModel
from bff.projection.reader import Found
from bff.projection.stored_view import StoredView
from bff.query import Direction, Order, Query
from bff.resolvers.context import Context
from bff.resolvers.cursor import decode_cursor, encode_cursor
from bff.resolvers.filter import filter_of
from bff.resolvers.found_page import FoundPage
from bff.resolvers.view_document import ViewDocument
from bff.types import Value

if TYPE_CHECKING:
    from bff.resolvers.plan.planning import StoredQueries

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
        query, found = await self._ask(context.views)
        context.reads.add_list(self.view.__view__.name, query, found.views)
        return self._connection(context, self._found(found))

    async def find(self, views: StoredQueries) -> FoundPage:
        """The page, as it is stored. Raises as ``read`` does, and DatastoreUnavailable."""
        _, found = await self._ask(views)
        return self._found(found)

    def window(self) -> tuple[Query, int]:
        """What a live list shows: the first so many results of a query, which has no limit. Raises as ``read`` does."""
        size, _ = self._size()
        return self._forwards(None), size

    def current(self, context: Context, views: Sequence[StoredView], *, more: bool) -> dict[str, Any]:
        """The connection that a live list begins with: as ``read`` gives it where these are the views that it finds."""
        return self._connection(context, self.first_page(views, more=more))

    def first_page(self, views: Sequence[StoredView], *, more: bool) -> FoundPage:
        """The page of the first views, which are known. Raises as ``read`` does."""
        shown = [view for view in views if view.document is not None]
        return self._page(shown, [view.document or {} for view in shown], has_next=more, has_previous=False)

    def counted(self) -> Query:
        """What ``totalCount`` counts."""
        return self._forwards(None)

    @property
    def known_first(self) -> bool:
        """Whether it is the first of a list, from no cursor: what ``window`` shows."""
        return self.after is None and self.before is None and self.last is None and self.first != 0

    def cursor(self, document: ViewDocument) -> str:
        """Where a view stands in this list."""
        return encode_cursor(self.view.__view__.collection, self._orders(), document)

    def _connection(self, context: Context, page: FoundPage) -> dict[str, Any]:
        edges = []
        for index, view in enumerate(page.views):
            if (document := ViewDocument.of(view)) is not None:
                edges.append({"node": document, "cursor": page.cursor(index)})
        return {
            "edges": edges,
            "totalCount": partial(self._count, context),  # called where it is selected
            "pageInfo": {
                "hasNextPage": page.has_next,
                "hasPreviousPage": page.has_previous,
                "startCursor": page.start,
                "endCursor": page.end,
            },
        }

    async def _count(self, context: Context, info: GraphQLResolveInfo) -> int:
        """How many views there are on all pages."""
        query = self.counted()
        count = await context.views.count(query, self.view)
        context.reads.add_count(self.view.__view__.name, query, count)
        return count

    async def _ask(self, views: StoredQueries) -> tuple[Query, Found]:
        """One more than there is room for on the page: whether there is one tells whether there is another page."""
        size, backwards = self._size()
        query = self._query(size + 1, backwards=backwards)
        return query, await views.find_at(query, self.view)

    def _found(self, found: Found) -> FoundPage:
        size, backwards = self._size()
        more = len(found.documents) > size
        places: list[Mapping[str, Value]] = []
        for document in found.documents[:size]:
            assert document.data is not None
            # Its place is where it was found. What is shown for an outdated one may belong elsewhere, or be nothing at all:
            # a page that went on from there would leave out what lies in between.
            places.append(document.data)
        shown = list(found.views[:size])
        if backwards:
            places.reverse()
            shown.reverse()
        # Beyond the cursor there was something when it was given out: what it points at.
        has_next = self.before is not None if backwards else more
        has_previous = more if backwards else self.after is not None
        return self._page(shown, places, has_next=has_next, has_previous=has_previous)

    def _page(
        self, views: Sequence[StoredView], places: Sequence[Mapping[str, Value]], *, has_next: bool, has_previous: bool
    ) -> FoundPage:
        return FoundPage(self.view.__view__.collection, self._orders, views, places, has_next, has_previous)

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
