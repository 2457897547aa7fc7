"""What is to happen outside of the datastore because of a commit: a document of that commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from bff.document import Document, join_path
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document

__all__ = ["OUTBOX", "SENT", "OutboxEntry"]

OUTBOX: Final = "_bff_outbox"
"""What is still to be sent."""

SENT: Final = "_bff_sent"
"""What was sent: the keys, so that nothing that is handled again sends it again, until they expire."""


NO_ANSWER: Final = "the process that called it ended, or did not answer"


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One call of an effect. ``key`` is what the receiver is given to tell a repetition by.

    Entries of one ``order`` are sent one after another: by the time of their commit (``committed``), then by ``number``, which is
    their place within it. ``claimed_by`` is who sends it now, and since when says ``written``, the time of the entry's last
    change. ``error`` is what was raised the last of ``attempts`` times, first at ``since``.
    """

    key: str
    effect: str
    payload: Value
    order: str | None = None
    number: int = 0
    committed: Timepoint = 0
    attempts: int = 0
    error: str | None = None
    since: Timepoint = 0
    dead: bool = False
    claimed_by: str | None = None
    written: Timepoint = 0

    @property
    def path(self) -> str:
        return join_path(OUTBOX, self.key)

    @property
    def sent_path(self) -> str:
        return join_path(SENT, self.key)

    @classmethod
    def from_document(cls, document: Document) -> OutboxEntry | None:
        if document.data is None:
            return None
        stored = cast("Mapping[str, Any]", document.data)
        return cls(
            document.id,
            stored["effect"],
            load_document(stored["payload"])["payload"],
            stored.get("order"),
            stored["number"],
            # The commit that it was made in does not know its own time. The next write of it notes it down.
            stored.get("committed", document.update_time),
            stored.get("attempts", 0),
            stored.get("error"),
            stored.get("since", 0),
            stored.get("dead", False),
            stored.get("claimedBy"),
            document.update_time,
        )

    def to_data(self) -> dict[str, Value]:
        payload = dump_document({"payload": self.payload})
        data: dict[str, Value] = {"effect": self.effect, "payload": payload, "number": self.number}
        data["dead" if self.dead else "pending"] = True
        optional: dict[str, Value] = {"order": self.order, "committed": self.committed or None, "claimedBy": self.claimed_by}
        if self.error is not None:
            optional |= {"attempts": self.attempts, "error": self.error, "since": self.since}
        return data | {name: value for name, value in optional.items() if value is not None}

    def claimed(self, by: str, most: int) -> OutboxEntry:
        """In the hands of this process. One that takes it from another counts that one's attempt, which had no end.

        As ``failed``, where that was the last of ``most`` attempts: nobody has it then.
        """
        if self.claimed_by in {None, by}:
            return replace(self, claimed_by=by)
        taken = self.failed(NO_ANSWER, self.written, most)
        return taken if taken.dead and not self.dead else replace(taken, claimed_by=by)

    def failed(self, error: str, now: Timepoint, most: int) -> OutboxEntry:
        """After one more attempt; ``most`` is after how many of them it is set aside."""
        attempts = self.attempts + 1
        return replace(
            self,
            attempts=attempts,
            error=error,
            since=self.since or now,
            dead=self.dead or attempts >= most,
            claimed_by=None,
        )
