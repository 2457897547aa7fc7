"""What a mediator has handled: one document for each that it reacts to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from bff.document import MAX_ID_BYTES, Document, join_path
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document

__all__ = ["MEDIATORS", "Handled", "What", "handled_path"]

MEDIATORS = "_bff_mediators"

What = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Handled:
    """``seen`` is the update time of the document's version that was handled last, 0 where none was yet, because it fails.

    ``data`` is that version, kept for triggers that want to know what was deleted. ``own`` says that the handler changed the
    document itself: the version of the time at which this was ``written`` is its own.

    ``error`` is what was raised for the version of the time ``failed``, the last of ``attempts`` times, first at ``since``. Where
    ``sources`` are those that the version was a document of, where that depends on what is in it. Where
    it is ``dead``, it was raised so often that the version is set aside: nobody tries it again by himself. Where it is ``begun``,
    the last attempt was noted before it was made, and it has not ended, or its process has.
    """

    mediator: str
    path: str
    seen: Timepoint
    data: Mapping[str, Value] | None = None
    error: str | None = None
    attempts: int = 0
    own: bool = False
    written: Timepoint = 0
    failed: Timepoint = 0
    since: Timepoint = 0
    dead: bool = False
    sources: tuple[str, ...] | None = None
    begun: bool = False

    @classmethod
    def from_document(cls, document: Document) -> Handled | None:
        if document.data is None:
            return None
        stored = cast("Mapping[str, Any]", document.data)
        data = stored.get("data")
        return cls(
            stored["mediator"],
            stored["path"],
            stored["seen"],
            None if data is None else load_document(data),
            stored.get("error"),
            stored.get("attempts", 0),
            stored.get("own", False),
            document.update_time,
            stored.get("failed", 0),
            stored.get("since", 0),
            stored.get("dead", False),
            None if (sources := stored.get("sources")) is None else tuple(sources),
            stored.get("begun", False),
        )

    def to_data(self) -> dict[str, Value]:
        stored: dict[str, Value] = {"mediator": self.mediator, "path": self.path, "seen": self.seen}
        if self.data is not None:
            stored["data"] = dump_document(self.data)
        if self.sources is not None:
            stored["sources"] = list(self.sources)
        if self.own:
            stored["own"] = True
        if self.error is not None:
            stored |= {"dead" if self.dead else "failing": True, "error": self.error, "attempts": self.attempts}
            stored |= {"failed": self.failed, "since": self.since}
        if self.begun:
            stored["begun"] = True
        return stored

    def sets_aside(self, document: Document) -> bool:
        """Whether this state of the document is one that nobody tries by himself."""
        return self.dead and self._is_failed(document.update_time)

    def failed_at(self, version: Timepoint, error: str, now: Timepoint, most: int) -> Handled:
        """After an attempt at a version of the document: one more, unless it was noted when it began.

        ``most`` is after how many of them it is set aside.
        """
        counted = self.has_begun(version)
        after = replace(self, attempts=self.attempts - 1 if counted else self.attempts).begun_at(version, error, now)
        return replace(after, error=error, begun=False, dead=after.dead or after.attempts >= most)

    def begun_at(self, version: Timepoint, error: str, now: Timepoint) -> Handled:
        """Before one more attempt at a version, which may be the end of this process.

        ``error`` is what is known then, unless it is known what the attempt before it has raised.
        """
        same = self.error is not None and self._is_failed(version)
        return replace(
            self,
            error=self.error if same else error,
            attempts=self.attempts + 1 if same else 1,
            own=False,
            failed=version,
            since=self.since if same else now,
            dead=same and self.dead,
            begun=True,
        )

    def has_begun(self, version: Timepoint) -> bool:
        """Whether an attempt at this version was noted when it began, and its end was not."""
        return self.begun and self._is_failed(version)

    def withdrawn(self) -> Handled | None:
        """Without the attempt that has begun: it was neither made nor cut short by what it does. None where nothing is left."""
        if self.attempts > 1:
            return replace(self, attempts=self.attempts - 1, begun=False)
        return self.settled() if self.seen else None

    def _is_failed(self, version: Timepoint) -> bool:
        return version == self.failed or (self.own and version == self.written)

    def settled(self) -> Handled:
        """The failure is over."""
        return replace(self, error=None, attempts=0, failed=0, since=0, dead=False, own=False, begun=False)


def what_happened(document: Document, before: Handled | None) -> What | None:
    """What the document's present state is to a mediator that has handled it as far as that; None: nothing new."""
    known = before is not None and before.seen > 0
    if not document.exists:
        return "delete" if known else None
    if before is None or not known:
        return "create"
    if before.own and document.update_time == before.written:
        return None
    return "update" if document.update_time > before.seen else None


def handled_path(mediator: str, path: str) -> str:
    """``_bff_mediators/MeetingRoom:tickets%2Ft1``."""
    id = f"{mediator}:{path.replace('%', '%25').replace('/', '%2F')}"
    if len(id.encode()) > MAX_ID_BYTES:
        id = f"{mediator}:~{hashlib.sha256(path.encode()).hexdigest()}"
    return join_path(MEDIATORS, id)
