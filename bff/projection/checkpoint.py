"""Where a projector has come to, so that a restart costs what changed since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from bff.datastore.port import Datastore, ResumePoint, Set
from bff.document import join_path
from bff.types import Value

__all__ = ["PROJECTORS", "Checkpoint"]

PROJECTORS = "_bff_projectors"


class Checkpoint:
    """The resume point of the projector of this name: everything up to it is written.

    Several processes may share a name: each saves what it has come to itself, and the last one counts. Whichever that is, what
    it has come to is written, whoever wrote it.
    """

    def __init__(self, datastore: Datastore, name: str, collections: Iterable[str]) -> None:
        self._datastore = datastore
        self._path = join_path(PROJECTORS, name)
        self._collections = sorted(collections)
        self.saved: ResumePoint | None = None

    async def load(self) -> ResumePoint | None:
        """Where to resume; None where it never was saved."""
        async with self._datastore.snapshot() as snapshot:
            [document] = await snapshot.get([self._path])
        if document.data is None:
            return None
        # Other collections are another listener: its token means nothing, and what changed in collections that are new
        # reaches the views that read them by those views being new themselves.
        same = list(cast("Sequence[str]", document.data["collections"])) == self._collections
        token = str(document.data["token"]) if same else ""
        self.saved = ResumePoint(cast(int, document.data["timepoint"]), token)
        return self.saved

    async def save(self, point: ResumePoint) -> None:
        collections: list[Value] = list(self._collections)
        data: dict[str, Value] = {"timepoint": point.timepoint, "token": point.token, "collections": collections}
        await self._datastore.commit([Set(self._path, data)])
        self.saved = point
