"""Turns changes of domain documents into view documents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import count
from types import TracebackType

from bff.datastore.port import Datastore
from bff.document import Document
from bff.errors import IncompleteBuild
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.observability.tracing import Attributes
from bff.projection.affected import Affected
from bff.projection.beside import build_beside
from bff.projection.builder import Builder, Built
from bff.projection.checkpoint import WISHES, name_for
from bff.projection.definitions import Definitions
from bff.projection.dirty_keys import Batch, Item
from bff.projection.follower import Follower
from bff.projection.reader import ViewReader
from bff.projection.rebuild import OnProgress, RebuildProgress, rebuild
from bff.projection.recent import RecentChanges
from bff.projection.resync import missing_documents
from bff.projection.roots import collections_read
from bff.projection.shapes import SHAPES, Shapes
from bff.projection.status import FAILURES_SHOWN, ProjectorStatus
from bff.projection.storages import Storages
from bff.projection.sweep import Sweep
from bff.supervisor import Backoff
from bff.types import Timepoint

__all__ = ["Projector"]

logger = logging.getLogger(__name__)

MIXED_LIMIT_SECONDS = 3600.0


class Projector:
    """Follows the domain documents that views read, and keeps the views' documents up to date, until it is closed.

    Any number may work on one datastore, also under one name: writes are conditional. ``views`` reads views beside it;
    ``shapes`` are the kinds of queries that views make, as its listener knows them.
    """

    def __init__(
        self,
        datastore: Datastore,
        catalog: Catalog,
        *,
        name: str = "main",
        concurrency: int = 4,
        batch: int = 64,
        max_waiting: int = 10_000,
        save_seconds: float = 1.0,
        sweep_seconds: float = 15.0,
        mixed_seconds: float = 60.0,
        storages: Storages | None = None,
        switches: bool = True,
        on_rebuild: OnProgress = lambda progress: None,
        retry: Backoff | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """``concurrency`` builds of up to ``batch`` views of a kind run at a time (fewer where a view is made of many documents);
        on a datastore that is ``serial``, one while none is held up. The listener waits while ``max_waiting`` wait.

        After ``mixed_seconds``, and then after twice as long each time, up to an hour, it looks whether other code has built any.

        Views that are stored beside those of other code it builds beside, and ``switches`` to. ``storages`` is what ``views``
        lists by until then. ``on_rebuild`` is told how far it is with what it has to build throughout.

        ``retry`` is for views that cannot be built, ``backoff`` for a datastore that cannot be reached.
        """
        self.name = name = name_for(catalog, name)
        self._switches = switches
        self._on_progress = on_rebuild
        self._datastore = datastore
        self._catalog = catalog
        self._sweep_seconds = sweep_seconds
        self._mixed_seconds = mixed_seconds
        self.shapes = Shapes()
        self._recent = RecentChanges()
        self._subject = _Views(self)
        self._follower = Follower(
            datastore,
            name,
            collections_read(catalog.views.values()),
            self._subject,
            beside=[SHAPES, WISHES],
            storages={view.__view__.storage: collections_read([view]) for view in catalog.views.values()},
            concurrency=concurrency,
            overlapping=not getattr(datastore, "serial", False),
            batch=lambda view: self._builder.batch(view, batch),
            max_waiting=max_waiting,
            save_seconds=save_seconds,
            retry=retry,
            backoff=backoff,
        )
        self._failures = self._follower.failures
        self._builder = Builder(datastore, recent=self._recent, shapes=self.shapes, observer=self._subject)
        self._affected = Affected(datastore, catalog, self.shapes)
        self._sweep = Sweep(datastore, catalog, self._follower, self._builder.unchecked)
        self._rebuilding: dict[str, RebuildProgress] = {}
        self._begun, self._rebuilt = asyncio.Event(), asyncio.Event()
        self.views = ViewReader(datastore, catalog, builder=self._builder, storages=storages)

    async def __aenter__(self) -> Projector:
        self._follower.start()
        self._follower.supervisor.start("sweep", self._sweep_up)
        self._follower.supervisor.start("definitions", self._rebuild_outdated)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._recent.following = False
        await self._follower.close()

    @property
    def as_of(self) -> Timepoint:
        """The timepoint up to which every change has been seen, and what follows from it written. 0: not known yet."""
        return self._follower.progress.as_of

    def lag(self, now: Timepoint) -> float | None:
        """For how many seconds the stored views may be behind at this moment; 0 where everything that has changed is in them.

        None where nothing has ever been worked off.
        """
        if self._follower.caught_up:
            return 0.0
        return max(0, now - self.as_of) / 1_000_000 if self.as_of else None

    async def wait_for(self, timepoint: Timepoint, timeout: float = 30.0) -> Timepoint:
        """Wait until every change up to the timepoint (a commit's) is written; the as-of timepoint. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._follower.wait_for(timepoint)

    async def wait_rebuilt(self, timeout: float | None = 30.0) -> None:
        """Wait until every view whose code has changed since it was built is built anew. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._rebuilt.wait()

    async def rebuild(
        self, views: Iterable[type[ViewModel]] | None = None, on_progress: OnProgress = lambda progress: None
    ) -> list[RebuildProgress]:
        """Build every key of these views, or of all, while the projector goes on. Raises DatastoreUnavailable."""
        chosen = self._catalog.views.values() if views is None else views
        return await rebuild(self._datastore, chosen, builder=self._builder, on_progress=on_progress)

    def status(self) -> ProjectorStatus:
        return ProjectorStatus(
            name=self.name,
            running=self._recent.following,
            as_of=self.as_of,
            waiting=len(self._follower.dirty),
            building=self._follower.dirty.building,
            failing=len(self._failures) + self._failures.dropped,
            failures=self._failures.first(FAILURES_SHOWN),
            rebuilding=tuple(one for one in self._rebuilding.values() if not one.complete),
            tasks=self._follower.supervisor.status(),
        )

    async def _sweep_up(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            await self._sweep.once(self._sweep_seconds)
            self._follower.supervisor.healthy("sweep")

    async def _rebuild_outdated(self) -> None:
        await self._begun.wait()
        # At the first start the listener brings every root: what is left to do is known afterwards.
        await self._follower.progress.wait_for_first()
        definitions = Definitions(self._datastore)
        views = [view for view in self._catalog.views.values() if not view.__view__.beside]
        for view, since in (await definitions.outdated(views)).items():
            await self._rebuild(view, since)
        for view in self._catalog.beside.values():
            await build_beside(
                self._datastore, view, self._follower, self._builder, switch=self._switches, on_progress=self._on_rebuild
            )
        self._rebuilt.set()
        pauses = Backoff(first=self._mixed_seconds, limit=MIXED_LIMIT_SECONDS)
        for time in count(1):
            await asyncio.sleep(pauses.delay(time))
            for view in await definitions.mixed(views):
                await self._rebuild(view)
            self._follower.supervisor.healthy("definitions")

    async def _rebuild(self, view: type[ViewModel], since: Timepoint = 0) -> None:
        told = self._on_rebuild
        await rebuild(self._datastore, [view], builder=self._builder, on_progress=told, force=False, since=since)

    async def _distrust_unkept(self) -> None:
        """Note of views that nobody has followed until now that what stands there may be as old as whoever built it."""
        in_place = [view for view in self._catalog.views.values() if not view.__view__.beside]
        unkept = [view for view in in_place if view.__view__.storage not in self._follower.kept]
        if unkept:
            await Definitions(self._datastore).distrust(unkept, await self._datastore.ping())

    def _on_rebuild(self, progress: RebuildProgress) -> None:
        self._rebuilding[progress.view] = progress
        self._on_progress(progress)


class _Views:
    """What a projector does about changes (a Subject), and about what comes of builds (an Observer)."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._told: set[tuple[str, type[BaseException]]] = set()

    async def begin(self) -> None:
        of = self._projector
        await of.shapes.load(of._datastore)
        await of._distrust_unkept()
        of._begun.set()
        await of._sweep.once(0.0)
        # What changed before the checkpoint was delivered to whoever saved it.
        of._recent.gap()
        of._recent.following = True

    def seen(self, documents: Sequence[Document]) -> None:
        self._projector.shapes.learn(document for document in documents if document.collection == SHAPES)
        for document in documents:
            self._projector._recent.add(document)

    def concerned(self, documents: Sequence[Document]) -> AsyncIterator[Item]:
        return self._projector._affected.by(documents)

    def missing(self) -> AsyncIterator[Item]:
        # A resend does not tell of deletions, and builds that are not registered yet are not found here.
        self._projector._recent.gap()
        return missing_documents(self._projector._datastore, self._projector._catalog)

    async def work(self, batch: Batch) -> None:
        view, keys = batch
        dirty = self._projector._follower.dirty
        wanted = {key: dirty.wanted(view, key) for key in keys}
        builder = self._projector._builder
        told: Attributes = {"bff.view": view, "bff.views": len(keys)}
        with builder.tracing.span("bff.build", told, follows=wanted.values()):
            await builder.catch_up(self._projector._catalog.views[view], wanted)

    async def note(self) -> None:
        await self._projector._builder.flush()

    def built(self, built: Built) -> None:
        view, failures = built.view, self._projector._failures
        if built.error is None:
            failures.succeeded(view.view, view.key)
            return
        if isinstance(built.error, IncompleteBuild):
            return  # it is not ill, it is busy, and waits for its next build
        if (view.view, view.key) not in failures:
            # One mistake can fail every key of a view: the first of a kind tells where it is, the others are in the status.
            kind = (view.view, type(built.error.__cause__ or built.error))
            level = logging.INFO if kind in self._told else logging.ERROR
            cause = None if kind in self._told else built.error
            self._told.add(kind)
            logger.log(
                level, "%s %r cannot be built, its last good value stays: %s", view.view, view.key, built.error, exc_info=cause
            )
        failure = built.metadata.failure if built.metadata is not None else None
        attempts = None if failure is None else failure.attempts
        failures.failed(view.view, view.key, f"{type(built.error).__name__}: {built.error}", attempts)

    def again(self, view: str, key: str, *, in_vain: bool = False) -> None:
        self._projector._follower.dirty.again(view, key, in_vain=in_vain)
