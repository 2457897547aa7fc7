"""A datastore, a broadcast, the processes that come and go on them, and those who look on."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeAlias

from bff.app import App
from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.connection import transaction
from bff.datastore.connect import open_datastore
from bff.datastore.port import Delete, Merge, Target, Write
from bff.datastore.port import Set as SetDocument
from bff.datastore.session import DatastoreSession
from bff.errors import BFFError, DatastoreUnavailable
from bff.live.channels import Channels
from bff.live.hub import Hub
from bff.live.relay import Relay
from bff.model.session import use_session
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.unchecked import UNCHECKED
from bff.query import Query
from bff.settings import Settings
from bff.supervisor import Backoff
from bff.testing.harness import AppHarness
from tests.stateful.domain import CATALOG, SELECTIONS, VIEWS
from tests.stateful.faults import Air, Link
from tests.stateful.history import Key, Recorder
from tests.stateful.oracle import BROKEN, expected, keys
from tests.stateful.watchers import DEADLINE, GraphQLWatcher, HubWatcher, Watcher

__all__ = ["Kind", "Node", "World"]

Kind: TypeAlias = Literal["projector", "relay", "hub", "app", "web"]
QUICK = Backoff(first=0.001, limit=0.02)
PASSING_GRPC_SECONDS = 5.0


@dataclass(eq=False)
class Node:
    """A process. What it does not run is None."""

    kind: Kind
    link: Link
    air: Air
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    projector: Projector | None = None
    relay: Relay | None = None
    hub: Hub | None = None
    views: ViewReader | None = None
    harness: AppHarness | None = None
    watchers: list[Watcher] = field(default_factory=list)
    reads: list[asyncio.Task[None]] = field(default_factory=list)


class World:
    """Every wait in it has a deadline of its own, and is for something to come true."""

    def __init__(self, datastore_url: str, broadcast_url: str, seed: int, *, silent: bool) -> None:
        self.nodes: list[Node] = []
        self._chance = Random(seed)
        self._silent = silent
        self._recorder = Recorder(open_datastore(datastore_url))
        self._broadcast: Broadcast = open_broadcast(broadcast_url)
        self._namespace = f"stateful-{uuid.uuid4().hex}"
        self._stack = AsyncExitStack()
        self.history = self._recorder.history

    async def open(self) -> None:
        await self._stack.enter_async_context(self._recorder)
        await self._stack.enter_async_context(self._broadcast)

    async def close(self) -> None:
        """End everything; nothing that was started here outlives it."""
        try:
            for node in tuple(self.nodes):
                await self.end(node, kill=True)
        finally:
            await self._stack.aclose()
        await _nothing_left()

    # Processes

    async def start(self, kind: Kind) -> Node:
        node = Node(kind, Link(self._recorder, self._chance), Air(self._broadcast, self._chance, silent=self._silent))
        self.nodes.append(node)
        channels = Channels(self._namespace)
        enter = node.stack.enter_async_context
        match kind:
            case "projector":
                projector = Projector(
                    node.link, CATALOG, concurrency=2, batch=4, save_seconds=0.005, sweep_seconds=0.05, retry=QUICK, backoff=QUICK
                )
                node.projector = await enter(projector)
                node.views = projector.views
            case "relay":
                node.relay = await enter(Relay(node.link, node.air, CATALOG, channels=channels, backoff=QUICK))
            case "hub":
                node.views = ViewReader(node.link, CATALOG)
                hub = Hub(node.air, node.views, channels=channels, compare_seconds=3600, linger_seconds=0.01, backoff=QUICK)
                node.hub = await enter(hub)
            case "app" | "web":
                await self._start_app(node, "all" if kind == "app" else "web")
        return node

    async def _start_app(self, node: Node, role: Literal["all", "web"]) -> None:
        settings = Settings(broadcast_namespace=self._namespace, role=role, compare_seconds=3600)
        app = App(views=list(VIEWS.values()), datastore=node.link, broadcast=node.air)
        node.harness = await node.stack.enter_async_context(AppHarness(app, settings=settings, timeout=DEADLINE))
        runtime = node.harness.runtime
        node.projector, node.relay, node.hub, node.views = runtime.projector, runtime.relay, runtime.hub, runtime.views

    async def end(self, node: Node, *, kill: bool) -> None:
        """Close it, or kill it: then nothing that it does from now on reaches anybody."""
        self.nodes.remove(node)
        if kill:
            node.link.kill()
            node.air.dead = True
        else:
            node.link.calm()
        await node.air.flush()
        await self._recorder.settled()
        for watcher in node.watchers:
            watcher.check()
            await watcher.leave()
        for reading in node.reads:
            reading.cancel()
        await asyncio.gather(*node.reads, return_exceptions=True)
        async with asyncio.timeout(DEADLINE):
            await node.stack.aclose()

    async def bury(self) -> None:
        """End the processes that have died by themselves."""
        for node in tuple(self.nodes):
            if node.link.dead:
                await self.end(node, kill=True)

    # Changing documents

    async def commit(self, after: Mapping[str, Mapping[str, Any]], *, merge: bool) -> None:
        """Make the documents be these, in one commit."""
        await self._recorder.settled()
        before = self.history.present
        writes: list[Write] = [Delete(path) for path in before if path not in after]
        for path, data in after.items():
            known = before.get(path)
            if known == data:
                continue
            if merge and known is not None:
                changed = {name: value for name, value in data.items() if name not in known or known[name] != value}
                writes.append(Merge(path, changed, tuple(name for name in known if name not in data)))
            else:
                writes.append(SetDocument(path, data))
        if writes:
            await self._recorder.commit(writes)

    async def at_once(self, works: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Do these at the same time, each in a transaction of its own."""
        with use_session(DatastoreSession(self._recorder)):
            await asyncio.gather(*(transaction(work) for work in works))

    async def mutate(self, node: Node, mutation: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        assert node.harness is not None
        node.link.let_go()
        return await node.harness.execute(mutation, variables)

    # Looking at views

    async def watch(self, node: Node, key: Key, pace: int, *, graphql: bool, wait: bool) -> None:
        if graphql and node.harness is not None:
            watcher: Watcher = GraphQLWatcher(self.history, key, pace, node.harness.app)
        else:
            assert node.hub is not None
            watcher = HubWatcher(self.history, key, pace, node.hub)
        node.watchers.append(watcher)
        if wait:
            node.link.let_go()
            await watcher.first()

    async def unwatch(self, node: Node, watcher: Watcher) -> None:
        node.watchers.remove(watcher)
        await watcher.leave()

    async def read(self, node: Node, key: Key, *, fresh: bool, wait: bool) -> None:
        """Read a view; a fresh one is as of now. Not to wait for it is to let happen what will, while it is read."""
        reading = asyncio.create_task(self._read(node, key, fresh=fresh, exactly=wait))
        if wait:
            node.link.let_go()
            await reading
        else:
            node.reads.append(reading)
            await asyncio.sleep(0)

    async def _read(self, node: Node, key: Key, *, fresh: bool, exactly: bool) -> None:
        assert node.views is not None
        view = VIEWS[key[0]]
        stored = self.history.newest.get(key, 0)
        try:
            [found] = await (node.views.fresh if fresh else node.views.read)(view, [key[1]])
        except BFFError as error:
            await self._recorder.settled()
            if not (node.link.dead or isinstance(error, DatastoreUnavailable) or self.history.was(key, BROKEN)):
                raise AssertionError(f"{key} could not be read") from error
            return
        await self._recorder.settled()
        document = None if found.document is None else {n: v for n, v in found.document.items() if n != "version"}
        self.history.check_state(key, found.version, document)
        assert found.version >= stored, f"{key}: read {found.version}, {stored} was stored"
        if fresh and exactly:
            assert document == expected(*key, self.history.present), f"{key}: not fresh"

    async def query(self, node: Node, key: Key) -> None:
        """Ask for a view over GraphQL, with the accounts that it links to."""
        assert node.harness is not None
        node.link.let_go()
        name = VIEWS[key[0]].__view__.query_name
        links = "pages { id balance total }" if key[0] == "HouseholdPage" else ""
        answer = await node.harness.execute(
            f"query ($key: ID!) {{ {name}(id: $key) {{ id version {SELECTIONS[key[0]]} {links} }} }}", {"key": key[1]}
        )
        await self._recorder.settled()
        if "errors" in answer:
            assert node.link.dead or links or self.history.was(key, BROKEN), answer
            return
        document = answer["data"][name]
        if document is None:
            assert self.history.was(key, None)
            return
        for page in document.pop("pages", []):
            assert page["balance"] == page["total"], f"half of a transaction: {page}"
        self.history.check_state(key, int(document.pop("version")), document)

    # What must be so

    async def check(self) -> None:
        """At any time: what is stored was so, and so was what anybody saw."""
        await self._recorder.check()
        for node in self.nodes:
            await self._check_node(node)

    async def _check_node(self, node: Node) -> None:
        for reading in [one for one in node.reads if one.done()]:
            node.reads.remove(reading)
            await reading
        for watcher in list(node.watchers):
            watcher.check()
            if watcher.error is not None:
                unbuilt = isinstance(watcher.error, DatastoreUnavailable) or self.history.was(watcher.key, BROKEN)
                assert node.link.dead or unbuilt, f"{watcher} was refused: {watcher.error!r}"
                await self.unwatch(node, watcher)

    async def pass_turns(self, turns: int) -> None:
        for _ in range(turns):
            await self._recorder.ping()

    async def quiesce(self) -> None:
        """When writes stop, every stored view is what the documents make of it, and everybody sees it."""
        for node in self.nodes:
            node.link.let_go()
        await self.pass_turns(3)
        lost = any(node.air.lost for node in self.nodes)
        for node in self.nodes:
            node.link.calm()
            await node.air.calm()
        await self.bury()
        async with asyncio.timeout(DEADLINE):
            for node in self.nodes:
                await asyncio.gather(*node.reads, *(watcher.first() for watcher in node.watchers), return_exceptions=True)
        await self.check()
        if not any(node.kind == "projector" for node in self.nodes):
            await self._calm(await self.start("projector"))
        if not any(node.relay for node in self.nodes):
            await self._calm(await self.start("relay"))
        await self._projected()
        await self._none_unchecked()
        await self._projected()
        await self.check()
        await self._check_stored()
        for node in self.nodes:
            if node.relay is not None:
                await node.relay.wait_for(await self._recorder.ping(), DEADLINE)
        await self._check_watchers(compare=lost)
        await self.check()
        for node in self.nodes:
            node.link.wild = node.air.wild = True
            node.air.lost = False

    async def _calm(self, node: Node) -> None:
        node.link.calm()
        await node.air.calm()

    async def _projected(self) -> None:
        now = await self._recorder.ping()
        for node in self.nodes:
            if node.projector is not None:
                try:
                    await node.projector.wait_for(now, DEADLINE)
                except TimeoutError:
                    raise AssertionError(f"did not come to {now}: {node.projector.status()}") from None

    async def _none_unchecked(self) -> None:
        """Wait until somebody has made sure of every view that a dead process has stored."""
        unchecked: set[str] = set()
        try:
            async with asyncio.timeout(DEADLINE), self._recorder.listen([Target(UNCHECKED)]) as listening:
                async for changes in listening:
                    if changes.reset:
                        unchecked.clear()  # what follows is everything there is: of what is gone nothing is told
                    for document in changes.documents:
                        if document.data is not None:
                            unchecked.add(document.path)
                        else:
                            unchecked.discard(document.path)
                    if changes.resume is not None and not unchecked:
                        return
        except TimeoutError:
            async with self._recorder.snapshot() as snapshot:
                left = await snapshot.get(sorted(unchecked))
            raise AssertionError(f"nobody has checked {left}") from None

    async def _check_stored(self) -> None:
        documents = self.history.present
        async with self._recorder.snapshot() as snapshot:
            found = {name: await snapshot.query(Query(view.__view__.collection)) for name, view in VIEWS.items()}
        stored = {(name, one.id): dict(one.data or {}) for name, views in found.items() for one in views}
        for key in keys(documents) | stored.keys() | self.history.standing.keys():
            wanted = expected(*key, documents)
            if wanted is BROKEN:
                # Its last good value stays.
                standing = self.history.standing.get(key)
                wanted = None if standing is None else dict(standing.content) if standing.content is not None else None
            document = stored.get(key)
            version = None if document is None else document.pop("version")
            assert document == wanted, f"{key}: stored {document} at {version}, expected {wanted}"
            assert version is None or version == self.history.newest[key]

    async def _check_watchers(self, *, compare: bool) -> None:
        for node in self.nodes:
            if node.hub is not None and compare:
                await node.hub.compare()
            for watcher in node.watchers:
                standing = self.history.standing.get(watcher.key)
                exists = standing is not None and standing.content is not None
                await watcher.until(standing.version if standing is not None else None, exists)


async def _nothing_left() -> None:
    """Every task has an owner who has ended it. gRPC ends those of cancelled calls by itself, a moment later."""
    mine = asyncio.current_task()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PASSING_GRPC_SECONDS):
            while left := {task for task in asyncio.all_tasks() if task is not mine}:
                await asyncio.wait(left)
    left = {task for task in asyncio.all_tasks() if task is not mine}
    assert not left, f"nobody has ended {left}"
