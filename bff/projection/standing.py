"""Which of the storages of a view is current, and which others there are: one document a view, and one commit to switch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from bff.datastore.port import Datastore, ExpectDocument, Set
from bff.document import Document
from bff.errors import Conflict, OutcomeUnknown
from bff.model.view_definition import BESIDE, ViewDefinition
from bff.model.view_model import ViewModel
from bff.projection.definitions import definition_path
from bff.types import Timepoint, Value

__all__ = ["Standing", "Standings", "Storage"]


@dataclass(frozen=True, slots=True)
class Storage:
    """A place in which views of one class are stored, ``since`` when it is what it is: current, former, or being built.

    ``complete`` says that a definition was once built throughout in it; ``fields`` are the names in its documents.
    """

    name: str
    collection: str
    since: Timepoint
    complete: bool = False
    fields: tuple[str, ...] = ()

    @classmethod
    def own(cls, definition: ViewDefinition, since: Timepoint, *, complete: bool = False) -> Storage:
        """That of the present code."""
        fields = tuple(sorted(field.document_name for field in definition.stored.values()))
        return cls(definition.storage, definition.collection, since, complete, fields)

    def to_data(self) -> dict[str, Value]:
        return {
            "storage": self.name,
            "collection": self.collection,
            "since": self.since,
            "complete": self.complete,
            "fields": list(self.fields),
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one view, the storage whose documents are its lists for who has nothing better, and the others that there are.

    The current one is that of the code whose projector was the last to come to be complete.
    """

    current: Storage | None
    others: tuple[Storage, ...] = ()

    @classmethod
    def of(cls, document: Document) -> Standing:
        """What a document of ``_bff_definitions`` says. A view whose definitions replace each other in place has one storage."""
        data = cast("Mapping[str, Any]", document.data or {})
        known = tuple(_storage(one) for one in data.get("storages", ()))
        if "current" in data:
            current = next(one for one in known if one.name == data["current"])
            return cls(current, tuple(one for one in known if one is not current))
        if "definition" not in data:
            return cls(None, known)
        fields = tuple(data.get("fields", ()))
        in_place = Storage(document.id, data.get("collection", document.id), document.update_time, True, fields)
        return cls(in_place, tuple(one for one in known if one.name != in_place.name))

    def find(self, name: str) -> Storage | None:
        return next((one for one in (*((self.current,) if self.current else ()), *self.others) if one.name == name), None)


class Standings:
    """Reads and changes them. Everything raises DatastoreUnavailable."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    async def of(self, views: Iterable[type[ViewModel]]) -> list[Standing]:
        return [Standing.of(document) for document in await self._read([view.__view__.name for view in views])]

    async def begin(self, view: type[ViewModel]) -> None:
        """Its storage is about to be built throughout: that is known from now on, and that it is not complete until then."""
        now, definition = await self._datastore.ping(), view.__view__

        def change(standing: Standing) -> Standing | None:
            if standing.current is not None and standing.current.name == definition.storage:
                return replace(standing, current=replace(standing.current, complete=False))
            # Anew, where it is known: whoever is about to remove what was left of it leaves it alone.
            others = (one for one in standing.others if one.name != definition.storage)
            return replace(standing, others=(*others, Storage.own(definition, now)))

        await self._change(definition.name, change)

    async def complete(self, view: type[ViewModel]) -> None:
        """Its storage is built throughout; nobody has to read it yet."""
        now, definition = await self._datastore.ping(), view.__view__

        def change(standing: Standing) -> Standing | None:
            own = standing.find(definition.storage)
            if own is not None and own.complete:
                return None
            others = (one for one in standing.others if one is not own)
            return replace(standing, others=(*others, Storage.own(definition, now, complete=True)))

        await self._change(definition.name, change)

    async def switch(self, view: type[ViewModel]) -> None:
        """Its storage is complete, and current from now on: what was so is a former one."""
        now, definition = await self._datastore.ping(), view.__view__

        def change(standing: Standing) -> Standing | None:
            before = standing.current
            if before is not None and before.name == definition.storage and before.complete:
                return None
            former = () if before is None else (replace(before, since=now),)
            others = (one for one in (*former, *standing.others) if one.name != definition.storage)
            return Standing(Storage.own(definition, now, complete=True), tuple(others))

        await self._change(definition.name, change)

    async def abandon(self, view: str, storage: Storage) -> ExpectDocument | None:
        """It is about to be removed, and to be built throughout if anybody comes back to it; None where somebody has.

        For as long as the document is as expected, nobody has. Repeated, it says so of what was abandoned before.
        """
        left = replace(storage, complete=False)

        def change(standing: Standing) -> Standing | None:
            if storage not in standing.others:
                return None
            return replace(standing, others=tuple(left if one == storage else one for one in standing.others))

        if storage.complete:
            await self._change(view, change)
        [document] = await self._read([view])
        # Code that replaces views in place says that it is back by the definition it wants, which the switch had taken off.
        is_wanted = BESIDE not in storage.name and "wanted" in (document.data or {})
        is_left = left in Standing.of(document).others and not is_wanted
        return ExpectDocument(document.path, document.update_time) if is_left else None

    async def forget(self, view: str, storage: Storage) -> None:
        """It is gone, unless somebody has come back to it meanwhile."""

        def change(standing: Standing) -> Standing | None:
            others = tuple(one for one in standing.others if one != storage)
            return None if len(others) == len(standing.others) else replace(standing, others=others)

        await self._change(view, change)

    async def _change(self, name: str, change: Callable[[Standing], Standing | None]) -> None:
        while True:
            [document] = await self._read([name])
            changed = change(Standing.of(document))
            if changed is None:
                return
            current = () if changed.current is None else (changed.current,)
            data: dict[str, Value] = {"storages": [one.to_data() for one in (*current, *changed.others)]}
            if changed.current is not None and BESIDE in changed.current.name:
                data["current"] = changed.current.name
            else:
                # What the views that are replaced in place are of is noted beside, by code of those.
                data = {**(document.data or {}), **data}
            expected = ExpectDocument(document.path, document.update_time if document.exists else None)
            try:
                await self._datastore.commit([Set(document.path, data)], [expected])
            except (Conflict, OutcomeUnknown):
                continue  # another process was faster, or it was this one: what is there now says so
            return

    async def _read(self, names: Sequence[str]) -> list[Document]:
        async with self._datastore.snapshot() as snapshot:
            return await snapshot.get([definition_path(name) for name in names])


def _storage(data: Mapping[str, Any]) -> Storage:
    return Storage(data["storage"], data["collection"], data["since"], data["complete"], tuple(data["fields"]))
