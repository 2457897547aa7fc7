"""Which pages a browser may be sent here by: it asks every host with the user's cookies, whichever page wants it to.

A request that a page of another origin can have sent without asking first (https://fetch.spec.whatwg.org/#http-cors-protocol) is
refused: an opening WebSocket, which knows no asking (cross-site WebSocket hijacking, CWE-1385), and a GET, which may open a
stream (CSRF, CWE-352). A POST has to be JSON, and is asked for first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

__all__ = ["PREFLIGHT_HEADERS", "Origins"]

PREFLIGHT_HEADERS: Final = (
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "x-requested-with",
)
"""A browser asks first before it sends one of these for a page of another origin."""

_OWN_SITES: Final = frozenset({"same-origin", "none"})


class Origins:
    """The own origin, and ``allowed`` others (``https://app.example.com``; ``*`` for all)."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allow(self, headers: Headers) -> bool:
        """Whether what opens a WebSocket is no browser, or is sent by a page that may."""
        origin = headers.get("origin")
        if origin is None or "*" in self._allowed or origin.rstrip("/").lower() in self._allowed:
            return True
        try:
            host = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        # That of a page without an origin ("null") has no host, as a request may have none.
        return host != "" and host == headers.get("host", "").lower()

    def allow_get(self, headers: Headers) -> bool:
        """Whether a GET is sent by no browser, by a page that may, or by one that had to ask first.

        Browsers of before 2023 send neither ``Origin`` nor ``Sec-Fetch-Site`` with some of them.
        """
        if any(name in headers for name in PREFLIGHT_HEADERS):
            return True
        if "origin" not in headers and "*" not in self._allowed:
            return headers.get("sec-fetch-site", "none").lower() in _OWN_SITES
        return self.allow(headers)
