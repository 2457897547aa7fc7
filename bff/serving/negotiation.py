"""Which media type an HTTP response has, and which ones a request may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers

__all__ = [
    "GRAPHQL_RESPONSE",
    "JSON",
    "accepts_html",
    "field_value",
    "is_json",
    "media_ranges",
    "negotiate",
    "negotiate_encoding",
]

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"


def field_value(headers: Headers, name: str) -> str | None:
    """A field that is a list, None where it is not there. It may come in several lines (RFC 9110, section 5.3)."""
    lines = headers.getlist(name)
    return ", ".join(lines) if lines else None


def negotiate(accept: str | None) -> str | None:
    """The media type to answer with, None where the client accepts neither of ours.

    ``application/json`` unless ``application/graphql-response+json`` is asked for by name: a client that does not
    say knows only the older one's status codes.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = [(name, quality) for name, _, quality in media_ranges(accept)]
    named = [(name, quality) for name, quality in ranges if name in (JSON, GRAPHQL_RESPONSE) and quality > 0]
    if named:
        return max(named, key=lambda each: each[1])[0]  # of equals, the first
    qualities = dict(ranges)
    if qualities.get("application/*", qualities.get("*/*", 0.0)) == 0:
        return None
    # One that is named is named to be refused.
    return next((name for name in (JSON, GRAPHQL_RESPONSE) if name not in qualities), None)


def negotiate_encoding(accept_encoding: str | None, offered: Sequence[str]) -> str | None:
    """Which of the offered content encodings to use, None for none (RFC 9110, section 12.5.3).

    The one of the highest quality; of equals, the one that is offered first. A client that does not say gets none.
    """
    if accept_encoding is None:
        return None
    qualities = {name: quality for name, _, quality in media_ranges(accept_encoding)}
    others = qualities.get("*", 0.0)
    # Unlike the others, identity is acceptable where it is not spoken of: as the last choice.
    best, chosen = qualities.get("identity", 0.0), None
    for encoding in offered:
        quality = qualities.get(encoding, others)
        if quality > best or (chosen is None and quality == best > 0):
            best, chosen = quality, encoding
    return chosen


def accepts_html(accept: str | None) -> bool:
    """Whether this is a browser that has followed a link."""
    return accept is not None and any(name == "text/html" and quality > 0 for name, _, quality in media_ranges(accept))


def is_json(content_type: str | None) -> bool:
    """Whether a body is JSON in UTF-8. A page of another origin cannot send that without asking first (CORS)."""
    if content_type is None:
        return False
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [value.strip('"') for key, _, value in (each.partition("=") for each in parameters) if key == "charset"]
    return name == JSON and all(each in ("utf-8", "utf8") for each in charsets)


def media_ranges(accept: str) -> list[tuple[str, dict[str, str], float]]:
    """What an ``Accept``, or a field like it, lists: names, parameters and qualities. A quality that is none is 0."""
    ranges = []
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        values = {key.strip(): value.strip().strip('"') for key, _, value in (each.partition("=") for each in parameters)}
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            quality = 0.0
        ranges.append((name, values, quality if 0 <= quality <= 1 else 0.0))
    return ranges
