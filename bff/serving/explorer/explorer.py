"""The explorer's page at the GraphQL path, and the files that it is made of below that path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["Explorer"]

FILES: Final[Mapping[str, str]] = {
    "explorer.js": "text/javascript; charset=utf-8",
    "explorer.css": "text/css; charset=utf-8",
    "licences.txt": "text/plain; charset=utf-8",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{css}">
<link rel="license" href="{licences}">
</head>
<body style="margin: 0">
<div id="explorer" style="height: 100dvh"></div>
<noscript>GraphiQL needs JavaScript.</noscript>
<script src="{js}"></script>
</body>
</html>
"""
# Nothing from anywhere else is loaded or asked, and nothing in a result can have it so. Its menus style themselves inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": _POLICY,
}
# An address holds what its content hashes to: another content has another address.
_FILE_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Explorer:
    """GraphiQL with subscriptions and headers. It reads its files when it is made, and asks nobody else for anything."""

    def __init__(self) -> None:
        folder = resources.files("bff.serving.explorer") / "static"
        self._files = {name: (folder / name).read_bytes() for name in FILES}
        self._versions = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self._files.items()}

    def page(self, request: Request) -> Response:
        """The page, for a browser that has come to the GraphQL path."""
        # Relative to the page's own address, which a proxy may have made another one than ours.
        last = request.url.path.rpartition("/")[2]
        below = f"{last}/explorer" if last else "explorer"
        js, css, licences = (f"{below}/{self._versions[name]}/{name}" for name in FILES)
        return Response(_PAGE.format(js=js, css=css, licences=licences), media_type="text/html", headers=_PAGE_HEADERS)

    def routes(self, graphql_path: str) -> list[Route]:
        """Where its files are served: below the GraphQL path, and nothing else beside them."""
        return [Route(f"{graphql_path.rstrip('/')}/explorer/{{version}}/{{name}}", self._file)]

    def _file(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        if self._versions.get(name) != version:
            return PlainTextResponse("There is no such file.", 404)
        headers = {**_FILE_HEADERS, "ETag": f'"{version}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(self._files[name], headers={**headers, "Content-Type": FILES[name]})
