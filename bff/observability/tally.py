"""What serving has counted since the app began to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard

__all__ = ["OTHER", "Tally"]

MOST_CODES: Final = 500
LONGEST_CODE: Final = 64
OTHER: Final = "OTHER"


class Tally:
    """One of each running app: those who serve add to it, and ``/metrics`` reads it. Each addition is one increment."""

    __slots__ = ("conflicts", "errors", "operations", "refusals", "responses", "skipped")

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        """Operations that were begun, by their type, whatever they came over; those that the short way answers have their own."""
        self.responses: Counter[tuple[str, int]] = Counter()
        """HTTP responses by the type of the operation (``none`` where there is none, ``batch``) and their status."""
        self.errors: Counter[str] = Counter()
        """Errors that clients were told of, by ``extensions.code``."""
        self.refusals: Counter[str] = Counter()
        """What was refused, or given up, because of a limit: by its name in ``bff.serving.limits.Limits``."""
        self.skipped = 0
        """States in place of which a newer one was sent, as the client had not read that far."""
        self.conflicts = 0
        """Units of work that were begun again, since what they had read had changed."""

    def failed(self, errors: Iterable[Mapping[str, Any]]) -> None:
        """These are about to be told to a client."""
        for error in errors:
            code = (error.get("extensions") or {}).get("code")
            self.errors[code if self._counts(code) else OTHER] += 1

    def _counts(self, code: object) -> TypeGuard[str]:
        """Whether a code is counted by itself: a resolver's own GraphQLError may carry anything."""
        return isinstance(code, str) and len(code) <= LONGEST_CODE and (code in self.errors or len(self.errors) < MOST_CODES)

    def refused(self, limit: str | None) -> None:
        """Something was refused, because of a limit where that has a name."""
        if limit is not None:
            self.refusals[limit] += 1
