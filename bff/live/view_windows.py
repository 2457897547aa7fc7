"""The windows of one view: what its channels say is matched here, once for each distinct window."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from bff.errors import BFFError
from bff.live.announcement import UNKNOWN, Announcement
from bff.live.changes import Held
from bff.live.entry import NEVER, Source
from bff.live.ledger import Ledger, Verdict
from bff.live.reading import Views
from bff.live.refreshing import Refresh, Refreshing
from bff.live.window import Window
from bff.live.window_token import IDENTITY_BYTES, encode_window
from bff.projection.query_codec import dump_query
from bff.projection.reader import is_whole
from bff.projection.stored_view import StoredView, view_path
from bff.query import Query
from bff.values import dump_document

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["OpenWindow", "ViewWindows", "identity_of", "measured_identity"]

logger = logging.getLogger(__name__)

KEYS_IN_ONE_READ = 100
MOST_KEYS = 1000


class OpenWindow:
    """A window, how many use it, and how it is read anew. ``identity`` is the same for everyone who asks the same."""

    def __init__(self, identity: bytes, window: Window) -> None:
        self.identity = identity
        self.window = window
        self.users = 0
        self.heard = NEVER
        self.refresh = Refresh("", _nothing)
        self._told: tuple[Held, Mapping[str, str], str | None] | None = None

    def version(self, held: Held, marks: Mapping[str, str]) -> str | None:
        """The text of what a reader holds; readers who hold the same, with the same marks, share it."""
        told = self._told
        if told is None or told[0] is not held or told[1] != marks:
            told = self._told = held, dict(marks), encode_window(self.identity, held, marks)
        return told[2]


def identity_of(view: str, query: Query, first: int) -> bytes:
    """The same for everyone who asks the same, and for nobody else."""
    return measured_identity(view, query, first)[0]


def measured_identity(view: str, query: Query, first: int) -> tuple[bytes, int]:
    """The identity, and how long what is asked is, in bytes: a client may compare with a text as long as a request."""
    asked = dump_document({"view": view, "query": dump_query(query), "first": first})
    return blake2b(asked, digest_size=IDENTITY_BYTES).digest(), len(asked)


class ViewWindows:
    """Tells the windows of a view what is announced, and reads what an announcement does not tell.

    ``sources`` are the channels that it is told by.
    """

    def __init__(self, view: type[ViewModel], views: Views, refreshing: Refreshing, sources: Sequence[Source]) -> None:
        self.view = view
        self.windows: dict[bytes, OpenWindow] = {}
        self._views = views
        self._refreshing = refreshing
        self._sources = sources
        self._ledger = Ledger()
        self._unclear: dict[str, int] = {}
        self._times = 0
        self._lost = 0
        self._reading = Refresh(f"keys of {view.__view__.name}", self._read_unclear)

    def open(self, query: Query, first: int) -> OpenWindow:
        """The window of this query and size: the one that is there, or a new one, of which nothing is known yet."""
        name = self.view.__view__.name
        identity = identity_of(name, query, first)
        opened = self.windows.get(identity)
        if opened is None:
            opened = self.windows[identity] = OpenWindow(identity, Window(name, query, first))
            opened.refresh = Refresh(f"the first {first} of {name}", partial(self._query, opened))
        return opened

    def drop(self, opened: OpenWindow) -> None:
        """Nobody uses it any more."""
        del self.windows[opened.identity]
        self._refreshing.forget(opened.refresh)
        for slot in opened.window.slots:
            slot.close()

    def close(self) -> None:
        """Drop every window, and what is still to be read."""
        for opened in tuple(self.windows.values()):
            self.drop(opened)
        self._refreshing.forget(self._reading)

    # --- What the channels say

    def announced(self, announced: Announcement) -> None:
        """A view has changed."""
        if announced.hint or (announced.document is not None and not is_whole(self.view, announced.document)):
            if announced.version == UNKNOWN or announced.version > self._ledger.version(announced.key):
                self.unclear(announced.key)
            return
        match self._ledger.judge(announced):
            case Verdict.NEWS:
                self._tell(announced, sure=False)
            case Verdict.DOUBTFUL:
                self.unclear(announced.key)
            case Verdict.OLD:
                pass

    def seen(self, state: StoredView) -> None:
        """Somebody has read this: a window that shows otherwise is behind, and has the view read."""
        if state.version <= self._ledger.version(state.key):
            return
        if any(opened.window.contradicts(state) for opened in self.windows.values()):
            self.unclear(state.key)
        elif state.exists and not any(opened.window.asking for opened in self.windows.values()):
            # It need not be looked at again. What a query under way finds may be older: that one needs the announcement.
            self._ledger.learn(Announcement(state.key, state.version))

    def sure(self, opened: OpenWindow) -> bool:
        """Whether what a window shows is the newest, as far as anybody has told."""
        return not self._unclear and opened.heard == self._gaps()

    def lose(self) -> None:
        """Something was missed, or nothing is heard from now on."""
        self._lost += 1

    def _gaps(self) -> int:
        # Each channel tells of its own; what they have in common is how often the relay has missed something.
        return self._lost + self._sources[0].gaps

    def gap(self) -> None:
        """Something may have been missed: ask every query anew."""
        self.lose()
        for opened in self.windows.values():
            self._refreshing.owe(opened.refresh)

    def unclear(self, key: str) -> None:
        """How this view is must be read."""
        try:
            self.view.split_key(key)
            view_path(self.view.__view__.collection, key)
        except BFFError as error:
            logger.warning("live: %s: an announcement of what cannot be one: %s", self.view.__view__.name, error)
            return
        self._times += 1
        self._unclear[key] = self._times
        if len(self._unclear) > MOST_KEYS:
            self._unclear.clear()
            self.gap()
        else:
            self._refreshing.owe(self._reading)

    def _tell(self, announced: Announcement, *, sure: bool) -> None:
        for opened in self.windows.values():
            if not opened.window.take(announced, sure=sure):
                self.unclear(announced.key)
            if opened.window.low:
                self._refreshing.owe(opened.refresh)

    # --- Reading

    async def _query(self, opened: OpenWindow) -> None:
        window = opened.window
        began = self._gaps() if all(source.hears for source in self._sources) else NEVER
        window.begin()
        try:
            found = await self._views.find_at(window.query, self.view)
        except BaseException:
            window.abandon()
            raise
        for key in window.land(found):
            self.unclear(key)
        for key, version in window.versions():
            if version < self._ledger.version(key):
                # Something newer was announced before the query began. That it was not found is against the contract of a
                # datastore; where it happens nevertheless, it costs a read.
                self.unclear(key)
        opened.heard = NEVER if window.overrun else began
        if window.low or window.overrun:
            self._refreshing.owe(opened.refresh)

    async def _read_unclear(self) -> None:
        wanted = dict(list(self._unclear.items())[:KEYS_IN_ONE_READ])
        if not wanted:
            return
        found = await self._views.read_at(self.view, list(wanted))
        for key, time in wanted.items():
            if self._unclear.get(key) == time:  # otherwise it has become unclear again since
                del self._unclear[key]
        for key, document, view in zip(wanted, found.documents, found.views, strict=True):
            version = UNKNOWN if document.data is None else view.version
            read = Announcement(key, version, view.document, committed=found.timepoint)
            self._ledger.learn(read)
            self._tell(read, sure=True)
        if self._unclear:
            self._refreshing.owe(self._reading)


async def _nothing() -> None: ...
