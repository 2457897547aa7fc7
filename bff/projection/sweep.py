"""Finds what others have left undone: builds that nobody has checked, and failures that nobody tries again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import cast

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.follower import Follower
from bff.projection.paging import metadata_pages, pages
from bff.projection.unchecked import UNCHECKED, Unchecked
from bff.query import Compare, Op, Query

__all__ = ["Sweep"]


class Sweep:
    """Looks through the notes in `_bff_unchecked`, and what is marked as failing in `_bff_views`, and has it built again.

    A process that was killed, or that has no projector of its own, may have stored a view that was out of date already; until
    somebody has made sure, a note says so.
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, follower: Follower, unchecked: Unchecked) -> None:
        self._datastore = datastore
        self._names = {view.__view__.storage: name for name, view in catalog.views.items()}
        self._follower = follower
        self._unchecked = unchecked

    async def once(self, grace: float) -> None:
        """Look once. Whoever built a view gets ``grace`` seconds to check it. Raises DatastoreUnavailable."""
        young = time.time_ns() // 1000 - round(grace * 1_000_000)
        async for documents in pages(self._datastore, Query(UNCHECKED)):
            for document in documents:
                if cast(int, (document.data or {})["at"]) <= young:
                    for storage, key in self._unchecked.adopt(document, self._names):
                        await self._follower.add((self._names[storage], key))
        failures = self._follower.failures
        async for page in metadata_pages(self._datastore, Compare("failing", Op.EQ, True)):
            for metadata in page:
                failure, name = metadata.failure, self._names.get(metadata.view)
                if failure is None or name is None or (name, metadata.key) in failures:
                    continue
                since = datetime.fromtimestamp(failure.since / 1_000_000, UTC)
                failures.failed(name, metadata.key, failure.message, failure.attempts, since)
