"""Which definition of each view its stored documents are complete in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from bff.datastore.port import Datastore, Merge
from bff.document import Document, join_path
from bff.model.view_model import ViewModel
from bff.types import Timepoint, Value

__all__ = ["DEFINITIONS", "Definitions", "definition_path"]

DEFINITIONS = "_bff_definitions"


class Definitions:
    """The definition hash of each view that was last built throughout: another one in the code means that it is to be rebuilt.

    ``wanted`` is the one that a rebuild was last begun for, and ``mixed`` says that other code has built views since. What was
    built before ``since``, by whatever code, is not believed: nobody was told then of what it reads.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    async def outdated(self, views: Iterable[type[ViewModel]]) -> dict[type[ViewModel], Timepoint]:
        """Those of which not everything that is stored is by their code, and built since the timepoint that is given here."""
        views = list(views)
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.get([_path(view) for view in views])
        found = {view: cast("Mapping[str, Any]", one.data or {}) for view, one in zip(views, documents, strict=True)}
        return {
            view: data.get("since", 0)
            for view, data in found.items()
            if "since" in data or data.get("definition") != view.__view__.definition_hash
        }

    async def distrust(self, views: Iterable[type[ViewModel]], since: Timepoint) -> None:
        """What was built of these before ``since`` is to be built again, and is not ``complete`` before."""
        await self._datastore.commit([Merge(_path(view), {"since": since}) for view in views])

    async def want(self, view: type[ViewModel], *, throughout: bool) -> None:
        """Every stored document is about to be built by the present definition; ``throughout``: also what was built already."""
        data: dict[str, Value] = {"wanted": view.__view__.definition_hash}
        await self._datastore.commit([Merge(_path(view), data | {"mixed": False} if throughout else data)])

    async def complete(self, view: type[ViewModel], since: Timepoint = 0) -> None:
        """Every stored document of the view is of its present definition, but for what is ``mixed``.

        With ``since``, it is also built since then, and followed by whoever says so here.
        """
        definition = view.__view__
        data: dict[str, Value] = {
            "definition": definition.definition_hash,
            "collection": definition.collection,
            "fields": [*sorted(field.document_name for field in definition.stored.values())],
        }
        # Where definitions of it stood beside each other before, none of those is current any more.
        await self._datastore.commit([Merge(_path(view), data, remove=("current", "since") if since else ("current",))])

    async def overwritten(self, view: type[ViewModel]) -> None:
        """This process has built some that other code had built. That is noted, if it is the other code that is wanted."""
        document = await self._get(view)
        wanted = (document.data or {}).get("wanted")
        if document.data is None or wanted in {None, view.__view__.definition_hash} or document.data.get("mixed"):
            return
        await self._datastore.commit([Merge(_path(view), {"mixed": True})])

    async def mixed(self, views: Iterable[type[ViewModel]]) -> list[type[ViewModel]]:
        """Those of which code that is not wanted any more has built some; that is not noted any more then.

        In a rolling deploy a process of older code does so, for as long as it is there: it builds what changes.
        """
        found = []
        for view in views:
            data, own = (await self._get(view)).data or {}, view.__view__.definition_hash
            if data.get("mixed") and data.get("wanted") == data.get("definition") == own:
                await self.want(view, throughout=True)
                found.append(view)
        return found

    async def _get(self, view: type[ViewModel]) -> Document:
        async with self._datastore.snapshot() as snapshot:
            [document] = await snapshot.get([_path(view)])
        return document


def definition_path(name: str) -> str:
    """Where it is noted which definition the view of this name is stored by."""
    return join_path(DEFINITIONS, name)


def _path(view: type[ViewModel]) -> str:
    return definition_path(view.__view__.name)
