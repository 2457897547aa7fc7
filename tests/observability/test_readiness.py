"""/readyz: which long-lived task fails, and since when; the same in /metrics."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from bff import App, DomainModel, Store, ViewModel, field, reference
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.datastore.sqlite.watch import Watch
from bff.observability.tasks import supervised
from bff.supervisor import State
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Tap(DomainModel, collection="taps"):
    open: bool = False


class TapStore(Store):
    tap = reference(Tap)


class TapView(ViewModel):
    store: TapStore

    @field
    def open(self) -> bool:
        return self.store.tap.open


async def test_a_task_that_fails_is_named_with_its_beginning_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, tried, run = True, asyncio.Event(), Watch.run

    async def run_or_fail(watch: Watch) -> None:
        if broken:
            tried.set()
            raise OSError("the disk is on fire")
        await run(watch)

    monkeypatch.setattr(Watch, "run", run_or_fail)
    began = datetime.now(UTC)
    async with AppHarness(App(views=[TapView], datastore=SQLiteDatastore())) as running:
        await running.settled()
        await tried.wait()
        answer = await running.http.get("/readyz")
        assert answer.status_code == 503
        [task] = answer.json()["checks"]["datastore"]["tasks"]
        assert (task["name"], task["error"]) == ("watch", "OSError: the disk is on fire")
        assert task["failures"] >= 1
        assert began <= datetime.fromisoformat(task["since"]) <= datetime.now(UTC)
        text = (await running.http.get("/metrics")).text
        assert 'bff_task_failing_seconds{part="datastore",task="watch"} 0.0\n' not in text

        broken = False
        async with asyncio.timeout(20):
            while (await running.http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - there is nothing else to wait on
                await asyncio.sleep(0.02)


async def test_every_part_has_its_tasks_supervised() -> None:
    async with AppHarness(App(views=[TapView])) as running:
        await running.settled()
        parts = {part: {task.name for task in tasks} for part, tasks in supervised(running.runtime)}
        states = {task.state for _, tasks in supervised(running.runtime) for task in tasks}
    assert parts["datastore"] == {"watch"}
    assert {"follow", "retry", "save", "sweep", "definitions", "work 1"} <= parts["projector"]
    assert {"listen", "announce gaps", "pulse"} <= parts["relay"]
    assert "compare" in parts["hub"]
    assert states <= {State.RUNNING, State.FINISHED}
