"""The newest that is known of each key of a view, as far back as there is room."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

from bff.live.announcement import UNKNOWN, Announcement
from bff.types import Timepoint

__all__ = ["Ledger", "Verdict"]

KEYS = 4096


class Verdict(Enum):
    NEWS = "newer than anything known"
    OLD = "known, or older than what is known"
    DOUBTFUL = "nobody can tell: the key must be read"


class Ledger:
    """Tells news from what comes late or twice.

    Without it, an announcement that was overtaken by the removal of its view would bring the view back. It remembers the last
    ``keys`` keys; of the others it knows up to what timepoint something about them may have been forgotten.
    """

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._known: OrderedDict[str, tuple[Timepoint, Timepoint]] = OrderedDict()
        self._horizon: Timepoint = 0

    def judge(self, announced: Announcement) -> Verdict:
        """What an announcement is worth. News is known from now on."""
        known = self._known.get(announced.key)
        if known is None:
            if announced.committed <= self._horizon:
                return Verdict.DOUBTFUL
        elif announced.version <= known[0]:
            return Verdict.OLD
        elif announced.committed <= known[1]:
            # A newer version of an earlier commit: what was read since says more than either.
            return Verdict.DOUBTFUL
        self.learn(announced)
        return Verdict.NEWS

    def learn(self, state: Announcement) -> None:
        """This is known now: it was announced, or read."""
        version, committed = self._known.pop(state.key, (UNKNOWN, UNKNOWN))
        self._known[state.key] = max(version, state.version), max(committed, state.committed)
        if len(self._known) > self._keys:
            _, (_, forgotten) = self._known.popitem(last=False)
            self._horizon = max(self._horizon, forgotten)

    def version(self, key: str) -> Timepoint:
        """The newest version known of a key; UNKNOWN where there is none."""
        return self._known.get(key, (UNKNOWN, UNKNOWN))[0]
