"""A document that does not fit its class, written from outside: its view keeps its last good value, and everybody can see why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bff.connection import connect
from bff.datastore.port import Delete, Set
from bff.settings import Settings
from bff.testing.harness import AppHarness
from bff.types import Value
from tests.faults.bad_apps import Kettle, app
from tests.faults.killing import OVERRIDE
from tests.faults.script import seed
from tests.faults.served import Finished, bff

pytestmark = pytest.mark.anyio

APP = "tests.faults.bad_apps:app"
GOOD: dict[str, Value] = {"objType": "Kettle", "name": "Blue", "litres": 2, "lid": None}
BAD: list[dict[str, Value]] = [
    {**GOOD, "litres": "two"},
    {**GOOD, "name": 7},
    {"objType": "Kettle", "litres": 2},
    {**GOOD, "lid": "AJAR"},
    {**GOOD, "litres": 2**40},
]
QUERY = "query ($id: ID!) { kettleView(id: $id) { name cups } }"


async def asked(running: AppHarness, id: str) -> dict[str, Any]:
    return await running.execute(QUERY, {"id": id})


async def failures(running: AppHarness) -> dict[str, str]:
    """What /readyz says cannot be built, by key."""
    response = await running.http.get("/readyz")
    assert response.status_code == 200, "one view that fails takes nothing else down"
    return {one["key"]: one["error"] for one in response.json()["checks"]["projector"]["failures"]}


@pytest.mark.parametrize("bad", BAD)
async def test_its_view_keeps_the_last_good_value_and_the_others_go_on(bad: dict[str, Value]) -> None:
    async with AppHarness(app) as running:
        datastore = running.runtime.datastore
        await Kettle(id="k1", name="Blue", litres=2).save()
        await Kettle(id="k2", name="Red", litres=1).save()
        await running.settled()
        good = await asked(running, "k1")

        await datastore.commit([Set("kettles/k1", bad), Set("kettles/k3", bad)])
        await running.settled()
        assert await asked(running, "k1") == good
        [error] = (await asked(running, "k3"))["errors"]
        assert error["extensions"]["code"] == "BUILD_FAILED"
        assert error["message"] == "this view cannot be built from its documents"
        found = await failures(running)
        assert set(found) == {"k1", "k3"}
        assert all("KettleView" in text or "kettles/" in text for text in found.values()), found

        kettle = await Kettle.get("k2")
        assert kettle is not None
        kettle.litres = 5
        await kettle.save()
        await running.settled()
        assert await asked(running, "k2") == {"data": {"kettleView": {"name": "Red", "cups": 20}}}

        await datastore.commit([Set("kettles/k1", {**GOOD, "litres": 3}), Delete("kettles/k3")])
        await running.settled()
        assert await asked(running, "k1") == {"data": {"kettleView": {"name": "Blue", "cups": 12}}}
        assert await asked(running, "k3") == {"data": {"kettleView": None}}
        assert await failures(running) == {}


async def test_a_mutation_of_it_is_answered_and_changes_nothing() -> None:
    async with AppHarness(app) as running:
        datastore = running.runtime.datastore
        await datastore.commit([Set("kettles/k1", BAD[0])])
        answer = await running.execute('mutation { kettleFill(id: "k1", litres: 3) { cups } }')
        assert answer["data"] is None
        [error] = answer["errors"]
        assert "two" not in error["message"]
        assert error["extensions"]["code"] == "BAD_DOCUMENT"
        async with datastore.snapshot() as snapshot:
            [document] = await snapshot.get(["kettles/k1"])
        assert document.data == BAD[0]


async def test_a_subscriber_sees_the_good_states_only() -> None:
    async with AppHarness(app) as running, running.watch('subscription { kettleView(id: "k1") { cups } }') as states:
        assert (await states.next())["data"]["kettleView"] is None
        datastore = running.runtime.datastore
        await datastore.commit([Set("kettles/k1", GOOD)])
        assert await states.next() == {"data": {"kettleView": {"cups": 8}}}
        await datastore.commit([Set("kettles/k1", BAD[0])])
        await running.settled()
        await datastore.commit([Set("kettles/k1", {**GOOD, "litres": 4})])
        assert await states.next() == {"data": {"kettleView": {"cups": 16}}}


async def test_one_that_never_fitted_does_not_hide_the_others_from_a_list() -> None:
    async with AppHarness(app) as running:
        await Kettle(id="k1", name="Blue", litres=2).save()
        await running.runtime.datastore.commit([Set("kettles/k2", BAD[0])])
        await running.settled()
        answer = await running.execute("{ kettleViews(first: 10) { edges { node { id cups } } } }")
        assert answer == {"data": {"kettleViews": {"edges": [{"node": {"id": "k1", "cups": 8}}]}}}


async def test_doctor_and_rebuild_say_which_and_why(tmp_path: Path) -> None:
    """Their exit codes are for scripts: 1 while something cannot be built, 0 once it can."""
    url = f"sqlite:///{tmp_path / 'kettles.db'}"
    async with connect(url) as datastore:
        await Kettle(id="k1", name="Blue").save()
        await datastore.commit([Set("kettles/k2", BAD[0])])
        async with AppHarness(app, settings=Settings(datastore_url=url)) as running:
            await Kettle(id="k3", name="cracked").save()
            await running.settled()
    assert_says(bff("doctor", APP, datastore_url=url), 1, "✗ KettleView k2: ", "✗ KettleView k3: ", "ValueError")
    rebuilt = bff("rebuild", APP, datastore_url=url)
    assert_says(rebuilt, 1, "KettleView: 1 built, 2 failed")
    assert "bff doctor says why" in rebuilt.err

    async with connect(url) as datastore:
        await datastore.commit([Set("kettles/k2", GOOD), Delete("kettles/k3")])
    assert_says(bff("rebuild", APP, datastore_url=url), 0, "KettleView: 3 built, 0 failed")
    assert_says(bff("doctor", APP, datastore_url=url), 0, "✓ views: every one can be built", "✓ projector: ")


def assert_says(finished: Finished, code: int, *words: str) -> None:
    assert finished.code == code, finished
    assert all(word in finished.out for word in words), finished
    assert "Traceback" not in finished.out + finished.err


async def test_doctor_and_rebuild_look_where_the_app_does(tmp_path: Path) -> None:
    """An app that brings its datastore along is not judged by another one that the settings name."""
    shop, elsewhere = tmp_path / "shop.db", tmp_path / "elsewhere.db"
    await seed(f"sqlite:///{shop}")

    def at_the_shop(command: str) -> Finished:
        settings = {OVERRIDE: f"sqlite:///{shop}"}
        return bff(command, "tests.faults.killed_app:app", datastore_url=f"sqlite:///{elsewhere}", settings=settings)

    assert_says(at_the_shop("rebuild"), 0, "ProductPage: 2 built", "CustomerPage: 2 built")
    assert str(shop) in at_the_shop("doctor").out
    assert not elsewhere.exists()
