"""Where a rebuild has come to, so that one that was interrupted goes on there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from bff.datastore.port import Datastore, Delete, Set
from bff.document import join_path
from bff.model.view_model import ViewModel
from bff.types import Timepoint, Value

__all__ = ["REBUILDS", "RebuildPlace", "rebuild_path"]

REBUILDS = "_bff_rebuilds"


@dataclass(frozen=True, slots=True)
class RebuildPlace:
    """A document of ``_bff_rebuilds``, one for each storage that is being rebuilt.

    Of what it scans, first the roots, then (``rest``) what is stored, everything up to the path ``after`` was built by this
    definition since ``began``; ``built`` of them, ``failed`` of them in vain.
    """

    storage: str
    definition: str
    began: Timepoint
    rest: bool = False
    after: str = ""
    built: int = 0
    failed: int = 0

    @classmethod
    async def load(cls, datastore: Datastore, view: type[ViewModel]) -> RebuildPlace | None:
        """Where an interrupted rebuild by the present definition has come to. Raises DatastoreUnavailable."""
        definition = view.__view__
        async with datastore.snapshot() as snapshot:
            [document] = await snapshot.get([rebuild_path(definition.storage)])
        data = cast("Mapping[str, Any]", document.data or {})
        if data.get("definition") != definition.definition_hash:
            return None
        names = ("began", "rest", "after", "built", "failed")
        return cls(definition.storage, definition.definition_hash, *(data[name] for name in names))

    async def save(self, datastore: Datastore) -> None:
        data: dict[str, Value] = {
            "definition": self.definition,
            "began": self.began,
            "rest": self.rest,
            "after": self.after,
            "built": self.built,
            "failed": self.failed,
        }
        await datastore.commit([Set(rebuild_path(self.storage), data)])

    @staticmethod
    async def clear(datastore: Datastore, view: type[ViewModel]) -> None:
        """The next rebuild of the view begins at the beginning."""
        await datastore.commit([Delete(rebuild_path(view.__view__.storage))])


def rebuild_path(storage: str) -> str:
    """Where it is noted how far the rebuild of a storage is."""
    return join_path(REBUILDS, storage)
