"""Which views a change concerns: those whose stored dependencies it touches, and those that it is the root of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from bff.datastore.port import Datastore
from bff.document import Document
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.projection.metadata import Metadata
from bff.projection.paging import metadata_pages
from bff.projection.roots import single_root
from bff.projection.shapes import Shapes
from bff.projection.tokens import document_tokens, indexable
from bff.query import Compare, Op
from bff.types import Value

__all__ = ["Affected"]

MAX_ANY = 30
"""How many values `array-contains-any` takes."""


class Affected:
    """Finds the views that changed documents concern, at the cost of those views."""

    def __init__(self, datastore: Datastore, catalog: Catalog, shapes: Shapes) -> None:
        self._datastore = datastore
        self._views = catalog.views
        self._shapes = shapes
        self._roots: dict[str, list[tuple[str, type[DomainModel]]]] = {}
        for view in catalog.views.values():
            root = single_root(view)
            if root is not None:
                self._roots.setdefault(root.model.__document__.collection, []).append((view.__view__.name, root.model))

    async def by(self, documents: Sequence[Document]) -> AsyncIterator[tuple[str, str]]:
        """The name and the key of each view to be built again because these documents changed; some perhaps twice.

        A view that was built after a change has read it, and is left alone. A root that no view is stored of is a new view.
        """
        new = {root: None for document in documents if document.exists for root in self._roots_at(document)}
        by_dependency: dict[str, list[Document]] = {}
        for document in documents:
            for name in {indexable(document.path), *document_tokens(document, self._shapes.of(document.collection))}:
                by_dependency.setdefault(name, []).append(document)
        names: list[Value] = list(by_dependency)
        for start in range(0, len(names), MAX_ANY):
            some = names[start : start + MAX_ANY]
            async for page in metadata_pages(self._datastore, Compare("deps", Op.ARRAY_CONTAINS_ANY, some)):
                for metadata in page:
                    item = (metadata.view, metadata.key)
                    new.pop(item, None)
                    if metadata.view in self._views and _concerns(metadata, by_dependency):
                        yield item
        for item in new:
            yield item

    def _roots_at(self, document: Document) -> Iterable[tuple[str, str]]:
        for view, model in self._roots.get(document.collection, ()):
            if model.holds(document):
                yield view, document.id


def _concerns(metadata: Metadata, by_dependency: Mapping[str, Sequence[Document]]) -> bool:
    touched = {id(one): one for name in metadata.dependencies for one in by_dependency.get(name, ())}
    return any(one.update_time > metadata.built_at and metadata.touched_by(one) for one in touched.values())
