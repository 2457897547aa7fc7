"""A datastore that fails in the middle of a mutation: the answer never says that nothing was done when something was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.app import App
from bff.errors import Conflict, DatastoreUnavailable, OutcomeUnknown
from bff.testing.harness import AppHarness
from tests.faults.bad_apps import Kettle, KettleView
from tests.faults.failing import FailingDatastore

pytestmark = pytest.mark.anyio

FILL = 'mutation { kettleFill(id: "k1", litres: 9) { cups } }'
SET = 'mutation { updateKettleView(id: "k1", input: {cups: 36}) { cups } }'
EITHER = pytest.mark.parametrize("mutation", [FILL, SET])


@pytest.fixture
async def datastore() -> FailingDatastore:
    return FailingDatastore()


@pytest.fixture
async def running(datastore: FailingDatastore) -> AsyncIterator[AppHarness]:
    async with AppHarness(App(views=[KettleView], datastore=datastore), timeout=30) as harness:
        await Kettle(id="k1", name="Blue", litres=2).save()
        await harness.settled()
        yield harness


async def answered(running: AppHarness, datastore: FailingDatastore, mutation: str) -> dict[str, Any]:
    """The one error of the answer, after which the datastore is well again."""
    answer = await running.execute(mutation)
    datastore.refuse = datastore.lose = lambda call: None
    assert answer["data"] is None
    [error] = answer["errors"]
    assert "secret" not in str(error)
    extensions: dict[str, Any] = error["extensions"]
    return extensions


async def litres() -> int:
    kettle = await Kettle.get("k1")
    assert kettle is not None
    return kettle.litres


@EITHER
async def test_a_commit_that_is_refused_changes_nothing(running: AppHarness, datastore: FailingDatastore, mutation: str) -> None:
    datastore.refuse = lambda call: DatastoreUnavailable("secret") if call == "commit kettles" else None
    assert (await answered(running, datastore, mutation))["code"] == "UNAVAILABLE"
    assert await litres() == 2
    assert (await running.execute(mutation))["data"]


@EITHER
async def test_a_commit_whose_answer_is_lost_is_not_repeated(
    running: AppHarness, datastore: FailingDatastore, mutation: str
) -> None:
    datastore.lose = lambda call: OutcomeUnknown("secret") if call == "commit kettles" else None
    assert (await answered(running, datastore, mutation))["code"] == "OUTCOME_UNKNOWN"
    assert datastore.calls.count("commit kettles") == 2, "the first one of the fixture, and this one"
    assert await litres() == 9


@EITHER
async def test_a_datastore_that_goes_down_after_the_commit(
    running: AppHarness, datastore: FailingDatastore, mutation: str
) -> None:
    def down_once_committed(call: str) -> Exception | None:
        return (
            DatastoreUnavailable("secret") if datastore.calls.count("commit kettles") == 2 and call != "commit kettles" else None
        )

    datastore.refuse = down_once_committed
    assert (await answered(running, datastore, mutation))["code"] == "OUTCOME_UNKNOWN"
    assert await litres() == 9
    await running.settled()
    assert await running.execute('{ kettleView(id: "k1") { cups } }') == {"data": {"kettleView": {"cups": 36}}}


@EITHER
async def test_a_view_that_others_write_faster_than_it_can_be_built(
    running: AppHarness, datastore: FailingDatastore, mutation: str
) -> None:
    datastore.refuse = lambda call: Conflict("secret") if call == "commit KettleView _bff_unchecked _bff_views" else None
    assert (await answered(running, datastore, mutation))["code"] == "OUTCOME_UNKNOWN"
    assert await litres() == 9
    await running.settled()
    assert await running.execute('{ kettleView(id: "k1") { cups } }') == {"data": {"kettleView": {"cups": 36}}}
