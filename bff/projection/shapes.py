"""Which query shapes there are, so that every projector looks a change up under all of them.

A shape is stored in the commit that registers the first query of it: whoever was told of everything up to that commit knows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import cast

from bff.datastore.port import Set, Snapshots
from bff.document import Document
from bff.projection.tokens import Shape
from bff.query import Query
from bff.types import Value

__all__ = ["SHAPES", "Shapes", "shape_write"]

SHAPES = "_bff_shapes"


class Shapes:
    """The shapes known here, by the last part of a collection's path."""

    def __init__(self) -> None:
        self.known: set[Shape] = set()
        self._by_collection: defaultdict[str, set[Shape]] = defaultdict(set)

    async def load(self, snapshots: Snapshots) -> None:
        async with snapshots.snapshot() as snapshot:
            self.learn(await snapshot.query(Query(SHAPES)))

    def learn(self, documents: Iterable[Document]) -> None:
        """Take in what stands in documents of ``_bff_shapes``."""
        for document in documents:
            if document.data is not None:
                fields = cast("Sequence[str]", document.data["fields"])
                self.add(Shape(str(document.data["collection"]), bool(document.data["group"]), tuple(fields)))

    def add(self, shape: Shape) -> None:
        self.known.add(shape)
        self._by_collection[shape.collection].add(shape)

    def of(self, collection: str) -> set[Shape]:
        """Those that queries over a collection of this path have."""
        return self._by_collection.get(collection.rpartition("/")[2], set())


def shape_write(shape: Shape) -> Set:
    fields: list[Value] = list(shape.fields)
    data: dict[str, Value] = {"collection": shape.collection, "group": shape.group, "fields": fields}
    return Set(f"{SHAPES}/{shape.id}", data, derived=True)
