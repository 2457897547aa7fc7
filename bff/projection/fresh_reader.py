"""Reads views as they are now, where what is stored is too old."""

from __future__ import annotations

from collections.abc import Sequence

from bff.errors import BFFError, Stale
from bff.model.view_model import ViewModel
from bff.projection.reader import Found, ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.types import Timepoint

__all__ = ["FreshReader", "list_unknown"]


class FreshReader(ViewReader):
    """Builds the views that are asked for by key, from a snapshot that sees every commit before the call.

    What a query over stored views would find cannot be had so: which views there are is only known of those that are stored.
    Those reads raise Stale. ``stored`` reads what is stored.
    """

    def __init__(self, stored: ViewReader) -> None:
        self.stored = stored

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        return await self.stored.fresh(view, keys)

    async def read_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        return await self.stored.fresh_each(view, keys)

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        return await self.stored.fresh(view, keys)

    async def fresh_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        return await self.stored.fresh_each(view, keys)

    async def find_at(self, query: Query, view: type[ViewModel]) -> Found:
        raise list_unknown(view)

    async def read_at(self, view: type[ViewModel], keys: Sequence[str]) -> Found:
        raise list_unknown(view)

    async def versions(self, view: type[ViewModel], keys: Sequence[str]) -> list[Timepoint | None]:
        """None for each: what is stored says nothing of what is true now."""
        return [None for _ in keys]

    async def find_versions(self, query: Query, view: type[ViewModel]) -> list[tuple[str, Timepoint | None]]:
        raise list_unknown(view)

    async def count(self, query: Query, view: type[ViewModel]) -> int:
        raise list_unknown(view)


def list_unknown(view: type[ViewModel]) -> Stale:
    """What a list of these views is, live or not, to whoever asks for more than is stored."""
    name = view.__view__.name
    return Stale(f"which {name} there are is not known yet as of minAsOf: only views that are asked for by id are built afresh")
