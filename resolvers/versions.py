"""Which versions an operation has read: what its answer follows from, and what tells whether it still holds."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import orjson

from bff.model.catalog import Catalog
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.resolvers.reads import Reads
from bff.types import Timepoint

__all__ = ["ReadVersions"]

Versions: TypeAlias = tuple[tuple[str, Timepoint | None], ...]
"""Keys of views with their versions, None for one that was absent."""


@dataclass(frozen=True)
class ReadVersions:
    """The versions of the views that were read by key, by view name; the results of lists, in their order; and counts."""

    views: tuple[tuple[str, Versions], ...]
    lists: tuple[tuple[str, Query, Versions], ...]
    counts: tuple[tuple[str, Query, int], ...]

    @classmethod
    def of(cls, reads: Reads) -> ReadVersions | None:
        """None where something could not be read: there is no saying what that would be another time."""
        if reads.failed:
            return None
        views: defaultdict[str, list[StoredView]] = defaultdict(list)
        for stored in reads.stored.values():
            views[stored.view].append(stored)
        return cls(
            tuple((name, tuple(sorted(_versions(views[name])))) for name in sorted(views)),
            tuple((name, query, _versions(found)) for name, query, found in reads.lists),
            tuple(reads.counts),
        )

    @cached_property
    def digest(self) -> str:
        """The same for the same views in the same versions, and the same results of lists in the same order."""
        # Lists of one level are read at once: which one comes first says nothing.
        lists = sorted((name, repr(query), found) for name, query, found in self.lists)
        counts = sorted((name, repr(query), count) for name, query, count in self.counts)
        return hashlib.sha256(orjson.dumps((self.views, lists, counts))).hexdigest()

    @cached_property
    def size(self) -> int:
        """How many versions it holds; a list and a count are one more each."""
        found = [*(found for _, found in self.views), *(found for _, _, found in self.lists)]
        return sum(map(len, found)) + len(self.lists) + len(self.counts)

    @property
    def whole(self) -> bool:
        """Whether every view that was read by key is there."""
        return all(version is not None for _, found in self.views for _, version in found)

    async def unchanged(self, views: ViewReader, catalog: Catalog) -> bool:
        """Whether reading all of it again would find the same. One read for each view type, list and count, side by side.

        No field of a document but its version is read. Whether a view that was absent still is cannot be told from that: one
        that is asked for and not stored is built; so that is never said to be unchanged.
        Raises DatastoreUnavailable.
        """
        if not self.whole:
            return False
        checks: list[Awaitable[bool]] = []
        for name, found in self.views:
            checks.append(_same_views(views, catalog, name, found))
        for name, query, found in self.lists:
            checks.append(_same_list(views, catalog, name, query, found))
        for name, query, count in self.counts:
            checks.append(_same_count(views, catalog, name, query, count))
        outcomes = await asyncio.gather(*checks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return all(outcomes)


async def _same_views(views: ViewReader, catalog: Catalog, name: str, found: Versions) -> bool:
    return await views.versions(catalog.views[name], [key for key, _ in found]) == [version for _, version in found]


async def _same_list(views: ViewReader, catalog: Catalog, name: str, query: Query, found: Versions) -> bool:
    return await views.find_versions(query, catalog.views[name]) == list(found)


async def _same_count(views: ViewReader, catalog: Catalog, name: str, query: Query, count: int) -> bool:
    return await views.count(query, catalog.views[name]) == count


def _versions(found: Sequence[StoredView]) -> Versions:
    return tuple((stored.key, stored.version if stored.exists else None) for stored in found)
