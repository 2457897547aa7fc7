"""How new what one operation reads is: ``asOf`` and ``minAsOf``."""

from __future__ import annotations

from collections.abc import Mapping

from bff.datastore.port import Datastore
from bff.errors import Stale
from bff.projection.fresh_reader import FreshReader
from bff.projection.reader import ViewReader
from bff.request_extensions import OnStale, RequestExtensions
from bff.resolvers.consistency import Consistency
from bff.types import Timepoint

__all__ = ["Freshness"]


class Freshness:
    """Of one operation. ``as_of``: every change up to it is in whatever the operation reads; 0 where that is not known."""

    def __init__(self, consistency: Consistency, asked: RequestExtensions) -> None:
        self._consistency = consistency
        self._asked = asked
        self.as_of: Timepoint = 0

    async def note(self) -> None:
        """Take the as-of timepoint, where it is asked for: before anything is read. Raises DatastoreUnavailable."""
        if self._asked.as_of and self._consistency.as_of is not None:
            self.as_of = await self._consistency.as_of.now()

    async def reader(self, datastore: Datastore, views: ViewReader) -> ViewReader:
        """Wait until what is stored is as new as the request asks for; what to read views with then.

        Where it is not within ``stale_seconds``, that raises Stale or, if the client prefers, builds views afresh. Those see
        everything that was committed by now: a timepoint that is still to come is Stale all the same.
        """
        minimum = self._asked.min_as_of
        if minimum is None:
            await self.note()
            return views
        if self._consistency.as_of is None:
            raise Stale("nothing here knows how far the views have come")
        try:
            self.as_of = await self._consistency.as_of.wait_for(minimum, self._consistency.stale_seconds)
        except Stale:
            if self._asked.on_stale is not OnStale.FRESH:
                raise
            present = await datastore.ping()
            if present < minimum:
                raise
            self.as_of = present
            return FreshReader(views)
        return views

    def told(self, at_least: Timepoint = 0) -> Mapping[str, str | None]:
        """``asOf``, where it is asked for: null where nothing is known."""
        if not self._asked.as_of:
            return {}
        as_of = max(self.as_of, at_least)
        return {"asOf": str(as_of) if as_of else None}
