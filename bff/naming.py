"""Names: ``snake_case`` in Python, ``camelCase`` in documents and GraphQL, and back."""

from __future__ import annotations

import re

__all__ = ["is_invertible", "pascal", "plural", "to_camel", "to_snake", "uncapitalise", "upper_snake"]

_UNDERSCORE_LETTER = re.compile(r"_([a-z0-9])")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CAPITAL = re.compile(r"([A-Z])")


def to_camel(name: str) -> str:
    """``num_hearing_aid`` → ``numHearingAid``."""
    return _UNDERSCORE_LETTER.sub(lambda found: found[1].upper(), name)


def to_snake(name: str) -> str:
    """``numHearingAid`` → ``num_hearing_aid``."""
    return _CAPITAL.sub(lambda found: f"_{found[1].lower()}", name)


def is_invertible(name: str) -> bool:
    """Whether a snake_case name comes back whole from its camelCase form (``line_2`` does not)."""
    return to_snake(to_camel(name)) == name


def pascal(name: str) -> str:
    """``check_in`` or ``checkIn`` → ``CheckIn``."""
    camel = to_camel(name)
    return camel[:1].upper() + camel[1:]


def upper_snake(name: str) -> str:
    """``MeetingNotOpen`` → ``MEETING_NOT_OPEN``, ``HTTPDown`` → ``HTTP_DOWN``."""
    return _WORD_START.sub("_", name).upper()


def uncapitalise(name: str) -> str:
    """``MeetingSession`` → ``meetingSession``; ``URLView`` → ``urlView``."""
    head = re.match(r"[A-Z]+(?=[A-Z][a-z]|[0-9]|$)|[A-Z]", name)
    return name if head is None else head[0].lower() + name[head.end() :]


def plural(name: str) -> str:
    """``meetingSession`` → ``meetingSessions``, ``city`` → ``cities``, ``address`` → ``addresses``."""
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    if re.search(r"(s|x|z|ch|sh)$", name):
        return name + "es"
    return name + "s"
