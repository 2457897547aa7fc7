"""Which views a change concerns: those whose stored dependencies it touches, and those that it is the root of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from bff.datastore.port import Datastore, Snapshots
from bff.datastore.unit_of_work import Change
from bff.document import Document
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.projection.metadata import Metadata
from bff.projection.paging import PAGE, metadata_pages
from bff.projection.roots import single_root
from bff.projection.shapes import Shapes
from bff.projection.tokens import document_tokens, indexable
from bff.query import Compare, Op
from bff.types import Value

__all__ = ["Affected"]

MAX_ANY = 30
"""How many values `array-contains-any` takes."""

IsNews: TypeAlias = Callable[[Document, Metadata], bool]
"""Whether what is stored of the view may lack the document's change."""


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
        async for item in self._concerned(documents, documents, _is_newer, self._datastore):
            yield item

    async def by_changes(
        self, changes: Sequence[Change], snapshots: Snapshots, page: int = PAGE
    ) -> AsyncGenerator[tuple[str, str], None]:
        """The views that a commit concerns, whatever has been built since; some perhaps twice.

        A view that was built anew is found by what it read before too: whatever made it read other documents is a change of one
        that it reads still, or of one that a query of its finds, or found.
        """
        states = [state for change in changes for state in (change.before, change.after) if state is not None]
        after = [change.after for change in changes]
        async for item in self._concerned(states, after, lambda one, metadata: True, snapshots, page):
            yield item

    async def _concerned(
        self,
        documents: Sequence[Document],
        roots: Sequence[Document],
        is_news: IsNews,
        snapshots: Snapshots,
        size: int = PAGE,
    ) -> AsyncIterator[tuple[str, str]]:
        new = {root: None for document in roots if document.exists for root in self._roots_at(document)}
        by_dependency: dict[str, list[Document]] = {}
        for document in documents:
            for name in {indexable(document.path), *document_tokens(document, self._shapes.of(document.collection))}:
                by_dependency.setdefault(name, []).append(document)
        names: list[Value] = list(by_dependency)
        for start in range(0, len(names), MAX_ANY):
            some = names[start : start + MAX_ANY]
            async for page in metadata_pages(snapshots, Compare("deps", Op.ARRAY_CONTAINS_ANY, some), size):
                for metadata in page:
                    item = (metadata.view, metadata.key)
                    new.pop(item, None)
                    if metadata.view in self._views and _concerns(metadata, by_dependency, is_news):
                        yield item
        for item in new:
            yield item

    def _roots_at(self, document: Document) -> Iterable[tuple[str, str]]:
        for view, model in self._roots.get(document.collection, ()):
            if model.holds(document):
                yield view, document.id


def _is_newer(document: Document, metadata: Metadata) -> bool:
    return document.update_time > metadata.built_at


def _concerns(metadata: Metadata, by_dependency: Mapping[str, Sequence[Document]], is_news: IsNews) -> bool:
    touched = {id(one): one for name in metadata.dependencies for one in by_dependency.get(name, ())}
    return any(is_news(one, metadata) and metadata.touched_by(one) for one in touched.values())
