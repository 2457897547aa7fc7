"""What a relay tells the hubs, as the payload of a channel message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bff.broadcast.port import MAX_RANK, Message
from bff.projection.stored_view import StoredView
from bff.types import Timepoint, Value
from bff.values import dump_document, load_document

__all__ = ["COMPARE", "UNKNOWN", "Announcement"]

COMPARE = Message("", b"")
"""Something may have been missed: compare with what is stored. No view key is empty."""


UNKNOWN: Timepoint = 0
"""The version of a hint whose version is not known."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A view is at ``version``. ``document`` is its content, None where it is gone; with ``hint`` the content must be read.

    ``committed`` is the timepoint from which a read of the datastore finds this state or a newer one: that of the commit that
    wrote it, which is later than the version. It is UNKNOWN in messages of relays that do not say it. ``trace`` is the
    ``traceparent`` of what it follows from; None where nobody traces.
    """

    key: str
    version: Timepoint
    document: Mapping[str, Value] | None = None
    hint: bool = False
    committed: Timepoint = field(default=UNKNOWN, compare=False)  # the same state, whenever it was written
    trace: str | None = field(default=None, compare=False)
    _stored: StoredView | None = field(default=None, compare=False, repr=False)

    def stored(self, view: str) -> StoredView:
        """The state, as a view of this name: the same object for all who take it, and what it is written as with it."""
        if self._stored is None:
            object.__setattr__(self, "_stored", StoredView(view, self.key, self.version, self.document))
        assert self._stored is not None
        return self._stored

    def is_newer_than(self, version: Timepoint, committed: Timepoint) -> bool:
        """Whether it tells more than what is known of its key: by version, or by when it was so where a version is not known."""
        if UNKNOWN in {self.version, version}:
            return self.committed > committed
        return self.version > version

    def to_message(self, max_bytes: int) -> Message:
        """The message; a mere hint where the content is larger than ``max_bytes``."""
        # Older processes look for nothing else in it.
        traced: dict[str, Value] = {} if self.trace is None else {"trace": self.trace}
        if not self.hint:
            content = {"version": self.version, "document": self.document, "committed": self.committed, **traced}
            payload = dump_document(content)
            if len(payload) <= max_bytes:
                return Message(self.key, payload, self._rank)
        hint = dump_document({"version": self.version, "hint": True, "committed": self.committed, **traced})
        return Message(self.key, hint, self._rank)

    @property
    def _rank(self) -> int:
        """By version. Nothing supersedes that one is not known: it has the view read, and the newest is found then."""
        return MAX_RANK if self.version == UNKNOWN else self.version

    @classmethod
    def from_message(cls, message: Message) -> Announcement:
        """What a message says. Raises ValueError where it is none of a relay's."""
        try:
            content = load_document(message.payload)
            version, document, hint = content["version"], content.get("document"), content.get("hint", False)
            committed, trace = content.get("committed", UNKNOWN), content.get("trace")
        except Exception as error:  # the bytes may be anybody's: whatever goes wrong with them says the same
            raise ValueError(f"no announcement: {message.payload!r:.100}") from error
        if type(version) is not int or type(committed) is not int or not (document is None or isinstance(document, dict)):
            raise ValueError(f"no announcement: {message.payload!r:.100}")
        return cls(message.key, version, document, bool(hint), committed, trace if isinstance(trace, str) else None)
