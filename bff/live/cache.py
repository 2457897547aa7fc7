"""Reads of views that are answered from what the hub knows, as long as somebody tells it of every change."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bff.errors import BFFError
from bff.live.entry import Entry
from bff.live.feeds import Feeds
from bff.live.flight import Flight
from bff.live.kept import Kept
from bff.live.liveness import Liveness
from bff.live.reading import Views
from bff.projection.stored_view import StoredView
from bff.types import Timepoint

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["Cache"]

logger = logging.getLogger(__name__)


class Cache:
    """The hub's entries, for whoever asks once: kept after their last subscriber, or without any.

    An entry answers while it is sure and the relay is following. That there is no view is never answered from here: whoever asks
    for one that is not there has it built, as its root may have been created a moment ago.
    """

    def __init__(self, views: Views, feeds: Feeds, *, most: int, most_bytes: int, batch: int) -> None:
        self._views = views
        self._feeds = feeds
        self._batch = batch
        self._entries = feeds.entries
        self._liveness: Liveness | None = None
        self._flights = 0
        self.hits = 0
        """How often a view was known; ``misses`` is how many were read."""
        self.misses = 0
        self.kept = Kept(most, most_bytes, feeds.forget)

    def open(self, liveness: Liveness) -> None:
        """Keep what is read, while this is following."""
        self._liveness = liveness

    def close(self) -> None:
        """Keep nothing any more."""
        self._liveness = None
        self.kept.clear()

    @property
    def live(self) -> bool:
        """Whether what is kept can be trusted at this moment."""
        return self._liveness is not None and self._liveness.following

    def known(self, view: type[ViewModel], key: str) -> StoredView | None:
        """As ``Hub.known`` says."""
        entry = self._feeds.known(view, key)
        if entry is None:
            return None
        state, liveness = entry.state, self._liveness
        if state is None or state.document is None or liveness is None or not liveness.following or not entry.sure:
            return None
        self.hits += 1
        self.kept.use(entry)
        return state

    def known_all(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView] | None:
        """As ``Hub.known_all`` says."""
        liveness, of_view = self._liveness, self._entries.get(view)
        if of_view is None or liveness is None or not liveness.following:
            return None
        # As ``known``, without a call for each: an answer may have hundreds of links.
        gaps = liveness.gaps
        states: list[StoredView] = []
        entries: list[Entry] = []
        for entry in map(of_view.get, keys):
            if entry is None:
                return None
            state = entry.state
            if state is None or state.document is None or entry.heard != entry.source.lost + gaps + entry.doubts:
                return None
            entries.append(entry)
            states.append(state)
        self.kept.use_all(entries)
        return states

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        """As ``Hub.read`` says."""
        asked = self._flights
        found: dict[str, StoredView | BFFError] = {}
        pending = list(dict.fromkeys(keys))
        while pending:
            if not self.live:
                for key, read in zip(pending, await self._views.read_each(view, pending), strict=True):
                    found[key] = read
                    watched = self._feeds.known(view, key)
                    if watched is not None and isinstance(read, StoredView):
                        watched.offer(read)
                break
            alone: list[str] = []
            shared: list[tuple[Entry, Flight]] = []
            for key in pending:
                state = self.known(view, key)
                if state is not None:
                    found[key] = state
                    continue
                entry = self._feeds.known(view, key)
                flight = None if entry is None else entry.flight
                if entry is not None and flight is not None and flight.gaps[key] == entry.gaps:
                    shared.append((entry, flight))
                else:
                    alone.append(key)
            if alone:
                found.update(await self._fly(view, alone))
            pending = []
            for entry, flight in shared:
                await flight.landed()
                if flight.number > asked and isinstance(flight.error, Exception):
                    raise flight.error
                outcome = flight.found.get(entry.key) if flight.found is not None else None
                if outcome is not None and (flight.number > asked or (isinstance(outcome, StoredView) and outcome.exists)):
                    found[entry.key] = _newest(outcome, entry)
                else:
                    # It failed, or found nothing, and had begun before this was asked: that may be otherwise by now.
                    pending.append(entry.key)
        return [found[key] for key in keys]

    async def _fly(self, view: type[ViewModel], keys: Sequence[str]) -> dict[str, StoredView | BFFError]:
        """Read these, here and now: no worker, so that it takes no longer than the read does."""
        entries = [self._keep(view, key) for key in keys]
        began = [entry.begin() for entry in entries]
        self._flights += 1
        self.misses += len(keys)
        flight = Flight(self._flights, {entry.key: entry.gaps for entry in entries})
        for entry in entries:
            entry.flight = flight
        try:
            outcomes = dict(zip(keys, await self._views.read_each(view, keys), strict=True))
        except BaseException as error:
            flight.fail(error)
            raise
        finally:
            for entry in entries:
                if entry.flight is flight:
                    entry.flight = None
        for entry, heard in zip(entries, began, strict=True):
            outcome = outcomes[entry.key]
            if isinstance(outcome, StoredView):
                outcomes[entry.key] = outcome = entry.land(outcome, heard)
            if (isinstance(outcome, BFFError) or not outcome.exists) and not entry.slots:
                self._feeds.drop(entry)
        flight.land(outcomes)
        return outcomes

    def _keep(self, view: type[ViewModel], key: str) -> Entry:
        entry = self._feeds.entry(view, key)
        self.kept.use(entry)
        return entry

    async def compare(self) -> None:
        """Compare what nobody looks at with what is stored, by its versions alone, and drop what is older.

        Only what was asked for since the last time: the rest is dropped, so that thousands of documents are not read for nobody.
        """
        used: dict[type[ViewModel], list[Entry]] = {}
        for entry in self.kept:
            if entry.slots:
                entry.used = False
            elif entry.used and entry.state is not None:
                entry.used = False
                used.setdefault(entry.view, []).append(entry)
            elif entry.flight is None:
                self._feeds.drop(entry)
        for view, entries in used.items():
            for start in range(0, len(entries), self._batch):
                await self._compare(view, entries[start : start + self._batch])

    async def _compare(self, view: type[ViewModel], entries: Sequence[Entry]) -> None:
        versions: Sequence[Timepoint | None] = [None for _ in entries]
        try:
            versions = await self._views.versions(view, [entry.key for entry in entries])
        except Exception as error:
            name = view.__view__.name
            logger.warning("live: kept %s are dropped, they cannot be compared: %s: %s", name, type(error).__name__, error)
        for entry, version in zip(entries, versions, strict=True):
            # Who has begun to look at it meanwhile has it read.
            if not entry.slots and (entry.state is None or version is None or version > entry.state.version):
                self._feeds.drop(entry)


def _newest(outcome: StoredView | BFFError, entry: Entry) -> StoredView | BFFError:
    state = entry.state
    return state if isinstance(outcome, StoredView) and state is not None and state.version >= outcome.version else outcome
