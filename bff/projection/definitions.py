"""Which definition of each view its stored documents are complete in."""

from __future__ import annotations

from collections.abc import Iterable

from bff.datastore.port import Datastore, Set
from bff.document import join_path
from bff.model.view_model import ViewModel

__all__ = ["DEFINITIONS", "Definitions"]

DEFINITIONS = "_bff_definitions"


class Definitions:
    """The definition hash of each view that was last built throughout: another one in the code means that it is to be rebuilt."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    async def outdated(self, views: Iterable[type[ViewModel]]) -> list[type[ViewModel]]:
        """Those whose code is not what their stored documents were built by."""
        views = list(views)
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.get([_path(view) for view in views])
        return [
            view
            for view, document in zip(views, documents, strict=True)
            if document.data is None or document.data["definition"] != view.__view__.definition_hash
        ]

    async def complete(self, view: type[ViewModel]) -> None:
        """Every stored document of the view is of its present definition."""
        definition = view.__view__
        data = {"definition": definition.definition_hash, "collection": definition.collection}
        await self._datastore.commit([Set(_path(view), data)])


def _path(view: type[ViewModel]) -> str:
    return join_path(DEFINITIONS, view.__view__.name)
