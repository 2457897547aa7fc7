"""Which media type an HTTP response has, and which ones a request may have."""

from __future__ import annotations

from typing import Final

__all__ = ["GRAPHQL_RESPONSE", "JSON", "accepts_html", "is_json", "negotiate"]

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"


def negotiate(accept: str | None) -> str | None:
    """The media type to answer with, None where the client accepts neither of ours.

    ``application/json`` unless ``application/graphql-response+json`` is asked for by name: a client that does not
    say knows only the older one's status codes.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = _ranges(accept)
    named = [(name, quality) for name, quality in ranges if name in (JSON, GRAPHQL_RESPONSE) and quality > 0]
    if named:
        return max(named, key=lambda each: each[1])[0]  # of equals, the first
    refused = {name for name, quality in ranges if quality == 0}
    if JSON not in refused and any(name in ("*/*", "application/*") and quality > 0 for name, quality in ranges):
        return JSON
    return None


def accepts_html(accept: str | None) -> bool:
    """Whether this is a browser that has followed a link."""
    return accept is not None and any(name == "text/html" for name, _ in _ranges(accept))


def is_json(content_type: str | None) -> bool:
    """Whether a body is JSON in UTF-8. A page of another origin cannot send that without asking first (CORS)."""
    if content_type is None:
        return False
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [value.strip('"') for key, _, value in (each.partition("=") for each in parameters) if key == "charset"]
    return name == JSON and all(each in ("utf-8", "utf8") for each in charsets)


def _ranges(accept: str) -> list[tuple[str, float]]:
    ranges = []
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        ranges.append((name, quality))
    return ranges
