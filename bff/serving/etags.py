"""ETags of answers over views, and what each was made of, as far as it is remembered."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from graphql import GraphQLSchema, print_schema

from bff.serving.limits import Limits
from bff.serving.operations import Operation

__all__ = ["ANY", "ETags", "ReadVersions", "VersionedContext", "held"]

ANY: Final = "*"
"""In an ``If-None-Match``: whatever the ETag of the answer is."""


class ReadVersions(Protocol):
    """What an operation has read, and no more of it than which versions."""

    @property
    def digest(self) -> str:
        """The same for the same views in the same versions, and the same results of lists in the same order."""
        ...

    @property
    def size(self) -> int:
        """How many versions it holds."""
        ...

    @property
    def whole(self) -> bool:
        """Whether everything that was asked for is there."""
        ...


@runtime_checkable
class VersionedContext(Protocol):
    """An ``info.context`` that records what is read through it."""

    @property
    def read_versions(self) -> ReadVersions | None:
        """What was read; None where something could not be."""
        ...

    @property
    def audience(self) -> str:
        """The same for all who are shown the same of the same versions."""
        ...

    async def unchanged(self, read: Any) -> bool:
        """Whether the same operation would read the very same versions now; found out without reading any document's fields."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    answer: tuple[str, ...]
    reads: ReadVersions


class ETags:
    """Makes ETags, and remembers what the most recently used ones were made of, within the limits.

    An ETag is weak (RFC 9110, section 8.8.1): compressed or not, the same answer has the same one. It is the hash of the schema,
    of ``definition`` (whatever else makes the same versions be shown otherwise), of the operation with its variables, of
    the media type, of whom it is shown to, and of what was read. It is the same in every process.
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits, definition: str = "") -> None:
        self._definition = _hash(print_schema(schema), definition)
        self._limits = limits
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._versions = 0

    def add(self, operation: Operation, media_type: str, audience: str, reads: ReadVersions) -> str:
        """The ETag of an answer; what it is made of is remembered."""
        answer = (operation.fingerprint, media_type, audience)
        tag = f'W/"{_hash(self._definition, *answer, reads.digest)}"'
        known = self._known.pop(tag, None)
        if known is not None:
            self._versions -= known.reads.size
        if reads.size <= self._limits.cached_versions:
            self._known[tag] = _Known(answer, reads)
            self._versions += reads.size
        while len(self._known) > self._limits.cached_etags or self._versions > self._limits.cached_versions:
            _, oldest = self._known.popitem(last=False)
            self._versions -= oldest.reads.size
        return tag

    def reads(self, tag: str, operation: Operation, media_type: str, audience: str) -> ReadVersions | None:
        """What the ETag of an answer to this very operation was made of; None where that is not known here."""
        known = self._known.get(tag)
        if known is None or known.answer != (operation.fingerprint, media_type, audience):
            return None
        self._known.move_to_end(tag)
        return known.reads


def held(if_none_match: str | None) -> list[str]:
    """The ETags of an ``If-None-Match``, each as ours are written: weakly they are compared (RFC 9110, section 13.1.2)."""
    tags = [] if if_none_match is None else [part.strip() for part in if_none_match.split(",")]
    return [tag if tag == ANY or tag.startswith("W/") else f"W/{tag}" for tag in tags if tag]


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()[:32]
