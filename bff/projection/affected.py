"""Which views a change concerns: those whose stored dependencies it touches, and those that it is the root of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
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
from bff.together import together
from bff.types import Value

__all__ = ["Affected"]

MAX_ANY = 30
"""How many values `array-contains-any` takes."""

AT_ONCE = 8

IsNews: TypeAlias = Callable[[Document, Metadata], bool]
"""Whether what is stored of the view may lack the document's change."""


class Affected:
    """Finds the views that changed documents concern, at the cost of those views."""

    def __init__(self, datastore: Datastore, catalog: Catalog, shapes: Shapes) -> None:
        self._datastore = datastore
        self._names = {view.__view__.storage: name for name, view in catalog.views.items()}
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
        lookups = [
            metadata_pages(snapshots, Compare("deps", Op.ARRAY_CONTAINS_ANY, names[start : start + MAX_ANY]), size)
            for start in range(0, len(names), MAX_ANY)
        ]
        async with AsyncExitStack() as stack:
            for lookup in lookups:
                await stack.enter_async_context(aclosing(lookup))
            # Most have one page: those are asked for at once. What is more comes when it is asked for.
            for pages in [lookups[start : start + AT_ONCE] for start in range(0, len(lookups), AT_ONCE)]:
                for lookup, first in zip(pages, await together(*map(_first, pages)), strict=True):
                    for item in self._found(first, by_dependency, is_news, new):
                        yield item
                    async for page in lookup:
                        for item in self._found(page, by_dependency, is_news, new):
                            yield item
        for item in new:
            yield item

    def _found(
        self,
        page: Sequence[Metadata],
        by_dependency: Mapping[str, Sequence[Document]],
        is_news: IsNews,
        new: dict[tuple[str, str], None],
    ) -> Iterator[tuple[str, str]]:
        for metadata in page:
            name = self._names.get(metadata.view)
            if name is None:
                continue  # of a definition that this code does not know
            item = (name, metadata.key)
            new.pop(item, None)
            if _concerns(metadata, by_dependency, is_news):
                yield item

    def _roots_at(self, document: Document) -> Iterable[tuple[str, str]]:
        for view, model in self._roots.get(document.collection, ()):
            if model.holds(document):
                yield view, document.id


async def _first(pages: AsyncGenerator[list[Metadata], None]) -> Sequence[Metadata]:
    try:
        return await anext(pages)
    except StopAsyncIteration:
        return []


def _is_newer(document: Document, metadata: Metadata) -> bool:
    return document.update_time > metadata.built_at


def _concerns(metadata: Metadata, by_dependency: Mapping[str, Sequence[Document]], is_news: IsNews) -> bool:
    for name in metadata.dependencies:
        for document in by_dependency.get(name, ()):
            # One that was read concerns it whatever it is now; by a token it is found perhaps for nothing.
            if is_news(document, metadata) and (name == indexable(document.path) or metadata.touched_by(document)):
                return True
    return False
