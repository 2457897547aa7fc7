"""Where a projector has come to, so that a restart costs what changed since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast
from uuid import uuid4

from bff.datastore.port import Datastore, ResumePoint, Set
from bff.document import join_path
from bff.types import Value

__all__ = ["PROJECTORS", "WISHES", "Checkpoint", "checkpoint_path", "wish"]

PROJECTORS = "_bff_projectors"

WISHES = "_bff_wishes"
"""The collection in which other processes ask a projector to save where it has come to: one document a projector."""


def checkpoint_path(name: str) -> str:
    """Where the projector of this name saves where it has come to."""
    return join_path(PROJECTORS, name)


def wish(name: str) -> Set:
    """Asks the projector of this name to save its checkpoint as soon as that is at the commit of this write, or past it."""
    # Different each time: a write that changes nothing is not delivered.
    return Set(join_path(WISHES, name), {"wish": uuid4().hex})


class Checkpoint:
    """The resume point of the projector of this name: everything up to it is written.

    Several processes may share a name: each saves what it has come to itself, and the last one counts. Whichever that is, what
    it has come to is written, whoever wrote it.
    """

    def __init__(self, datastore: Datastore, name: str, collections: Iterable[str]) -> None:
        self._datastore = datastore
        self._path = checkpoint_path(name)
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
        await self._datastore.commit([Set(self._path, data, derived=True)])
        self.saved = point
