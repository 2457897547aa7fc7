"""What a build has read: documents, present or absent, and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

from bff.document import Document
from bff.matching import condition, in_cursors, order_position, sort_key
from bff.projection.tokens import CERTAINLY_SHORT, Shape, indexable, query_tokens
from bff.query import PATH, Cursor, Query
from bff.types import Timepoint, Value
from bff.values import field_value

__all__ = ["Dependencies", "QueryRead", "results_of"]


@dataclass(frozen=True, slots=True)
class QueryRead:
    """A query that was read. ``boundary`` is the position of its last result where its limit was reached: what comes after that
    is not read. ``results`` are the paths found and their update times, known only to the build that read them.
    """

    query: Query
    boundary: tuple[Value, ...] | None = None
    results: tuple[tuple[str, Timepoint], ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, query: Query, found: Sequence[Document]) -> QueryRead:
        boundary = None
        if query.limit is not None and len(found) >= query.limit:
            boundary = tuple(_order_value(found[-1], order.field) for order in query.full_order())
        return cls(query, boundary, results_of(found))

    def reads(self, document: Document) -> bool:
        """Whether the document, as it is now, is among what the query asks for."""
        return self.reader()(document)

    def reader(self) -> Callable[[Document], bool]:
        """``reads``, made ready to be asked of many documents."""
        query, holds, orders = self.query, condition(self.query.where), self.query.full_order()
        end = query.end if query.limit is None or self.boundary is None else Cursor(self.boundary, inclusive=True)
        if len(orders) == 1 and orders[0].field == PATH and query.start is None and end is None:
            return lambda document: document.data is not None and query.selects(document) and holds(document.path, document.data)
        within = in_cursors(query if end is query.end else replace(query, end=end), orders)

        def reads(document: Document) -> bool:
            if document.data is None or not query.selects(document) or not holds(document.path, document.data):
                return False
            position = order_position(orders, document.path, document.data)
            return position is not None and within(sort_key(orders, position))

        return reads


@dataclass(frozen=True)
class Dependencies:
    """``documents`` maps the path of each document read to its update time, 0 where it is absent.

    A document that was found by a query is one of them, so that its old state needs no token.
    """

    documents: Mapping[str, Timepoint]
    queries: tuple[QueryRead, ...] = ()

    @cached_property
    def _tokens(self) -> Mapping[str, Shape]:
        return {token: shape for read in self.queries for token, shape in query_tokens(read.query).items()}

    @cached_property
    def _are_short(self) -> bool:
        return max(map(len, self.documents), default=0) <= CERTAINLY_SHORT

    def keys(self) -> list[str]:
        """What it is found by: the paths and the query tokens, sorted."""
        paths = self.documents if self._are_short else map(indexable, self.documents)
        return sorted({*paths, *self._tokens})

    def shapes(self) -> set[Shape]:
        return set(self._tokens.values())

    def absent(self) -> tuple[str, ...]:
        if 0 not in self.documents.values():
            return ()
        return tuple(sorted(path for path, update_time in self.documents.items() if not update_time))

    def long_paths(self) -> tuple[str, ...]:
        """The paths that ``keys`` cannot hold as they are."""
        return () if self._are_short else tuple(sorted(path for path in self.documents if indexable(path) != path))

    def touched_by(self, document: Document) -> bool:
        """Whether a change that left the document in this state changes anything that was read."""
        return document.path in self.documents or any(read.reads(document) for read in self.queries)


def results_of(found: Sequence[Document]) -> tuple[tuple[str, Timepoint], ...]:
    return tuple([(document.path, document.update_time) for document in found])


def _order_value(document: Document, field: str) -> Value:
    if field == PATH:
        return document.path
    assert document.data is not None
    return cast(Value, field_value(document.data, field))
