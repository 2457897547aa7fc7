"""The page of the example: the built one of ``web/dist`` or, where it was not built, the plain one of ``web/plain``."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

__all__ = ["routes"]

WEB = Path(__file__).parent / "web"
BUILT = WEB / "dist"
PLAIN = WEB / "plain"

SECURITY_HEADERS = {
    # Everything the page needs comes from here, its GraphQL and its WebSocket included.
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def index(request: Request) -> Response:
    # Looked up for each request: the page may be built while the server runs.
    built = BUILT / "index.html"
    return document(built) if built.is_file() else plain(request)


def plain(request: Request) -> Response:
    return document(PLAIN / "index.html")


def document(path: Path) -> Response:
    return FileResponse(path, headers={**SECURITY_HEADERS, "cache-control": "no-cache"})


def asset(request: Request) -> Response:
    """A script or a style sheet. Those of the built page have their content's hash in their names: they never change."""
    name = request.path_params["name"]
    for page, cache in ((BUILT, "public, max-age=31536000, immutable"), (PLAIN, "no-cache")):
        folder = (page / "assets").resolve()
        path = (folder / name).resolve()
        if path.parent == folder and path.is_file():
            return FileResponse(path, headers={**SECURITY_HEADERS, "cache-control": cache})
    raise HTTPException(404)


def routes() -> list[BaseRoute]:
    """What the app serves besides GraphQL."""
    return [Route("/", index), Route("/plain", plain), Route("/assets/{name}", asset)]
