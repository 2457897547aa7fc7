"""A view as it is stored, and where it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import ref

from bff.document import MAX_ID_BYTES, join_path
from bff.types import Timepoint, Value

__all__ = ["METADATA", "StoredReaders", "StoredView", "Texts", "metadata_path", "view_path"]

METADATA = "_bff_views"
"""The collection of what is known about each stored view: `docs/decisions/dependencies-in-the-datastore.md`."""

MOST_PARTS: Final = 8
"""For so many sets of fields that somebody may not see a state remembers what it shows them; the oldest makes room."""


@dataclass(frozen=True, slots=True)
class StoredReaders:
    """Who may see a state, and each of its ``fields`` that is not for all of these, as its document says."""

    view: frozenset[str]
    fields: tuple[tuple[str, frozenset[str]], ...]


class Texts(dict[Any, bytes]):
    """What a state was written as, by what was selected. ``last`` is the one put in last: whoever weighs them compares it.

    What is found out of a state once for all who look is here as well: ``readers``, who may see it, and ``parts``, what those are
    shown who may not see some of its fields, by the names of these (``bff.projection.audience``).
    """

    __slots__ = ("__weakref__", "last", "parts", "readers")

    def __init__(self) -> None:
        super().__init__()
        self.last: bytes | None = None
        self.readers: StoredReaders | None = None
        self.parts: dict[tuple[str, ...], StoredView] | None = None

    def __setitem__(self, key: Any, text: bytes) -> None:
        super().__setitem__(key, text)
        self.last = text

    @property
    def length(self) -> int:
        """How many bytes of text there are, those of its parts counted."""
        parts = () if self.parts is None else self.parts.values()
        return sum(map(len, self.values())) + sum(sum(map(len, part.texts.values())) for part in parts)


class _PartTexts(Texts):
    """Of a part of a state: whoever weighs the state is to see that there is more."""

    __slots__ = ("_whole",)

    def __init__(self, whole: Texts) -> None:
        super().__init__()
        # Weakly: the state has its parts, and is to go when nobody has it any more.
        self._whole = ref(whole)

    def __setitem__(self, key: Any, text: bytes) -> None:
        super().__setitem__(key, text)
        whole = self._whole()
        if whole is not None:
            whole.last = text


@dataclass(frozen=True, slots=True)
class StoredView:
    """One view of one key. ``document`` holds its fields by document name, ``id`` and ``version``; treat it as read-only.

    It is None where there is no such view because a root does not exist; ``version`` then says since when that is known.

    ``texts`` is for whoever shows it: what this very state was written as, by what was selected (``bff.resolvers.plan``).
    """

    view: str
    key: str
    version: Timepoint
    document: Mapping[str, Value] | None
    texts: Texts = field(default_factory=Texts, compare=False, repr=False)

    @property
    def exists(self) -> bool:
        return self.document is not None

    def without(self, hidden: tuple[str, ...]) -> StoredView:
        """The same state with null for these fields: the same object each time, of as many sets of fields as are remembered."""
        assert self.document is not None, "what is not there hides nothing"
        parts = self.texts.parts
        part = None if parts is None else parts.get(hidden)
        if part is None:
            document = {**self.document, **dict.fromkeys(hidden)}
            part = StoredView(self.view, self.key, self.version, document, _PartTexts(self.texts))
            if parts is None:
                parts = self.texts.parts = {}
            if len(parts) >= MOST_PARTS:
                del parts[next(iter(parts))]
            parts[hidden] = part
        return part


def view_path(collection: str, key: str) -> str:
    """Where the document of a view stands. Raises BadUserInput where the key cannot be one."""
    return join_path(collection, key)


def metadata_path(storage: str, key: str) -> str:
    """Where the metadata of a view stands: ``_bff_views/MeetingSession:m1``. Raises BadUserInput.

    ``storage`` is that of its definition: its name, or a place of its own beside others'.
    """
    id = f"{storage}:{key}"
    if len(id.encode(errors="replace")) > MAX_ID_BYTES:
        # '~' cannot be meant: a key that begins with it and is this short has its own, shorter id.
        id = f"{storage}:~{hashlib.sha256(key.encode(errors='replace')).hexdigest()}"
    return join_path(METADATA, id)
