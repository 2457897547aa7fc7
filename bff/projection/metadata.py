"""What is stored beside a view: what it was built from, at what timepoint, by which definition, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from bff.document import Document
from bff.projection.dependencies import QueryRead
from bff.projection.query_codec import dump_query, load_query
from bff.projection.stored_view import metadata_path
from bff.projection.tokens import indexable, query_tokens
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document

__all__ = ["Details", "FailureRecord", "Metadata"]


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """Why the newest build of a view failed. ``attempts`` leaves out those that follow within a second: they are no news."""

    kind: str
    message: str
    since: Timepoint
    attempts: int = 1


class Details:
    """What is looked at for some purposes only, and stored as one value so that no index holds its parts: decoded when asked for.

    ``queries`` are what was asked, ``absent`` the documents that did not exist, ``long_paths`` those whose paths are too long for
    a dependency. ``reads`` says of each field which references it read, ``inputs`` of each reference what it held, by a digest.
    """

    def __init__(self, data: Mapping[str, Any] | None, text: str = "") -> None:
        self._data = data
        self._text = text

    @classmethod
    def of(
        cls,
        absent: Sequence[str] = (),
        queries: Sequence[QueryRead] = (),
        long_paths: Sequence[str] = (),
        reads: Mapping[str, Sequence[str]] | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> Details:
        data: dict[str, Any] = {
            "absent": list(absent),
            "queries": [_dump_read(read) for read in queries],
            "reads": {name: list(references) for name, references in (reads or {}).items()},
            "inputs": dict(inputs or {}),
        }
        if long_paths:
            data["longPaths"] = list(long_paths)
        return cls(data)

    def dump(self) -> str:
        # A text, not bytes: where documents are kept as JSON it is read and written as it is.
        if not self._text:
            self._text = dump_document(self.data).decode()
        return self._text

    @cached_property
    def data(self) -> Mapping[str, Any]:
        return load_document(self._text.encode()) if self._data is None else self._data

    @cached_property
    def queries(self) -> tuple[QueryRead, ...]:
        return tuple(map(_load_read, self.data["queries"]))

    @property
    def absent(self) -> Sequence[str]:
        return cast("Sequence[str]", self.data["absent"])

    @property
    def long_paths(self) -> Sequence[str]:
        return cast("Sequence[str]", self.data.get("longPaths", ()))

    @property
    def reads(self) -> Mapping[str, Sequence[str]]:
        return cast("Mapping[str, Sequence[str]]", self.data["reads"])

    @property
    def inputs(self) -> Mapping[str, str]:
        return cast("Mapping[str, str]", self.data["inputs"])

    def is_of_same_reads(self, other: Details) -> bool:
        """Whether the same was read: the documents that were absent and the queries, whatever they held."""
        return all(self.data.get(name) == other.data.get(name) for name in ("absent", "queries", "longPaths"))


@dataclass(frozen=True, slots=True, eq=False)
class Metadata:
    """One document of ``_bff_views``; ``view`` is the storage of its definition.

    ``dependencies``, and of the details ``absent`` and ``queries``, are of the newest build that was stored; ``version``, and of
    the details ``reads`` and ``inputs``, are of the content that is stored, which is an older build's where the newest failed.
    ``update_time`` is the metadata document's own, as it was read; 0 where it is to be written.
    """

    view: str
    key: str
    version: Timepoint
    built_at: Timepoint
    definition: str
    dependencies: tuple[str, ...]
    details: Details = field(default_factory=Details.of)
    deleted: bool = False
    failure: FailureRecord | None = None
    update_time: Timepoint = 0

    @property
    def path(self) -> str:
        return metadata_path(self.view, self.key)

    def present(self) -> list[str]:
        """The documents that were read and existed: dependencies without tokens and without what was absent."""
        details = self.details
        others = {*details.absent, *(token for read in details.queries for token in query_tokens(read.query))}
        others.update(map(indexable, details.long_paths))
        return [path for path in (*self.dependencies, *details.long_paths) if path not in others]

    def touched_by(self, document: Document) -> bool:
        return indexable(document.path) in self.dependencies or any(read.reads(document) for read in self.details.queries)

    def to_data(self) -> dict[str, Value]:
        """Fields that are queried or looked at stand alone; the rest is one value, so that no index holds its parts."""
        data: dict[str, Value] = {
            "view": self.view,
            "key": self.key,
            "version": self.version,
            "builtAt": self.built_at,
            "definition": self.definition,
            "deps": list(self.dependencies),
            "details": self.details.dump(),
        }
        if self.deleted:
            data["deleted"] = True
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
        error = data.get("error")
        return cls(
            view=data["view"],
            key=data["key"],
            version=data["version"],
            built_at=data["builtAt"],
            definition=data["definition"],
            dependencies=tuple(data["deps"]),
            details=Details(None, data["details"]),
            deleted=data.get("deleted", False),
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
