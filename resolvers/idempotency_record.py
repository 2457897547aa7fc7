"""What is remembered of an operation that came with an idempotency key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, cast

from bff.document import Document
from bff.errors import NotFound
from bff.projection.expiry import EXPIRES_AT
from bff.projection.views_affected import ViewsAffected
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document

__all__ = ["COLLECTION", "Entry", "IdempotencyRecord"]

COLLECTION: Final = "_bff_idempotency"

MAX_BYTES = 900_000
"""What entries may take of a document, so that it stays one that every datastore stores."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One mutation of the operation, as its commit left it: what its answer is made from, and what it affects.

    ``committed_at`` is None in the commit itself, which does not know its own timepoint: that is the document's update time
    until it is written again. ``kept`` is False where the answer was too large to be stored.
    """

    answer: Value
    affected: ViewsAffected
    committed_at: Timepoint | None = None
    kept: bool = True

    def given(self) -> Value:
        """The answer. Raises NotFound where it was too large to be kept."""
        if not self.kept:
            raise NotFound("the mutation was done when this key came first, and what it answered was too large to be kept")
        return self.answer

    def to_data(self) -> dict[str, Value]:
        return {
            "answer": self.answer if self.kept else None,
            "kept": self.kept,
            "committedAt": self.committed_at,
            "affects": [{"view": view, "key": key} for view, key in self.affected.views],
            "more": self.affected.more,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], update_time: Timepoint) -> Entry:
        views = tuple((one["view"], one["key"]) for one in data["affects"])
        committed_at = update_time if data["committedAt"] is None else data["committedAt"]
        return cls(data["answer"], ViewsAffected(views, data["more"]), committed_at, data["kept"])


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """One document of ``_bff_idempotency``. ``entries`` are by the place of the mutation in the response, its alias.

    ``response`` is the whole of it, as JSON, once it was answered without errors.
    """

    fingerprint: str
    expires_at: datetime
    entries: Mapping[str, Entry] = field(default_factory=dict)
    response: bytes | None = None

    @classmethod
    def from_document(cls, document: Document, now: datetime) -> IdempotencyRecord | None:
        """What the document says; None where there is none, or its time has passed."""
        if document.data is None:
            return None
        data = cast("Mapping[str, Any]", document.data)
        if data[EXPIRES_AT] <= now:
            return None
        entries = cast("Mapping[str, Mapping[str, Any]]", load_document(data["entries"]))
        return cls(
            data["fingerprint"],
            data[EXPIRES_AT],
            {name: Entry.from_data(entry, document.update_time) for name, entry in entries.items()},
            data.get("response"),
        )

    def with_entry(self, name: str, entry: Entry) -> IdempotencyRecord:
        """With one more entry: without its answer where that cannot be stored."""
        whole = replace(self, entries={**self.entries, name: entry})
        try:
            if len(whole._dumped()) <= MAX_BYTES:
                return whole
        except (TypeError, ValueError):
            pass  # a number beyond 64 bits, or the like: it can be answered, and not be stored
        return replace(self, entries={**self.entries, name: replace(entry, answer=None, kept=False)})

    def to_data(self) -> dict[str, Value]:
        data: dict[str, Value] = {"fingerprint": self.fingerprint, EXPIRES_AT: self.expires_at, "entries": self._dumped()}
        if self.response is not None:
            data["response"] = self.response
        return data

    def _dumped(self) -> bytes:
        # One value: aliases are no field names of a document, and no index is to hold the parts.
        return dump_document({name: entry.to_data() for name, entry in self.entries.items()})
