"""Which stored views a commit makes outdated or new, for whoever made it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing

from bff.datastore.port import Datastore, Snapshots
from bff.datastore.unit_of_work import Change
from bff.model.catalog import Catalog
from bff.projection.affected import Affected
from bff.projection.shapes import Shapes
from bff.projection.views_affected import MAX_VIEWS, ViewsAffected

__all__ = ["Effects"]

logger = logging.getLogger(__name__)

MAX_DOCUMENTS = 100
SECONDS = 2.0
SHAPES_SECONDS = 1.0


class Effects:
    """Finds the views that a commit concerns: those that a projector builds because of it.

    ``shapes`` are a projector's, which its listener keeps up to date; without them they are read, at most once a second. At most
    ``limit`` views are found, and at most so many documents and seconds are spent on it.
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, shapes: Shapes | None = None, *, limit: int = MAX_VIEWS) -> None:
        self._datastore = datastore
        self._kept = shapes is not None
        self._shapes = shapes or Shapes()
        self._read_at: float | None = None
        self._affected = Affected(datastore, catalog, self._shapes)
        self._limit = limit

    async def of(self, changes: Sequence[Change], within: Snapshots | None = None) -> ViewsAffected:
        """Asked right after the commit, or before it ``within`` the snapshot of its unit of work.

        Raises nothing: what cannot be found is ``more``.
        """
        found: set[tuple[str, str]] = set()
        # What bff keeps for itself is no view's concern.
        documents = [change for change in changes if not change.after.path.startswith("_bff_")]
        if not documents:
            return ViewsAffected()
        more = len(documents) > MAX_DOCUMENTS
        snapshots = within or self._datastore
        try:
            async with asyncio.timeout(SECONDS):
                await self._read_shapes(snapshots)
                items = self._affected.by_changes(documents[:MAX_DOCUMENTS], snapshots, self._limit + 1)
                async with aclosing(items):
                    async for item in items:
                        if len(found) == self._limit and item not in found:
                            more = True
                            break
                        found.add(item)
        except Exception as error:
            logger.warning("not every view that a commit affects was found: %s: %s", type(error).__name__, error)
            more = True
        return ViewsAffected(tuple(sorted(found)), more)

    async def _read_shapes(self, snapshots: Snapshots) -> None:
        now = time.monotonic()
        if self._kept or (self._read_at is not None and now - self._read_at < SHAPES_SECONDS):
            return
        await self._shapes.load(snapshots)
        self._read_at = now
