"""Two apps of two definitions of one view on one datastore: each answers with its own, from before the switch to after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bff import App
from bff.cli import cli
from bff.projection.projector import Projector
from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.projection.support import write
from tests.projection.test_beside import NEW, NEW_CATALOG, OLD, Shelf

pytestmark = pytest.mark.anyio

SHELVES = 12
LIST = """query($first: Int, $after: String) {
  shelfPages(first: $first, after: $after) { totalCount edges { node { id name } } pageInfo { endCursor } }
}"""
LIVE = "subscription { shelfPages { kind id node { name } page { edges { node { id name } } } } }"


def settings(path: Path, role: str = "all") -> Settings:
    return Settings(datastore_url=f"sqlite:///{path / 'shelves.db'}", broadcast_url="memory://", role=role)  # type: ignore[arg-type]


@asynccontextmanager
async def side_by_side(path: Path) -> AsyncIterator[tuple[AppHarness, AppHarness]]:
    """An app of the old code with all its roles, and one of the new code that waits for a projector of that."""
    async with AsyncExitStack() as stack:
        older = await stack.enter_async_context(AppHarness(App(views=[OLD]), settings=settings(path)))
        await write(older.runtime.datastore, *(Shelf(id=f"s{number:02}", name=f"n{number}") for number in range(SHELVES)))
        await older.settled()
        await older.runtime.storages.wait()
        newer = await stack.enter_async_context(AppHarness(App(views=[NEW]), settings=settings(path, "web")))
        yield older, newer


async def listed(app: AppHarness, **arguments: Any) -> dict[str, str]:
    answer = await app.execute(LIST, {"first": 100, **arguments})
    assert "errors" not in answer, answer
    return {edge["node"]["id"]: edge["node"]["name"] for edge in answer["data"]["shelfPages"]["edges"]}


async def built(newer: AppHarness) -> None:
    """A projector of the new code builds what it is to build, and switches."""
    async with Projector(newer.runtime.datastore, NEW_CATALOG) as projector:
        await projector.wait_rebuilt()
        await projector.wait_for(await newer.runtime.datastore.ping())
    await newer.runtime.storages.wait()


async def test_lists_are_whole_and_of_one_definition_before_and_after_the_switch(tmp_path: Path) -> None:
    wanted = {f"s{number:02}": f"N{number}" for number in range(SHELVES)}
    async with side_by_side(tmp_path) as (older, newer):
        assert await listed(older) == {id: name.lower() for id, name in wanted.items()}
        assert await listed(newer) == wanted
        first = await newer.execute(LIST, {"first": 5})
        page = first["data"]["shelfPages"]
        assert page["totalCount"] == SHELVES
        assert [edge["node"]["name"] for edge in page["edges"]] == [f"N{number}" for number in range(5)]
        await built(newer)
        assert await listed(newer) == wanted
        assert await listed(newer, first=100, after=page["pageInfo"]["endCursor"]) == dict(list(wanted.items())[5:])
        assert await listed(older) == {id: name.lower() for id, name in wanted.items()}


async def test_what_is_stored_and_not_kept_up_is_not_answered(tmp_path: Path) -> None:
    async with side_by_side(tmp_path) as (older, newer):
        ask = '{ shelfPage(id: "s01") { name } }'
        assert (await newer.execute(ask))["data"] == {"shelfPage": {"name": "N1"}}
        await write(older.runtime.datastore, Shelf(id="s01", name="moved"))
        assert (await newer.execute(ask))["data"] == {"shelfPage": {"name": "MOVED"}}
        await older.settled()
        assert (await listed(newer))["s01"] == "MOVED"


async def test_a_list_by_what_only_the_new_definition_has_waits_for_it(tmp_path: Path) -> None:
    ask = "{ shelfPages(filter: {length: {eq: 3}}) { edges { node { id } } } }"
    async with side_by_side(tmp_path) as (_, newer):
        [error] = (await newer.execute(ask))["errors"]
        assert error["extensions"]["code"] == "BEING_BUILT"
        assert "length" in error["message"]
        former = await newer.execute('{ shelfPages(filter: {name: {eq: "n1"}}) { edges { node { name } } } }')
        assert former["data"] == {"shelfPages": {"edges": [{"node": {"name": "N1"}}]}}, "selected by what the old code made of it"
        await built(newer)
        assert (await newer.execute(ask))["data"] == {"shelfPages": {"edges": [{"node": {"id": "s10"}}, {"node": {"id": "s11"}}]}}


async def test_what_is_open_across_the_switch_sees_one_definition_and_rising_versions(tmp_path: Path) -> None:
    async with side_by_side(tmp_path) as (older, newer), AsyncExitStack() as stack:
        live = await stack.enter_async_context(newer.watch(LIVE))
        one = await stack.enter_async_context(newer.watch('subscription { shelfPage(id: "s02") { name version } }'))
        event = (await live.next())["data"]["shelfPages"]
        window = {edge["node"]["id"]: edge["node"]["name"] for edge in event["page"]["edges"]}
        assert window == {f"s{number:02}": f"N{number}" for number in range(SHELVES)}
        seen = [(await one.next())["data"]["shelfPage"]]
        await write(older.runtime.datastore, Shelf(id="s02", name="moved"), Shelf(id="s99", name="late"))
        await built(newer)
        seen.append((await one.until(lambda answer: answer["data"]["shelfPage"]["name"] == "MOVED"))["data"]["shelfPage"])
        assert seen[0]["name"] == "N2"
        assert seen[0]["version"] < seen[1]["version"]
        names = set(window.values())
        async with asyncio.timeout(30):
            while window.get("s02") != "MOVED" or window.get("s99") != "LATE":
                event = (await live.next())["data"]["shelfPages"]
                if event["node"] is not None:
                    window[event["id"]] = event["node"]["name"]
                    names.add(event["node"]["name"])
        assert all(name == name.upper() for name in names)
        assert len(window) == SHELVES + 1


async def test_it_is_not_ready_until_then_and_holds_no_listener_afterwards(tmp_path: Path) -> None:
    async with side_by_side(tmp_path) as (older, newer):
        answer = await newer.http.get("/readyz")
        assert answer.status_code == 503
        check = answer.json()["checks"]["storages"]
        assert check["waiting"] == [{"view": "ShelfPage", "storage": NEW.__view__.storage, "former": OLD.__view__.storage}]
        assert check["since"] is not None
        relay = newer.runtime.relay
        assert relay is not None
        await relay.wait_for(await newer.runtime.datastore.ping())
        assert not relay.following, "nobody's cache is to believe it"
        await built(newer)
        assert relay.following
        answer = await newer.http.get("/readyz")
        assert answer.status_code == 200, answer.json()
        assert answer.json()["checks"]["storages"]["waiting"] == []
        assert (await older.http.get("/readyz")).status_code == 200
        assert not newer.runtime.storages.waiting
    async with AppHarness(App(views=[NEW]), settings=settings(tmp_path)) as again:
        assert not again.runtime.storages.waiting
        assert again.runtime.storages.status() == (), "nothing follows what nobody waits for"


def run(path: Path, *arguments: str) -> Any:
    environment = {"BFF_DATASTORE_URL": settings(path).datastore_url, "BFF_BROADCAST_URL": "memory://"}
    return CliRunner(env=environment).invoke(cli, [arguments[0], "tests.app.beside_app:app", *arguments[1:]])


async def old_shelves(path: Path) -> None:
    async with AppHarness(App(views=[OLD]), settings=settings(path)) as older:
        await write(older.runtime.datastore, *(Shelf(id=f"s{number:02}", name=f"n{number}") for number in range(SHELVES)))
        await older.settled()
        await older.runtime.storages.wait()


async def switched(path: Path) -> None:
    async with AppHarness(App(views=[NEW]), settings=settings(path)) as newer:
        await newer.runtime.storages.wait()


def test_the_commands_on_the_way_to_a_deploy_and_after_it(tmp_path: Path) -> None:
    asyncio.run(old_shelves(tmp_path))
    [preview] = json.loads(run(tmp_path, "rebuild", "--dry-run", "--json").stdout)["views"]
    assert (preview["changed"], preview["created"], preview["unchanged"]) == (SHELVES, 0, 0)
    assert preview["fields"] == {"name": SHELVES, "length": SHELVES}
    told = run(tmp_path, "doctor").output
    assert f"{NEW.__view__.storage} is not being built" in told
    assert "none of this code has run yet" in told, "that of the old code is another one"

    done = run(tmp_path, "rebuild")
    assert (done.exit_code, done.stdout) == (0, f"ShelfPage: {SHELVES} built, 0 failed\n")
    told = run(tmp_path, "doctor").output
    assert f"{NEW.__view__.storage} is complete" in told
    assert f"lists are of {OLD.__view__.storage}" in told
    asyncio.run(switched(tmp_path))
    told = run(tmp_path, "doctor").output
    assert f"{NEW.__view__.storage} is current" in told
    assert f"former: {OLD.__view__.storage}" in told
    audited = run(tmp_path, "audit", "--all")
    assert audited.exit_code == 0, audited.output
    assert f"{SHELVES} looked at, 0 drifted" in audited.stdout
    assert json.loads(run(tmp_path, "rebuild", "--dry-run", "--json").stdout)["views"][0]["unchanged"] == SHELVES
    assert run(tmp_path, "rebuild", "--json").exit_code == 0


def test_nothing_is_pruned_that_may_be_in_use(tmp_path: Path) -> None:
    asyncio.run(old_shelves(tmp_path))
    asyncio.run(switched(tmp_path))
    assert run(tmp_path, "rebuild", "--prune").stdout == "nothing to remove: 1 views looked at\n"
    refused = run(tmp_path, "rebuild", "--prune", "--older-than", "1m")
    assert refused.exit_code != 0
    assert "--older-than" in str(refused.exception) + refused.output


async def test_a_process_is_ready_by_a_projector_of_its_code_whichever_is_current(tmp_path: Path) -> None:
    """After the switch, one more process of the old code starts; its projector is still there."""
    async with AppHarness(App(views=[OLD]), settings=settings(tmp_path)) as older:
        await write(older.runtime.datastore, Shelf(id="s01", name="one"))
        await older.settled()
        async with AppHarness(App(views=[NEW]), settings=settings(tmp_path)) as newer:
            await newer.settled()
        async with AppHarness(App(views=[OLD]), settings=settings(tmp_path, "web")) as another:
            assert another.runtime.storages.waiting
            await another.runtime.storages.wait()
            assert (await another.http.get("/readyz")).json()["checks"]["storages"]["ok"]
            assert await listed(another) == {"s01": "one"}
