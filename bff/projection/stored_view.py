"""A view as it is stored, and where it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bff.document import MAX_ID_BYTES, join_path
from bff.types import Timepoint, Value

__all__ = ["METADATA", "StoredView", "Texts", "metadata_path", "view_path"]

METADATA = "_bff_views"
"""The collection of what is known about each stored view: `docs/decisions/dependencies-in-the-datastore.md`."""


class Texts(dict[Any, bytes]):
    """What a state was written as, by what was selected. ``last`` is the one put in last: whoever weighs them compares it."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        super().__init__()
        self.last: bytes | None = None

    def __setitem__(self, key: Any, text: bytes) -> None:
        super().__setitem__(key, text)
        self.last = text


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


def view_path(collection: str, key: str) -> str:
    """Where the document of a view stands. Raises BadUserInput where the key cannot be one."""
    return join_path(collection, key)


def metadata_path(view: str, key: str) -> str:
    """Where the metadata of a view stands: ``_bff_views/MeetingSession:m1``. Raises BadUserInput."""
    id = f"{view}:{key}"
    if len(id.encode(errors="replace")) > MAX_ID_BYTES:
        # '~' cannot be meant: a key that begins with it and is this short has its own, shorter id.
        id = f"{view}:~{hashlib.sha256(key.encode(errors='replace')).hexdigest()}"
    return join_path(METADATA, id)
