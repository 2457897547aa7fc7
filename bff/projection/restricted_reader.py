"""Reads views as somebody may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bff.errors import BFFError
from bff.model.view_model import ViewModel
from bff.projection.audience import Audience
from bff.projection.reader import Found, ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.types import Timepoint

__all__ = ["RestrictedReader"]


class RestrictedReader(ViewReader):
    """What ``stored`` reads, as an audience may see it: a view that it may not see is one that is not there."""

    def __init__(self, stored: ViewReader, audience: Audience) -> None:
        self._stored = stored
        self._audience = audience
        self.news = stored.news

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        found = await self._stored.read(view, keys)
        shown = self._shown(view, found)
        await self._look_for(view, found, shown)
        return shown

    async def read_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        found = await self._stored.read_each(view, keys)
        shown = self._shown_each(view, found)
        await self._look_for(view, found, shown)
        return shown

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        return self._shown(view, await self._stored.fresh(view, keys))

    async def fresh_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        return self._shown_each(view, await self._stored.fresh_each(view, keys))

    async def find_at(self, query: Query, view: type[ViewModel]) -> Found:
        found = await self._stored.find_at(self._audience.restricted(view, query), view)
        # What is shown for an outdated document was built meanwhile: its readers may be others by now.
        return replace(found, views=self._shown(view, found.views))

    async def read_at(self, view: type[ViewModel], keys: Sequence[str]) -> Found:
        found = await self._stored.read_at(view, keys)
        return replace(found, views=self._shown(view, found.views))

    async def versions(self, view: type[ViewModel], keys: Sequence[str]) -> list[Timepoint | None]:
        """Those that are stored, whoever may see them: a view whose readers have changed has another version."""
        return await self._stored.versions(view, keys)

    async def find_versions(self, query: Query, view: type[ViewModel]) -> list[tuple[str, Timepoint | None]]:
        return await self._stored.find_versions(self._audience.restricted(view, query), view)

    async def count(self, query: Query, view: type[ViewModel]) -> int:
        return await self._stored.count(self._audience.restricted(view, query), view)

    async def _look_for(
        self, view: type[ViewModel], found: Sequence[StoredView | BFFError], shown: Sequence[StoredView | BFFError]
    ) -> None:
        """What is not there is looked for, which takes its time: so it is with what is hidden (CWE-208)."""
        hidden = self._audience.hidden(found, shown)
        if hidden:
            await self._stored.read_as_missing(view, hidden, known=False)

    def _shown(self, view: type[ViewModel], states: Sequence[StoredView]) -> list[StoredView]:
        return [self._audience.shown(view, state) for state in states]

    def _shown_each(self, view: type[ViewModel], found: Sequence[StoredView | BFFError]) -> list[StoredView | BFFError]:
        return [self._audience.shown(view, one) if isinstance(one, StoredView) else one for one in found]
