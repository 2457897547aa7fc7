"""A document as it stands in a datastore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bff.errors import BadUserInput
from bff.types import Timepoint, Value

__all__ = ["MAX_ID_BYTES", "Document", "check_id", "collection_of", "document_id", "join_path"]

MAX_ID_BYTES = 1500


@dataclass(frozen=True, slots=True)
class Document:
    """A document at one timepoint, present or absent.

    ``path`` is relative to the database (``meetings/m1``, ``users/u1/forms/f1``). ``data`` is None when there is no
    such document. ``update_time`` is the timepoint of the commit that last changed it; for an absent document it is 0
    when read, and the timepoint at which the deletion was seen when listened to. Treat ``data`` as read-only.
    """

    path: str
    data: Mapping[str, Value] | None
    update_time: Timepoint = 0

    @property
    def exists(self) -> bool:
        return self.data is not None

    @property
    def id(self) -> str:
        return document_id(self.path)

    @property
    def collection(self) -> str:
        """The path of the collection that holds it: ``meetings``, ``users/u1/forms``."""
        return collection_of(self.path)

    def only(self, fields: Sequence[str] | None) -> Document:
        """With these top-level fields alone, as far as it has them; as it is where that is None."""
        if fields is None or self.data is None:
            return self
        return Document(self.path, {name: self.data[name] for name in fields if name in self.data}, self.update_time)


def document_id(path: str) -> str:
    return path.rpartition("/")[2]


def collection_of(path: str) -> str:
    return path.rpartition("/")[0]


def check_id(id: str) -> str:
    """The id, if Firestore allows it as one.

    Rules: https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields

    Raises BadUserInput.
    """
    if not id or id in {".", ".."} or "/" in id or "\x00" in id or (id.startswith("__") and id.endswith("__")):
        raise BadUserInput(f"{id!r} is not a document id: it is empty, '.', '..', '__…__', or holds '/' or NUL")
    try:
        length = len(id.encode())
    except UnicodeEncodeError:
        raise BadUserInput(f"{id!r} is not a document id: it is not valid Unicode") from None
    if length > MAX_ID_BYTES:
        raise BadUserInput(f"a document id of {length} bytes is over the limit of {MAX_ID_BYTES}")
    return id


def join_path(collection: str, id: str) -> str:
    """``("users", "u1")`` → ``users/u1``. Raises BadUserInput where the id is not one."""
    return f"{collection}/{check_id(id)}"
