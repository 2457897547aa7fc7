"""How far the views have come, as it is known beside their projector and in other processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import cast

import pytest

from bff.datastore.port import Datastore, Delete, Set, Target
from bff.errors import Stale
from bff.projection.as_of import AsOf, LocalAsOf, RemoteAsOf
from bff.projection.checkpoint import PROJECTORS, WISHES, checkpoint_path
from bff.projection.projector import Projector
from bff.types import Timepoint
from tests.projection.support import CATALOG, Course, Student, Teacher, Wrapped, check_course_pages, get, write

pytestmark = pytest.mark.anyio

FUTURE = 2 * 10**17


@pytest.fixture(params=["here", "elsewhere"])
async def as_of(request: pytest.FixtureRequest, datastore: Datastore) -> AsyncIterator[AsOf]:
    async with AsyncExitStack() as stack:
        projector = await stack.enter_async_context(Projector(datastore, CATALOG))
        if request.param == "here":
            yield LocalAsOf(projector)
        else:
            yield await stack.enter_async_context(RemoteAsOf(datastore))


async def test_what_was_waited_for_is_stored(datastore: Datastore, as_of: AsOf) -> None:
    for number in range(5):
        committed = await write(
            datastore, Course(id="c1", title=str(number), teacher=Teacher.ref("t1")), Teacher(id="t1", name=f"T{number}")
        )
        assert await as_of.wait_for(committed, 20) >= committed
        assert await as_of.now() >= committed
        await check_course_pages(datastore)


async def test_what_no_view_reads_is_waited_for_as_well(datastore: Datastore, as_of: AsOf) -> None:
    committed = (await datastore.commit([Set("nobodys/n1", {"a": 1})])).timepoint
    assert await as_of.wait_for(committed, 20) >= committed


async def test_it_only_goes_forward(datastore: Datastore, as_of: AsOf) -> None:
    seen = 0
    for number in range(20):
        committed = await write(datastore, Student(id="s1", name=str(number)))
        now = await as_of.wait_for(committed, 20) if number % 3 == 0 else await as_of.now()
        assert now >= seen
        seen = now


async def test_the_future_is_stale_after_the_bound(datastore: Datastore, as_of: AsOf) -> None:
    started = time.monotonic()
    with pytest.raises(Stale, match=str(FUTURE)):
        await as_of.wait_for(FUTURE, 0.2)
    assert time.monotonic() - started < 5


async def test_many_that_wait_are_one_wish(datastore: Datastore) -> None:
    counted = Wrapped(datastore)
    async with Projector(datastore, CATALOG), RemoteAsOf(counted) as as_of:
        await as_of.wait_for(await write(datastore, Student(id="s0", name="")), 20)
        counted.calls.clear()
        committed = await write(datastore, Student(id="s1", name=""))
        await asyncio.gather(*(as_of.wait_for(committed, 20) for _ in range(100)))
        assert len([call for call in counted.calls if WISHES in call]) <= 1
        counted.calls.clear()
        # What is known already asks nobody.
        await asyncio.gather(*(as_of.wait_for(committed, 20) for _ in range(100)))
        assert [call for call in counted.calls if call != "committed"] == []


async def test_those_who_wait_for_the_future_wish_once(datastore: Datastore) -> None:
    counted = Wrapped(datastore)
    async with Projector(datastore, CATALOG), RemoteAsOf(counted) as as_of:
        waiting = [as_of.wait_for(FUTURE, 1.5) for _ in range(50)]
        assert all(isinstance(one, Stale) for one in await asyncio.gather(*waiting, return_exceptions=True))
        assert len([call for call in counted.calls if WISHES in call]) == 1


async def test_a_wish_that_could_not_be_written_is_written_again(datastore: Datastore) -> None:
    class Failing(Wrapped):
        left = 2

        async def on_call(self, call: str) -> None:
            await super().on_call(call)
            if WISHES in call and self.left:
                self.left -= 1
                raise ConnectionError("away")

    failing = Failing(datastore)
    async with Projector(datastore, CATALOG), RemoteAsOf(failing) as as_of:
        committed = (await datastore.commit([Set("nobodys/n1", {"a": 1})])).timepoint
        assert await as_of.wait_for(committed, 20) >= committed
        assert failing.left == 0


async def test_a_checkpoint_that_goes_back_is_not_believed(datastore: Datastore) -> None:
    async with RemoteAsOf(datastore) as as_of:
        data = {"token": "", "collections": []}
        await datastore.commit([Set(checkpoint_path("main"), {**data, "timepoint": 500})])
        assert await as_of.now() == 500
        await datastore.commit([Set(checkpoint_path("main"), {**data, "timepoint": 400})])
        await datastore.commit([Set(checkpoint_path("main"), {**data, "timepoint": 600})])
        assert await as_of.wait_for(600, 20) == 600
        await datastore.commit([Delete(checkpoint_path("main"))])
        assert await as_of.now() == 600


async def test_where_there_is_no_projector_nothing_is_known(datastore: Datastore) -> None:
    async with RemoteAsOf(datastore) as as_of:
        assert await as_of.now() == 0
        with pytest.raises(Stale, match="not come anywhere"):
            await as_of.wait_for(1, 0.1)


async def test_nobody_follows_before_somebody_asks_and_nothing_is_left_running(datastore: Datastore) -> None:
    tasks = asyncio.all_tasks()
    async with RemoteAsOf(datastore) as as_of:
        assert as_of.status() == ()
        await as_of.now()
        assert {status.name for status in as_of.status()} == {"follow", "wish"}
    left = {task for task in asyncio.all_tasks() - tasks if "as-of" in task.get_name()}
    assert left == set()


async def saved_past_the_wish(datastore: Datastore, projector: Projector) -> Timepoint:
    """When the checkpoint was saved that holds the wish itself, too: it can be saved for what was wished before that."""
    wished = (await get(datastore, f"{WISHES}/main")).update_time
    await projector.wait_for(wished, 20)
    async with asyncio.timeout(20), datastore.listen([Target(PROJECTORS)]) as listening:
        async for changes in listening:
            for saved in changes.documents:
                if saved.path == checkpoint_path("main") and cast(int, (saved.data or {})["timepoint"]) >= wished:
                    return saved.update_time
    raise AssertionError("the listener ended")


async def test_an_idle_projector_saves_for_whoever_asks_and_for_nobody_else(datastore: Datastore) -> None:
    async with Projector(datastore, CATALOG, save_seconds=0.05) as projector:
        await projector.wait_for(await write(datastore, Student(id="s1", name="")), 20)
        async with RemoteAsOf(datastore) as as_of:
            await as_of.wait_for((await datastore.commit([Set("nobodys/n1", {"a": 1})])).timepoint, 20)
            before = await saved_past_the_wish(datastore, projector)
            committed = (await datastore.commit([Set("nobodys/n1", {"a": 2})])).timepoint
            await projector.wait_for(committed, 20)
            assert (await get(datastore, checkpoint_path("main"))).update_time == before
            await as_of.wait_for(committed, 20)
            assert (await get(datastore, checkpoint_path("main"))).update_time > before


_conforms: tuple[Callable[[Projector], AsOf], Callable[[Datastore], AsOf]] = (LocalAsOf, RemoteAsOf)
