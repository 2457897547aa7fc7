"""Ours in the live scenarios: ``bff serve benchmarks.live.app:app``, with a port beside it on which changes are asked for.

Where changes come from is the environment's ``BENCH_SOURCE``:

- ``channel`` (the default): a change is the message that a relay publishes on the view's channel, published in memory; nothing is
  stored. This is what the peers' changes are (an event in memory), and measures the push path: channel, hub, sessions, sockets.
- ``documents``: a change is a commit of the meeting's document to the datastore. It goes the whole way: projection, commit of the
  view, listener, channel, hub, sessions, sockets.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import bff
from benchmarks.domain import Door, MeetingSession
from benchmarks.live.control import PORT, control
from benchmarks.live.state import key, marker
from bff.datastore.port import Merge
from bff.live.announcement import Announcement
from bff.live.channels import Channels
from bff.live.relay import MAX_MESSAGE_BYTES
from bff.runtime import Runtime
from bff.settings import Settings
from bff.types import Timepoint, Value

__all__ = ["SOURCE", "DrivenApp", "app"]

SOURCE = "BENCH_SOURCE"


class DrivenApp(bff.App):
    """An app as any other; the port is there where the environment names one."""

    @asynccontextmanager
    async def running(self, settings: Settings | None = None) -> AsyncIterator[Runtime]:
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(super().running(settings))
            if PORT in os.environ:
                source: Callable[[Sequence[int]], Awaitable[None]] = self._source(runtime).change
                await stack.enter_async_context(control(source))
            yield runtime

    def _source(self, runtime: Runtime) -> FromChannel | FromDocuments:
        if os.environ.get(SOURCE, "channel") == "documents":
            return FromDocuments(runtime)
        return FromChannel(runtime, self.catalog.views[MeetingSession.__view__.name])


class FromChannel:
    """Publishes the next states of views, as a relay does."""

    def __init__(self, runtime: Runtime, view: type[bff.ViewModel]) -> None:
        self._runtime = runtime
        self._view = view
        self._changes: defaultdict[int, int] = defaultdict(int)
        self._documents: dict[int, dict[str, Value]] = {}
        self._last: Timepoint = 0
        hub = runtime.hub
        assert hub is not None, "the default role plays all parts"
        self._hub = hub

    async def change(self, views: Sequence[int]) -> None:
        for view in views:
            document = self._documents.get(view) or await self._stored(view)
            self._changes[view] += 1
            self._last = version = max(self._last + 1, time.time_ns() // 1000)
            document.update(title=marker(view, self._changes[view]), version=version)
            message = Announcement(key(view), version, document, committed=version).to_message(MAX_MESSAGE_BYTES)
            await self._runtime.broadcast.publish(self._channel(key(view)), message)

    async def _stored(self, view: int) -> dict[str, Value]:
        [stored] = await self._runtime.views.read(self._view, [key(view)])
        self._documents[view] = document = dict(stored.document or {})
        return document

    def _channel(self, key: str) -> str:
        # Those that somebody looks at: they all begin with the namespace.
        namespace = self._hub.channels[0].rpartition(".view.")[0]
        return Channels(namespace).of(self._view.__view__.name, key)


class FromDocuments:
    """Commits the next states of meetings, each by itself."""

    def __init__(self, runtime: Runtime) -> None:
        self._datastore = runtime.datastore
        self._changes: defaultdict[int, int] = defaultdict(int)

    async def change(self, views: Sequence[int]) -> None:
        await asyncio.gather(*(self._commit(view) for view in views))

    async def _commit(self, view: int) -> None:
        self._changes[view] += 1
        await self._datastore.commit([Merge(f"meetings/{key(view)}", {"title": marker(view, self._changes[view])})])


app = DrivenApp(views=[MeetingSession], mediators=[Door])
