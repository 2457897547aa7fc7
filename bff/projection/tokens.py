"""Query tokens: how a changed document finds the queries that it may have become a result of, without trying each.

The token of a query is its collection and what its results must be equal in: ``tickets?meeting=meetings/m1``. A changed document
has one token for every *shape* that queries of its collection have (``tickets?meeting=``): it looks up what is registered under
them, and only those queries are evaluated. A token may say "perhaps" where the query says no, never the reverse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from bff.document import Document
from bff.order_key import order_key
from bff.query import PATH, Compare, Filter, Op, Or, Query, conjuncts
from bff.types import Value
from bff.values import Missing, field_value

__all__ = ["CERTAINLY_SHORT", "Shape", "document_tokens", "indexable", "query_tokens"]

LONGEST_TEXT = 200
LONGEST_NAME = 1000
CERTAINLY_SHORT = LONGEST_NAME // 4
"""So many characters are no more bytes than that."""

ELEMENT = "[]"


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """Which fields the tokens of a kind of query are made of; a field that ends in ``[]`` stands for each element of an array.

    ``collection`` is the last part of the collection's path, so that ``users/u1/forms`` and ``users/u2/forms`` share shapes.
    """

    collection: str
    group: bool
    fields: tuple[str, ...]

    @property
    def id(self) -> str:
        text = f"{self.collection}\x00{self.group}\x00" + "\x00".join(self.fields)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def tokens(self, document: Document) -> Iterator[str]:
        """The tokens under which queries of this shape that the document may be a result of are registered."""
        if document.data is None:
            return
        base = f"*/{self.collection}" if self.group else document.collection
        if len(self.fields) == 1 and self.fields[0].endswith(ELEMENT):
            elements = field_value(document.data, self.fields[0].removesuffix(ELEMENT))
            if isinstance(elements, list | tuple):
                yield from {_token(base, [(self.fields[0], element)]) for element in elements}
            return
        pairs: list[tuple[str, Value]] = []
        for field in self.fields:
            value = document.path if field == PATH else field_value(document.data, field)
            if isinstance(value, Missing):
                return
            pairs.append((field, value))
        yield _token(base, pairs)


def query_tokens(query: Query) -> dict[str, Shape]:
    """The tokens that a query is registered under, with their shapes."""
    base = f"*/{query.collection}" if query.group else query.collection
    collection = query.collection.rpartition("/")[2]
    return {
        _token(base, pairs): Shape(collection, query.group, tuple([field for field, _ in pairs]))
        for pairs in _alternatives(query.where)
    }


def indexable(name: str) -> str:
    """A path or a token as it can be looked up: Firestore takes no longer values in a query than 1,500 bytes."""
    if len(name) <= CERTAINLY_SHORT or len(name.encode()) <= LONGEST_NAME:
        return name
    return "#" + hashlib.sha256(name.encode()).hexdigest()


def document_tokens(document: Document, shapes: Iterable[Shape]) -> set[str]:
    """The tokens of a document for these shapes of its collection."""
    return {token for shape in shapes for token in shape.tokens(document)}


def _alternatives(where: Filter | None) -> list[list[tuple[str, Value]]]:
    """Equalities, as lists of which one holds entirely for every result. ``[[]]``: nothing is known of the results."""
    if isinstance(where, Compare) and where.op is Op.EQ:
        return [[(where.field, where.operand)]]  # as of most
    parts = conjuncts(where)
    compares = [part for part in parts if isinstance(part, Compare)]
    equal = {part.field: part.operand for part in compares if part.op is Op.EQ}
    if equal:
        return [sorted(equal.items(), key=lambda pair: pair[0])]
    for part in compares:
        if part.op is Op.IN:
            return [[(part.field, value)] for value in cast("list[Value]", part.operand)]
    for part in compares:
        if part.op is Op.ARRAY_CONTAINS:
            return [[(part.field + ELEMENT, part.operand)]]
        if part.op is Op.ARRAY_CONTAINS_ANY:
            return [[(part.field + ELEMENT, value)] for value in cast("list[Value]", part.operand)]
    for either in parts:
        if isinstance(either, Or):
            alternatives = [pairs for branch in either.parts for pairs in _alternatives(branch)]
            if all(alternatives):
                return alternatives
    return [[]]


def _token(base: str, pairs: Iterable[tuple[str, Value]]) -> str:
    return indexable(f"{base}?" + "&".join([f"{field}={_text(value)}" for field, value in pairs]))


def _text(value: Value) -> str:
    """Equal for equal values; two different values may share one, at the cost of an evaluation."""
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return value
    return "#" + hashlib.sha256(order_key(value)).hexdigest()[:32]
