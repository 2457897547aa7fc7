"""Where a Firestore database is: what a ``firestore://`` URL says."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from bff.errors import SettingsError

__all__ = ["Address"]

DEFAULT_DATABASE = "(default)"
EMULATOR_VARIABLE = "FIRESTORE_EMULATOR_HOST"
HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):\d{1,5}")


@dataclass(frozen=True, slots=True)
class Address:
    """A database of a Google Cloud project or, with ``emulator`` (``host:port``), of an emulator."""

    project: str
    database: str = DEFAULT_DATABASE
    emulator: str | None = None

    @classmethod
    def from_url(cls, url: str) -> Address:
        """``firestore://project[/database][?emulator=host:port]``; without ``emulator``, FIRESTORE_EMULATOR_HOST decides.

        Raises SettingsError.
        """
        parts = urlsplit(url)
        project = unquote(parts.netloc)
        database = unquote(parts.path.strip("/")) or DEFAULT_DATABASE
        if parts.scheme != "firestore" or not project or "@" in project or "/" in database or parts.fragment:
            raise SettingsError(f"{url!r} is no Firestore URL: use firestore://project[/database][?emulator=host:port]")
        try:
            options = dict(parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True)) if parts.query else {}
        except ValueError as error:
            raise SettingsError(f"{url!r}: {error}") from None
        emulator = options.pop("emulator", None) or os.environ.get(EMULATOR_VARIABLE) or None
        if options:
            raise SettingsError(f"{url!r}: {', '.join(options)} is not an option of a Firestore URL; emulator=host:port is")
        if emulator is not None and not HOST_AND_PORT.fullmatch(emulator):
            raise SettingsError(f"{emulator!r} is no emulator's address: use host:port, e.g. 127.0.0.1:8080")
        return cls(project, database, emulator)

    @property
    def url(self) -> str:
        database = "" if self.database == DEFAULT_DATABASE else f"/{self.database}"
        emulator = "" if self.emulator is None else f"?emulator={self.emulator}"
        return f"firestore://{self.project}{database}{emulator}"

    @property
    def resource(self) -> str:
        """The database's name in Firestore's API."""
        return f"projects/{self.project}/databases/{self.database}"
