"""Where a projector has come to, so that a restart costs what changed since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import cast
from uuid import uuid4

from bff.datastore.port import Datastore, ResumePoint, Set
from bff.document import join_path
from bff.model.catalog import Catalog
from bff.model.view_definition import BESIDE
from bff.query import Query
from bff.types import Value

__all__ = ["PROJECTOR", "PROJECTORS", "WISHES", "Checkpoint", "checkpoint_path", "name_for", "wish"]

PROJECTORS = "_bff_projectors"

PROJECTOR = "main"
"""The name of the projector of the views, where nobody gives it another one."""

WISHES = "_bff_wishes"
"""The collection in which other processes ask a projector to save where it has come to: one document a projector."""


def checkpoint_path(name: str) -> str:
    """Where the projector of this name saves where it has come to."""
    return join_path(PROJECTORS, name)


def name_for(catalog: Catalog, name: str = PROJECTOR) -> str:
    """What a projector of this code is called: where views are stored by their definitions, those of other code have others."""
    return f"{name}{BESIDE}{catalog.beside_code}" if catalog.beside else name


def wish(name: str) -> Set:
    """Asks the projector of this name to save its checkpoint as soon as that is at the commit of this write, or past it."""
    # Different each time: a write that changes nothing is not delivered.
    return Set(join_path(WISHES, name), {"wish": uuid4().hex})


class Checkpoint:
    """The resume point of the projector of this name: everything up to it is written.

    Several processes may share a name: each saves what it has come to itself, and the last one counts. Whichever that is, what
    it has come to is written, whoever wrote it.

    ``storages``, each with the collections that it is made of, are what is kept up, and a checkpoint says of which it is true.
    ``kept`` are those of them that are so from where this resumes: the others were not followed by anybody until then, or by code
    that did not look at all that they are made of.
    """

    def __init__(
        self,
        datastore: Datastore,
        name: str,
        collections: Iterable[str],
        storages: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self._datastore = datastore
        self._name = name
        self._path = checkpoint_path(name)
        self._collections = sorted(collections)
        self._storages = storages
        self._is_said = True
        self.kept: frozenset[str] = frozenset()
        self.saved: ResumePoint | None = None

    async def load(self) -> ResumePoint | None:
        """Where to resume; None where it never was saved, or by code that did not follow all of the collections."""
        if self._storages:
            return await self._load_of_all()
        async with self._datastore.snapshot() as snapshot:
            [document] = await snapshot.get([self._path])
        if document.data is None or not self._covers(document.data, self._collections):
            return None
        self.saved = self._point(document.data)
        return self.saved

    async def _load_of_all(self) -> ResumePoint | None:
        """From where everything is still to be worked off that nobody has, in any of the storages that somebody has followed."""
        base = self._name.partition(BESIDE)[0]
        async with self._datastore.snapshot() as snapshot:
            found = await snapshot.query(Query(PROJECTORS))
        saved = [one.data for one in found if one.data is not None and base in {one.id, one.id.partition(BESIDE)[0]}]
        if not saved:
            self.kept = frozenset(self._storages)  # the listener brings everything
            return None
        newest: dict[str, Mapping[str, Value]] = {}
        for data in sorted(saved, key=_timepoint):
            newest.update((one, data) for one in self._storages if self._keeps(data, one))
        self.kept = frozenset(newest)
        first = min(newest.values() or [max(saved, key=_timepoint)], key=_timepoint)
        self.saved = self._point(first)
        self._is_said = any(one.id == self._name and one.data == first for one in found) and self.kept == {*self._storages}
        return self.saved

    def _keeps(self, data: Mapping[str, Value], storage: str) -> bool:
        known = cast("Sequence[str] | None", data.get("storages"))
        # One that does not say which is of code that had no storages but those of its views' names.
        named = BESIDE not in storage if known is None else storage in known
        return named and self._covers(data, self._storages[storage])

    def _covers(self, data: Mapping[str, Value], collections: Iterable[str]) -> bool:
        return {*collections}.issubset(cast("Sequence[str]", data["collections"]))

    async def begin(self) -> None:
        """Say from where on its storages are kept up, unless that is said: before anything is built that follows from it."""
        if self.saved is not None and not self._is_said:
            await self.save(self.saved)

    def _point(self, data: Mapping[str, Value]) -> ResumePoint:
        # Other collections are another listener: its token means nothing. What changed in collections that are new reaches
        # nobody by it: what is made of these is not kept.
        same = list(cast("Sequence[str]", data["collections"])) == self._collections
        return ResumePoint(_timepoint(data), str(data["token"]) if same else "")

    async def save(self, point: ResumePoint) -> None:
        collections: list[Value] = list(self._collections)
        data: dict[str, Value] = {"timepoint": point.timepoint, "token": point.token, "collections": collections}
        if self._storages:
            data["storages"] = [*sorted(self._storages)]
        await self._datastore.commit([Set(self._path, data, derived=True)])
        self.saved, self._is_said = point, True


def _timepoint(data: Mapping[str, Value]) -> int:
    return cast(int, data["timepoint"])
