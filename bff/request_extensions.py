"""What a request asks for beyond GraphQL itself: the object at ``extensions.bff``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bff.errors import BadUserInput
from bff.types import Timepoint

__all__ = ["NAME", "OnStale", "RequestExtensions"]

NAME: Final = "bff"
"""The key of the object, in the extensions of requests and of responses."""

MAX_KEY_LENGTH: Final = 255
MAX_TIMEPOINT_DIGITS: Final = 18


class OnStale(StrEnum):
    """What a read does that is asked to be newer than what the projector has come to within its time."""

    ERROR = "ERROR"
    FRESH = "FRESH"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExtensions:
    """``extensions.bff`` of a request, of the right types.

    ``given`` says that the object was there at all: then results of subscriptions carry their version. ``as_of`` asks for the
    timepoint that the answer is true for; ``min_as_of`` for an answer that has seen this timepoint, ``on_stale`` for what to do
    where there is none in time; ``since`` is the version that a subscriber holds; ``patch`` asks for patches against it;
    ``idempotency_key`` names a mutation that is to be done once however often it is sent.
    """

    given: bool = False
    as_of: bool = False
    min_as_of: Timepoint | None = None
    on_stale: OnStale = OnStale.ERROR
    since: str | None = None
    patch: bool = False
    idempotency_key: str | None = None

    @classmethod
    def parse(cls, extensions: Mapping[str, Any] | None) -> RequestExtensions:
        """Read the extensions of a request. Raises BadUserInput, with the path, for a key that is unknown or of another type."""
        given = None if extensions is None else extensions.get(NAME)
        if given is None:
            return NOTHING_ASKED
        if not isinstance(given, Mapping):
            raise _bad([], "is not an object")
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in _READERS:
                raise _bad([key], f"is not known; there are {', '.join(_READERS)}")
            if value is not None:
                name, read = _READERS[key]
                values[name] = read(key, value)
        return cls(given=True, **values)


NOTHING_ASKED: Final = RequestExtensions()


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad([key], "is true or false")
    return value


def _timepoint(key: str, value: Any) -> Timepoint:
    # As the answers have it: a string, since JavaScript's numbers end before a timepoint's digits do.
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > MAX_TIMEPOINT_DIGITS:
        raise _bad([key], "is a timepoint as an answer gave it, a string of digits")
    return int(value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _bad([key], "is a string")
    return value


def _idempotency_key(key: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KEY_LENGTH:
        raise _bad([key], f"is a string of 1 to {MAX_KEY_LENGTH} characters")
    return value


def _on_stale(key: str, value: Any) -> OnStale:
    try:
        return OnStale(value)
    except ValueError:
        raise _bad([key], f"is one of {', '.join(OnStale)}") from None


_READERS: Final[Mapping[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "asOf": ("as_of", _flag),
    "minAsOf": ("min_as_of", _timepoint),
    "onStale": ("on_stale", _on_stale),
    "since": ("since", _text),
    "patch": ("patch", _flag),
    "idempotencyKey": ("idempotency_key", _idempotency_key),
}


def _bad(path: list[str], problem: str) -> BadUserInput:
    where = ["extensions", NAME, *path]
    return BadUserInput(f"{'.'.join(where)} {problem}", [*where])
