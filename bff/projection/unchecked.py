"""Which builds nobody has made sure of yet: noted in the datastore, so that it is known of a process that died meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from bff.datastore.port import Datastore, Delete, Precondition, Set
from bff.document import Document, join_path
from bff.errors import Conflict, OutcomeUnknown
from bff.together import together
from bff.types import Timepoint
from bff.values import dump_document, load_document

if TYPE_CHECKING:
    from bff.projection.dirty_keys import Item

__all__ = ["UNCHECKED", "Note", "Unchecked", "note_data"]

UNCHECKED = "_bff_unchecked"
"""The collection of notes: one for each commit of views whose builds are not checked yet."""

FLUSH_AT = 100


@dataclass(eq=False, slots=True)
class Note:
    """A document of ``_bff_unchecked``. ``left`` are the views that are still to be checked, each by an attempt of this number
    or a later one. ``update_time`` is that of a note that another process has left, as it was found.
    """

    path: str
    left: dict[Item, int]
    update_time: Timepoint | None = None
    stored: bool = False


def note_data(view: str, keys: Iterable[str], at: Timepoint) -> dict[str, Any]:
    # The keys are one value, so that no index holds them.
    return {"view": view, "at": at, "keys": dump_document({"keys": list(keys)}).decode()}


class Unchecked:
    """The notes of this process, and those that it has taken over from processes that died.

    A note is written in the commit that registers builds, and serves another commit once its builds are checked; ``flush``
    removes those that are not needed any more.
    """

    def __init__(self) -> None:
        self._name = uuid4().hex[:16]
        self._numbers = count(1)
        self._attempts = 0
        self._notes: dict[str, Note] = {}
        """By path, those with something left."""
        self._by_item: dict[Item, set[Note]] = {}
        self._free: list[Note] = []
        """This process's own that are stored and have nothing left: for another commit, or to be removed."""
        self._settled: list[Note] = []
        """Those of others that have nothing left: to be removed."""

    def attempt(self) -> int:
        """The number of an attempt that begins now."""
        self._attempts += 1
        return self._attempts

    @property
    def done(self) -> int:
        """How many notes ``flush`` has to remove."""
        return len(self._free) + len(self._settled)

    def begin(self, view: str, keys: Sequence[str], attempt: int) -> Note:
        """A note for a commit that an attempt is about to make. Follow it by ``undo`` where the commit was not made."""
        note = self._free.pop() if self._free else Note(join_path(UNCHECKED, f"{self._name}-{next(self._numbers)}"), {})
        self._expect(note, ((view, key) for key in keys), attempt)
        return note

    def write(self, note: Note, at: Timepoint) -> Set:
        """What stores it. ``at`` is when its builds are of."""
        views = {view for view, _ in note.left}
        return Set(note.path, note_data(views.pop(), (key for _, key in note.left), at), derived=True)

    def undo(self, note: Note) -> None:
        """Its commit was not made."""
        for item in note.left:
            self._strike(item, note)
        note.left.clear()
        self._notes.pop(note.path, None)
        if note.stored:
            self._free.append(note)

    def passed(self, item: Item, attempt: int) -> None:
        """An attempt has found the view to be as what it is made of."""
        for note in tuple(self._by_item.get(item, ())):
            if note.left[item] <= attempt:
                self._strike(item, note)
                del note.left[item]
                if not note.left:
                    del self._notes[note.path]
                    note.stored = True
                    (self._free if note.update_time is None else self._settled).append(note)

    def leave(self, item: Item) -> None:
        """Leave it to whoever sweeps."""
        for note in self._by_item.pop(item, ()):
            del note.left[item]
            # Not done: it stays in the datastore.
            if not note.left:
                del self._notes[note.path]

    def adopt(self, document: Document, storages: Collection[str]) -> list[Item]:
        """What is to be built because of a note that was found; the note is removed once that is done."""
        known = self._notes.get(document.path)
        if known is not None and known.update_time in {None, document.update_time}:
            return list(known.left)
        if any(note.path == document.path for note in self._free):
            return []
        data = cast("Mapping[str, Any]", document.data)
        if data["view"] not in storages:
            return []
        note = known or Note(document.path, {}, stored=True)
        note.update_time = document.update_time
        items = [(cast(str, data["view"]), key) for key in cast("list[str]", load_document(data["keys"].encode())["keys"])]
        # What is under way already may have read the views before whoever left the note had written them.
        self._expect(note, items, self._attempts + 1)
        return list(note.left)

    async def flush(self, datastore: Datastore) -> None:
        """Remove the notes that are not needed any more. Raises DatastoreUnavailable."""
        while notes := self._settled or self._free:
            some = notes[:FLUSH_AT]
            del notes[:FLUSH_AT]
            try:
                await _remove(datastore, some)
            except BaseException:
                notes += some
                raise

    def _expect(self, note: Note, items: Iterable[Item], attempt: int) -> None:
        for item in items:
            note.left[item] = attempt
            self._by_item.setdefault(item, set()).add(note)
        self._notes[note.path] = note

    def _strike(self, item: Item, note: Note) -> None:
        notes = self._by_item[item]
        notes.discard(note)
        if not notes:
            del self._by_item[item]


async def _remove(datastore: Datastore, notes: Sequence[Note]) -> None:
    try:
        await datastore.commit(
            [
                Delete(note.path, None if note.update_time is None else Precondition(update_time=note.update_time), derived=True)
                for note in notes
            ]
        )
    except (Conflict, OutcomeUnknown):
        if len(notes) > 1:
            await together(*(_remove(datastore, [note]) for note in notes))
        # A single one was used again by whoever had left it: it answers for itself. One of which nobody knows whether it is
        # gone is adopted, if it is still there when somebody sweeps.
