"""The hub as somebody may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING

from bff.errors import BFFError
from bff.live.changes import Change
from bff.live.entry import Slot
from bff.live.follow import Follow
from bff.live.hub import Hub
from bff.live.lists import KnownList
from bff.live.sight import Sight
from bff.live.watch import Watch
from bff.live.window_token import NO_MARKS
from bff.live.windows import LiveList
from bff.projection.audience import Audience
from bff.projection.reader import ViewReader
from bff.projection.stored_view import StoredView
from bff.query import Query
from bff.together import together

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["RestrictedFollow", "RestrictedHub", "RestrictedList", "RestrictedSlot", "RestrictedWatch"]


class RestrictedHub:
    """What a hub knows and tells, as an audience may see it. What it keeps is the hub's, for all audiences.

    Whoever asks for a view that is hidden waits for the same reads, of ``views``, as for one that is not there (CWE-208).
    """

    def __init__(self, hub: Hub, views: ViewReader, audience: Audience) -> None:
        self._hub = hub
        self._views = views
        self._audience = audience

    def subscribe(self, view: type[ViewModel], key: str) -> AbstractAsyncContextManager[Slot | RestrictedSlot]:
        """As ``Hub.subscribe``; see ``RestrictedSlot``."""
        return self._subscribe(view, key) if view.__view__.is_restricted else self._hub.subscribe(view, key)

    def follow(self, view: type[ViewModel], key: str, on_news: Callable[[], None]) -> Follow | RestrictedFollow:
        """As ``Hub.follow``."""
        follow = self._hub.follow(view, key, on_news)
        return RestrictedFollow(follow, view, self._audience) if view.__view__.is_restricted else follow

    async def watch(self, view: type[ViewModel], key: str, wake: Callable[[], object]) -> Watch | RestrictedWatch:
        """As ``Hub.watch``; see ``RestrictedWatch``."""
        if not view.__view__.is_restricted:
            return await self._hub.watch(view, key, wake)
        hidden = self._known_hidden(view, [key])
        watch = await self._hub.watch(view, key, wake)
        try:
            await self._look_for(view, [watch.state], hidden)
        except BaseException:
            watch.leave()
            raise
        return RestrictedWatch(watch, Sight(view, self._audience))

    def known(self, view: type[ViewModel], key: str) -> StoredView | None:
        """As ``Hub.known``; without a document where it is hidden. Who was given the key by the client is to ``read`` it then."""
        state = self._hub.known(view, key)
        return state if state is None else self._audience.shown(view, state)

    def known_all(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView] | None:
        """As ``Hub.known_all``: None where one of them may not be seen, which is for ``known`` to tell of each."""
        states = self._hub.known_all(view, keys)
        if states is None or not view.__view__.is_restricted:
            return states
        shown = [self._audience.shown(view, state) for state in states]
        return None if any(state.document is None for state in shown) else shown

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        """As ``Hub.read``."""
        hidden = self._known_hidden(view, keys)
        found = await self._hub.read(view, keys)
        return await self._look_for(view, found, hidden)

    def known_list(self, view: type[ViewModel], query: Query, first: int) -> KnownList | None:
        """As ``Hub.known_list``: each audience has windows of its own."""
        known = self._hub.known_list(view, self._audience.restricted(view, query), first)
        return known if known is None else self._listed(view, known)

    async def read_list(self, view: type[ViewModel], query: Query, first: int) -> KnownList:
        """As ``Hub.read_list``."""
        return self._listed(view, await self._hub.read_list(view, self._audience.restricted(view, query), first))

    @asynccontextmanager
    async def window(
        self, view: type[ViewModel], query: Query, first: int, since: str | None = None
    ) -> AsyncIterator[LiveList | RestrictedList]:
        """As ``Hub.window``. A view that they may see no longer is one that leaves the list."""
        async with self._hub.window(view, self._audience.restricted(view, query), first, since) as live:
            yield RestrictedList(live, view, self._audience) if view.__view__.restricted else live

    @asynccontextmanager
    async def _subscribe(self, view: type[ViewModel], key: str) -> AsyncIterator[RestrictedSlot]:
        async with self._hub.subscribe(view, key) as slot:
            if slot.state is not None:
                await self._look_for(view, [slot.state], frozenset())
            yield RestrictedSlot(slot, view, self._audience)

    def _known_hidden(self, view: type[ViewModel], keys: Sequence[str]) -> frozenset[str]:
        """Those of which it is known, without a read, that they may not be seen."""
        if not view.__view__.has_readers:
            return frozenset()
        known = ((key, self.known(view, key)) for key in keys)
        return frozenset(key for key, state in known if state is not None and state.document is None)

    async def _look_for(
        self, view: type[ViewModel], found: Sequence[StoredView | BFFError], known: frozenset[str]
    ) -> list[StoredView | BFFError]:
        """What is shown of these; what is hidden is looked for meanwhile. Of those that are ``known`` nothing was read yet."""
        shown = [self._audience.shown(view, one) if isinstance(one, StoredView) else one for one in found]
        hidden = self._audience.hidden(found, shown)
        if hidden:
            read, unread = [key for key in hidden if key not in known], [key for key in hidden if key in known]
            looks = [self._views.read_as_missing(view, some, known=some is unread) for some in (read, unread) if some]
            await together(*looks)
        return shown

    def _listed(self, view: type[ViewModel], known: KnownList) -> KnownList:
        if not view.__view__.is_restricted:
            return known
        tokens = self._audience.tokens
        if tokens not in known.shown:
            views = [self._audience.shown(view, state) for state in known.views]
            # Not the hub's texts where it is not all: those were written of all of it.
            known.show(tokens, None if all(map(is_, views, known.views)) else KnownList(views, known.more))
        return known.shown[tokens] or known


class RestrictedSlot:
    """The states of a view that not everybody may see, to one who perhaps may not: what ``Sight`` shows of them."""

    def __init__(self, slot: Slot, view: type[ViewModel], audience: Audience) -> None:
        self._slot = slot
        self._sight = Sight(view, audience)

    def again(self) -> None:
        """As ``Slot.again``."""
        self._slot.again()

    def __aiter__(self) -> RestrictedSlot:
        return self

    async def __anext__(self) -> StoredView:
        while True:
            shown = self._sight.of(await anext(self._slot))
            if shown is not None:
                return shown


class RestrictedWatch:
    """As ``Watch``, of a view that not everybody may see: ``sight`` says what of its states is to be shown."""

    __slots__ = ("_watch", "entry", "sight")

    def __init__(self, watch: Watch, sight: Sight) -> None:
        self._watch = watch
        self.entry = watch.entry
        self.sight = sight

    def leave(self) -> None:
        """As ``Watch.leave``."""
        self._watch.leave()


class RestrictedFollow:
    """A linked view that not everybody may see."""

    def __init__(self, follow: Follow, view: type[ViewModel], audience: Audience) -> None:
        self._follow = follow
        self._view = view
        self._audience = audience
        self._offered: StoredView | None = None

    @property
    def state(self) -> StoredView | None:
        state, offered = self._follow.state, self._offered
        if offered is not None:
            # What was read is shown until the hub has it: the state before may have had other readers.
            if state is None or state.version < offered.version:
                return offered
            self._offered = None
        return state if state is None else self._audience.shown(self._view, state)

    def offer(self, state: StoredView) -> None:
        """As ``Follow.offer``. What this audience was shown is not what others may see: the hub reads for itself."""
        if self._follow.state is None or self._follow.state.version < state.version:
            self._offered = state
            self._follow.owe()

    def owe(self) -> None:
        """As ``Follow.owe``."""
        self._follow.owe()

    def leave(self) -> None:
        """As ``Follow.leave``."""
        self._follow.leave()


class RestrictedList:
    """A live list of views some of whose fields not everybody may see."""

    def __init__(self, live: LiveList, view: type[ViewModel], audience: Audience) -> None:
        self._live = live
        self._view = view
        self._audience = audience
        self.resumed = live.resumed
        self.marks = live.marks

    def __aiter__(self) -> RestrictedList:
        return self

    async def __anext__(self) -> Change:
        change = await anext(self._live)
        page = None if change.page is None else tuple(self._shown(one) for one in change.page)
        return replace(change, view=None if change.view is None else self._shown(change.view), page=page)

    def again(self, key: str) -> None:
        """As ``LiveList.again``."""
        self._live.again(key)

    async def unchanged(self) -> list[StoredView]:
        """As ``LiveList.unchanged``."""
        return [self._shown(one) for one in await self._live.unchanged()]

    def version(self, marks: Mapping[str, str] = NO_MARKS) -> str | None:
        """As ``LiveList.version``."""
        return self._live.version(marks)

    def _shown(self, state: StoredView) -> StoredView:
        return self._audience.shown(self._view, state)
