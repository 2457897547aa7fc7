"""What is stored beside a view: what it was built from, at what timepoint, by which definition, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from bff.document import Document
from bff.projection.dependencies import QueryRead
from bff.projection.query_codec import dump_query, load_query
from bff.projection.stored_view import metadata_path
from bff.projection.tokens import indexable, query_tokens
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document

__all__ = ["FailureRecord", "Metadata"]


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """Why the newest build of a view failed. ``attempts`` leaves out those that follow within a second: they are no news."""

    kind: str
    message: str
    since: Timepoint
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Metadata:
    """One document of ``_bff_views``.

    ``dependencies``, ``absent`` and ``queries`` are of the newest build that was stored; ``version``, ``reads`` (field →
    references it read) and ``inputs`` (reference → digest of the documents it held) are of the content that is stored, which is
    an older build's where the newest failed. ``unchecked`` says that nobody has made sure yet that nothing changed between the
    build and its registration. ``update_time`` is the metadata document's own.
    """

    view: str
    key: str
    version: Timepoint
    built_at: Timepoint
    definition: str
    dependencies: tuple[str, ...]
    absent: tuple[str, ...] = ()
    queries: tuple[QueryRead, ...] = ()
    long_paths: tuple[str, ...] = ()
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False
    unchecked: bool = False
    failure: FailureRecord | None = None
    update_time: Timepoint = 0

    @property
    def path(self) -> str:
        return metadata_path(self.view, self.key)

    def present(self) -> list[str]:
        """The documents that were read and existed: dependencies without tokens and without what was absent."""
        others = {*self.absent, *(token for read in self.queries for token in query_tokens(read.query))}
        others.update(map(indexable, self.long_paths))
        return [path for path in (*self.dependencies, *self.long_paths) if path not in others]

    def touched_by(self, document: Document) -> bool:
        return indexable(document.path) in self.dependencies or any(read.reads(document) for read in self.queries)

    def to_data(self) -> dict[str, Value]:
        """Fields that are queried or looked at stand alone; the rest is one value, so that no index holds its parts."""
        details: dict[str, Value] = {
            "absent": list(self.absent),
            "queries": [_dump_read(read) for read in self.queries],
            "reads": {name: list(references) for name, references in self.reads.items()},
            "inputs": dict(self.inputs),
        }
        if self.long_paths:
            details["longPaths"] = list(self.long_paths)
        data: dict[str, Value] = {
            "view": self.view,
            "key": self.key,
            "version": self.version,
            "builtAt": self.built_at,
            "definition": self.definition,
            "deps": list(self.dependencies),
            "details": dump_document(details),
        }
        if self.deleted:
            data["deleted"] = True
        if self.unchecked:
            data["unchecked"] = True
        if self.failure is not None:
            data["failing"] = True
            data["error"] = {
                "type": self.failure.kind,
                "message": self.failure.message,
                "since": self.failure.since,
                "attempts": self.failure.attempts,
            }
        return data

    @classmethod
    def from_document(cls, document: Document) -> Metadata | None:
        """What the document says; None where there is none."""
        if document.data is None:
            return None
        data = cast("Mapping[str, Any]", document.data)
        details = cast("Mapping[str, Any]", load_document(data["details"]))
        error = data.get("error")
        return cls(
            view=data["view"],
            key=data["key"],
            version=data["version"],
            built_at=data["builtAt"],
            definition=data["definition"],
            dependencies=tuple(data["deps"]),
            absent=tuple(details["absent"]),
            queries=tuple(_load_read(read) for read in details["queries"]),
            long_paths=tuple(details.get("longPaths", ())),
            reads={name: tuple(references) for name, references in details["reads"].items()},
            inputs=details["inputs"],
            deleted=data.get("deleted", False),
            unchecked=data.get("unchecked", False),
            failure=None if error is None else FailureRecord(error["type"], error["message"], error["since"], error["attempts"]),
            update_time=document.update_time,
        )


def _dump_read(read: QueryRead) -> dict[str, Value]:
    data: dict[str, Value] = {"query": dump_query(read.query)}
    if read.boundary is not None:
        data["boundary"] = list(read.boundary)
    return data


def _load_read(data: Mapping[str, Any]) -> QueryRead:
    boundary = data.get("boundary")
    return QueryRead(load_query(data["query"]), None if boundary is None else tuple(boundary))
