"""Finds what others have left undone: builds that nobody has checked, and failures that nobody tries again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.follower import Follower
from bff.projection.paging import metadata_pages
from bff.query import Compare, Op

__all__ = ["Sweep"]


class Sweep:
    """Looks through what is marked in `_bff_views` as unchecked or failing, and has it built again.

    A process that was killed, or that has no projector of its own, may have stored a view that was out of date already; until
    somebody has made sure, its metadata says so.
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, follower: Follower, is_checked: Callable[[str], bool]) -> None:
        self._datastore = datastore
        self._views = catalog.views
        self._follower = follower
        self._is_checked = is_checked

    async def once(self, grace: float) -> None:
        """Look once. Whoever built a view gets ``grace`` seconds to check it. Raises DatastoreUnavailable."""
        young = time.time_ns() // 1000 - round(grace * 1_000_000)
        async for page in metadata_pages(self._datastore, Compare("unchecked", Op.EQ, True)):
            for metadata in page:
                if metadata.view in self._views and metadata.built_at <= young and not self._is_checked(metadata.path):
                    await self._follower.add((metadata.view, metadata.key))
        failures = self._follower.failures
        async for page in metadata_pages(self._datastore, Compare("failing", Op.EQ, True)):
            for metadata in page:
                failure = metadata.failure
                if failure is None or metadata.view not in self._views or (metadata.view, metadata.key) in failures:
                    continue
                since = datetime.fromtimestamp(failure.since / 1_000_000, UTC)
                failures.failed(metadata.view, metadata.key, failure.message, failure.attempts, since)
