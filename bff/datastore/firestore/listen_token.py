"""Firestore's resume tokens, as they are kept outside."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Iterable

from bff.datastore.firestore.wire import Names
from bff.datastore.port import ResumePoint, Target
from bff.types import Timepoint

__all__ = ["Seal"]


class Seal:
    """Marks tokens with the database and the targets that they are good for: with others they would leave documents out."""

    def __init__(self, targets: Iterable[Target], names: Names) -> None:
        listed = sorted(f"{target.collection}\n{target.group}" for target in targets)
        self._mark = hashlib.sha256("\0".join([names.database, *listed]).encode()).hexdigest()[:16]

    def close(self, token: bytes) -> str:
        return f"{self._mark}.{urlsafe_b64encode(token).decode()}" if token else ""

    def open(self, since: ResumePoint | None) -> tuple[bytes, Timepoint | None]:
        """A token and a read time to begin at; neither where nobody can tell what has changed since."""
        if since is None:
            return b"", None
        if not since.token:
            return b"", since.timepoint
        mark, _, encoded = since.token.partition(".")
        if mark != self._mark:
            return b"", None
        try:
            return urlsafe_b64decode(encoded), since.timepoint
        except (BadBase64, ValueError):
            return b"", None
