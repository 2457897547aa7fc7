"""What nobody is told of while a build is under way: found out all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Changes, Datastore, Listening, ResumePoint, Target
from bff.projection.projector import Projector
from tests.delivered import Delivered
from tests.projection.support import CATALOG, Course, Holding, Seat, Student, Teacher, delete, everything, settled, write

pytestmark = pytest.mark.anyio

ANN = Teacher(id="ann", name="Ann")
MATHS = Course(id="maths", title="Mathematics", teacher=ANN.ref)
ONE = Student(id="one", name="One")


class Losing(Holding):
    """Its listener loses its connection once ``lose`` is set; what it goes on with is a resend of everything."""

    def __init__(self, datastore: Datastore) -> None:
        super().__init__(datastore, None)
        self.lose = asyncio.Event()
        self.resend = asyncio.Event()
        self.resent = asyncio.Event()

    @asynccontextmanager
    async def listen(self, targets: Sequence[Target], since: ResumePoint | None = None) -> AsyncIterator[Listening]:
        async with aclosing(self._deliver(targets, since)) as batches:
            yield Delivered(batches)

    async def _deliver(self, targets: Sequence[Target], since: ResumePoint | None) -> AsyncGenerator[Changes, None]:
        async with self.inner.listen(targets, since) as listening:
            async for changes in listening:
                if self.lose.is_set():
                    break
                yield changes
        await self.resend.wait()
        async with self.inner.listen(targets, None) as listening:
            async for changes in listening:
                yield changes
                if changes.resume is not None:
                    self.resent.set()


@pytest.fixture
async def datastore(datastore_url: str) -> AsyncIterator[Datastore]:
    async with open_datastore(datastore_url) as opened:
        yield opened


async def test_a_deletion_that_a_resend_does_not_tell_of_is_noticed_by_a_build_under_way(datastore: Datastore) -> None:
    """It has read the document, and has not registered yet that it did when the projector looks for who read what is gone."""
    await write(datastore, ANN, MATHS, ONE)
    link = Losing(datastore)
    async with asyncio.timeout(30), Projector(link, CATALOG, save_seconds=60, sweep_seconds=60) as projector:
        await projector.wait_rebuilt()
        await settled(datastore, projector)
        link.lose.set()
        held = Holding(link, None, only=f"commit {Seat.__view__.collection}/")
        link.on_call = held.on_call  # type: ignore[method-assign]
        held.hold(1)
        reading = asyncio.create_task(projector.views.read(Seat, ["maths:one"]))
        await held.held.wait()
        await delete(datastore, ONE.path)
        link.resend.set()
        await link.resent.wait()
        await settled(datastore, projector)
        held.go_on.set()
        await reading
        await settled(datastore, projector)
        assert await everything(datastore, Seat.__view__.collection) == {}


async def test_a_change_before_the_projector_follows_is_noticed_by_a_build_that_began_before(datastore: Datastore) -> None:
    """Another projector has handled the change and saved so: this one begins after it, and is never told of it."""
    await write(datastore, ANN, MATHS, ONE)
    async with Projector(datastore, CATALOG, save_seconds=0.01, sweep_seconds=60) as other:
        await other.wait_rebuilt()
        link = Holding(datastore, None, only=f"commit {Seat.__view__.collection}/")
        late = Projector(link, CATALOG, save_seconds=60, sweep_seconds=60)
        link.hold(1)
        reading = asyncio.create_task(late.views.read(Seat, ["maths:one"]))
        async with asyncio.timeout(30):
            await link.held.wait()
            await write(datastore, Student(id="one", name="Uno"))
            await settled(datastore, other)
    async with asyncio.timeout(30), late:
        await late.wait_for(await datastore.ping())
        link.go_on.set()
        await reading
        await settled(datastore, late)
        [seat] = (await everything(datastore, Seat.__view__.collection)).values()
        assert seat.data is not None
        assert seat.data["label"] == "Uno in Mathematics"
