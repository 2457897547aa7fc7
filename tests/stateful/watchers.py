"""Those who look at a view: at a hub, or over GraphQL at an app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from bff.app import App
from bff.errors import BFFError
from bff.live.hub import Hub
from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.testing.graphql_ws import Closed, GraphQLWSClient, OperationFailed
from bff.types import Timepoint
from tests.stateful.domain import SELECTIONS, VIEWS
from tests.stateful.history import History, Key

__all__ = ["GraphQLWatcher", "HubWatcher", "Watcher"]

DEADLINE = 30.0


@dataclass(frozen=True)
class Seen:
    """A state; ``version`` is None where whoever was told was not told since when the view is gone."""

    version: Timepoint | None
    document: Mapping[str, Any] | None


class Watcher:
    """One subscription. Its task ends when it is left, or with what ended it as its ``error``."""

    def __init__(self, history: History, key: Key, pace: int) -> None:
        self.key = key
        self.seen: list[Seen] = []
        self.error: Exception | None = None
        self._history = history
        self._pace = pace
        self._stored = history.newest.get(key, 0)
        self._checked = 0
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._watch())

    @property
    def view(self) -> type[ViewModel]:
        return VIEWS[self.key[0]]

    async def first(self) -> None:
        """Wait until it has seen something, or was refused."""
        async with asyncio.timeout(DEADLINE):
            while not self.seen and not self._task.done():
                await self._changed()

    async def until(self, version: Timepoint | None, exists: bool) -> None:
        """Wait until the last state it saw is the view of this version; that it is gone, where it does not exist."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not self._shows(version, exists) and not self._task.done():
                    await self._changed()
        except TimeoutError:
            raise AssertionError(f"{self} last saw {self.seen[-1:]}, and {version if exists else None} is stored") from None
        assert self._shows(version, exists), f"{self} ended: {self.error!r}"

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def check(self) -> None:
        """What came since the last check: versions rise, and every state is one that the view really had."""
        for index in range(self._checked, len(self.seen)):
            state = self.seen[index]
            before = self.seen[index - 1] if index else None
            if state.version is None:
                assert self._history.was(self.key, None), f"{self}: told it was gone, and it never was"
                assert before is None or before.document is not None, f"{self}: told twice that it was gone"
                continue
            self._history.check_state(self.key, state.version, state.document)
            if before is None:
                assert state.version >= self._stored, f"{self}: began with {state.version}, {self._stored} was stored"
            newest = max((one.version for one in self.seen[:index] if one.version is not None), default=0)
            assert state.version > newest, f"{self}: went back from {newest} to {state.version}"
        self._checked = len(self.seen)

    async def states(self) -> AsyncIterator[Seen]:
        raise NotImplementedError
        yield

    async def _watch(self) -> None:
        try:
            async for state in self.states():
                self.seen.append(state)
                self._news.set()
                for _ in range(self._pace):
                    await asyncio.sleep(0)
        except (BFFError, OperationFailed, Closed) as error:
            self.error = error
        finally:
            self._news.set()

    async def _changed(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _shows(self, version: Timepoint | None, exists: bool) -> bool:
        if not self.seen:
            return False
        last = self.seen[-1]
        return last.version == version if exists else last.document is None

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.key}"


class HubWatcher(Watcher):
    def __init__(self, history: History, key: Key, pace: int, hub: Hub) -> None:
        self._hub = hub
        super().__init__(history, key, pace)

    async def states(self) -> AsyncIterator[Seen]:
        async with self._hub.subscribe(self.view, self.key[1]) as states:
            async for state in states:
                yield _seen(state)


class GraphQLWatcher(Watcher):
    """Over a WebSocket of its own."""

    def __init__(self, history: History, key: Key, pace: int, app: App) -> None:
        self._app = app
        super().__init__(history, key, pace)

    async def states(self) -> AsyncIterator[Seen]:
        name = self.view.__view__.query_name
        query = f"subscription ($key: ID!) {{ {name}(id: $key) {{ id version {SELECTIONS[self.key[0]]} }} }}"
        async with GraphQLWSClient.to_app(self._app, timeout=DEADLINE) as client:
            await client.init()
            id = await client.subscribe(query, {"key": self.key[1]})
            while True:
                try:
                    payload = await client.next(id)
                except TimeoutError:
                    continue
                if "errors" in payload:
                    raise OperationFailed(payload["errors"])
                document = payload["data"][name]
                if document is None:
                    yield Seen(None, None)
                else:
                    yield Seen(int(document.pop("version")), document)


def _seen(state: StoredView) -> Seen:
    if state.document is None:
        return Seen(state.version, None)
    document = dict(state.document)
    assert document.pop("version") == state.version
    return Seen(state.version, document)
