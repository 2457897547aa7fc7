"""``sqlite://`` URLs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from bff.errors import SettingsError

__all__ = ["path_of_url"]

FORMS = "sqlite:///relative.db, sqlite:////absolute/path.db, or sqlite:// for memory"


def path_of_url(url: str) -> Path | None:
    """The file that a URL names, None for memory. Raises SettingsError."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise SettingsError(f"{url!r} is not a sqlite URL: write {FORMS}")
    if parts.query or parts.fragment:
        raise SettingsError(f"{url!r}: a sqlite URL has no options: write {FORMS}")
    path = unquote(parts.path)
    if parts.netloc not in {"", ":memory:"} or (parts.netloc and path not in {"", "/"}):
        raise SettingsError(f"{url!r}: a file comes after three slashes: write {FORMS}")
    if parts.netloc or path in {"", "/", "/:memory:"}:
        return None
    return Path(path[1:])
