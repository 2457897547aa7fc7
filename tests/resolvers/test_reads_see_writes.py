"""``committedAt`` and ``affects`` of mutations, ``minAsOf`` and ``asOf`` of reads, wherever the projector runs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from bff.datastore.unit_of_work import Change
from bff.document import Document
from bff.errors import DatastoreUnavailable
from bff.projection.effects import Effects
from bff.query import Query
from bff.settings import Settings
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.resolvers.cafe import app, ask, cafe, code, fill, told

pytestmark = pytest.mark.anyio

CUT = 'mutation { cakeCut(id: "apple") { slices } }'
CAKE = '{ cakePage(id: "apple") { slices } }'
TABLE = '{ tablePage(id: "t1") { eats cakes { slices } } }'
CAKES = "{ cakePages { edges { node { slices } } } }"


def settings(url: str, **others: Any) -> Settings:
    return Settings(datastore_url=url, **others)


def affects(*views: str) -> list[dict[str, str]]:
    return [{"view": name, "id": key} for name, _, key in (view.partition(":") for view in views)]


@asynccontextmanager
async def opened(url: str, *, split: bool = False, **others: Any) -> AsyncIterator[AppHarness]:
    """The café; ``split``, its projector is another process's as far as the one that serves can tell."""
    async with AsyncExitStack() as stack:
        if split:
            projecting = AppHarness(cafe(), settings=settings(url, role="projector"), timeout=30)
            other = await stack.enter_async_context(projecting)
            await fill()
            await other.settled()
            yield await stack.enter_async_context(AppHarness(app, settings=settings(url, role="web", **others), timeout=30))
            return
        running = await stack.enter_async_context(AppHarness(app, settings=settings(url, **others), timeout=30))
        await fill()
        await running.settled()
        yield running


@pytest.fixture(params=["one process", "two processes"])
async def running(request: pytest.FixtureRequest, datastore_url: str) -> AsyncIterator[AppHarness]:
    async with opened(datastore_url, split=request.param == "two processes") as harness:
        yield harness


@asynccontextmanager
async def unprojected(url: str, **others: Any) -> AsyncIterator[AppHarness]:
    """The café's views are stored, and then nobody projects what changes."""
    async with opened(url):
        pass
    async with AppHarness(app, settings=settings(url, role="web", **others), timeout=30) as harness:
        yield harness


async def test_a_mutation_tells_when_it_was_committed_and_what_that_affects(running: AppHarness) -> None:
    cut = told(await ask(running, CUT))
    assert cut["committedAt"].isdigit()
    assert cut["affects"] == affects("CakePage:apple", "TablePage:t1")
    assert "affectsMore" not in cut
    setter = told(await ask(running, 'mutation { updateCakePage(id: "nut", input: {name: "Walnut"}) { name } }'))
    assert setter["affects"] == affects("CakePage:nut")
    new = told(await ask(running, 'mutation { seat(tableId: "t3", number: 3) { number } }'))
    assert new["affects"] == affects("TablePage:t3")
    brought = told(await ask(running, 'mutation { bring(tableId: "t3", cakeId: "nut", orderId: "o3") { eats } }'))
    assert brought["affects"] == affects("CakePage:nut", "TablePage:t3")
    moved = told(await ask(running, 'mutation { move(orderId: "o3", toId: "t2") { number } }'))
    assert moved["affects"] == affects("TablePage:t2", "TablePage:t3")
    # A view that is outdated already, and has not been built since, would be named again.
    await ask(running, CAKE, minAsOf=moved["committedAt"])
    cleared = told(await ask(running, 'mutation { clear(orderId: "o3") { result } }'))
    assert cleared["affects"] == affects("TablePage:t2")
    order = [int(one["committedAt"]) for one in (cut, setter, new, brought, moved, cleared)]
    assert order == sorted(set(order))


async def test_several_mutations_tell_of_the_last_commit_and_of_what_all_affect(running: AppHarness) -> None:
    both = 'mutation { a: cakeCut(id: "nut") { version } b: tip(amount: 1) { committedAt } }'
    answer = await ask(running, both)
    assert told(answer) == {"committedAt": answer["data"]["b"]["committedAt"], "affects": affects("CakePage:nut")}


async def test_what_commits_nothing_tells_nothing(running: AppHarness) -> None:
    refused = await ask(running, 'mutation { cakeCut(id: "apple", pieces: 1000) { slices } }')
    assert code(refused) == "SOLD_OUT"
    assert "extensions" not in refused
    # What was committed before another one failed is told of.
    half = await ask(running, 'mutation { a: cakeCut(id: "nut") { id } b: cakeCut(id: "nut", pieces: 1000) { id } }')
    assert code(half) == "SOLD_OUT"
    assert half["extensions"]["bff"]["affects"] == affects("CakePage:nut")


async def test_a_mutation_that_changes_nothing_affects_nothing(running: AppHarness) -> None:
    answer = told(await ask(running, 'mutation { cakeCut(id: "apple", pieces: 0) { slices } }'))
    assert answer["affects"] == []
    assert answer["committedAt"].isdigit()


async def test_hand_written_mutations_tell_too(running: AppHarness) -> None:
    answer = await ask(running, 'mutation { drop(id: "apple") }')
    assert answer["data"] == {"drop": 98}
    assert told(answer)["affects"] == affects("CakePage:apple", "TablePage:t1")
    later = await ask(running, CAKE, minAsOf=told(answer)["committedAt"])
    assert later["data"] == {"cakePage": {"slices": 98}}


async def test_what_is_affected_is_bounded(datastore_url: str) -> None:
    async with opened(datastore_url) as running:
        answer = told(await ask(running, "mutation { bake(count: 101) { result } }"))
        assert len(answer["affects"]) == 100
        assert answer["affectsMore"] is True
        for keyed in ({}, {"idempotencyKey": "k"}):
            several = "mutation { a: bake(count: 60) { result } b: bake(count: 60) { result } }"
            answer = told(await ask(running, several, **keyed))
            assert len(answer["affects"]) == 100
            assert answer["affectsMore"] is True


async def test_a_commit_whose_effects_cannot_be_found_is_still_told(datastore_url: str) -> None:
    class Away(Effects):
        async def _read_shapes(self, snapshots: Any) -> None:
            raise DatastoreUnavailable("away")

    async with opened(datastore_url) as running:
        effects = Away(running.runtime.datastore, app.catalog)
        found = await effects.of([Change(None, Document("cakes/apple", {"objType": "Cake"}))])
        assert (found.views, found.more) == ((), True)


async def test_a_read_sees_what_it_is_asked_to_have_seen(running: AppHarness) -> None:
    for number in range(1, 9):
        committed = told(await ask(running, CUT))["committedAt"]
        one, list_, table = await asyncio.gather(
            ask(running, CAKE, minAsOf=committed),
            ask(running, CAKES, minAsOf=committed),
            ask(running, TABLE, minAsOf=committed, asOf=True),
        )
        assert one["data"]["cakePage"]["slices"] == 100 - number
        assert 100 - number in [edge["node"]["slices"] for edge in list_["data"]["cakePages"]["edges"]]
        assert table["data"]["tablePage"]["cakes"] == [{"slices": 100 - number}]
        assert int(told(table)["asOf"]) >= int(committed)


async def test_a_commit_that_no_view_reads_is_seen_as_soon(running: AppHarness) -> None:
    """Nobody would save a checkpoint for it, but for whoever waits."""
    committed = told(await ask(running, "mutation { tip(amount: 3) { result } }"))["committedAt"]
    answer = await ask(running, CAKE, minAsOf=committed, asOf=True)
    assert answer["data"] == {"cakePage": {"slices": 100}}
    assert int(told(answer)["asOf"]) >= int(committed)


async def test_a_subscription_begins_as_new_as_it_is_asked_to(running: AppHarness) -> None:
    document = 'subscription { cakePage(id: "apple") { slices } }'
    async with GraphQLWSClient.to_app(running.app, "/graphql", timeout=30) as client:
        await client.init()
        earlier = await client.subscribe(document)
        assert (await client.next(earlier))["data"]["cakePage"]["slices"] == 100
        for number in range(1, 6):
            committed = told(await ask(running, CUT))["committedAt"]
            id = await client.subscribe(document, extensions={"bff": {"minAsOf": committed, "asOf": True}})
            first = await client.next(id)
            assert first["data"]["cakePage"]["slices"] == 100 - number
            assert int(first["extensions"]["bff"]["asOf"]) >= int(committed)
            await client.complete(id)


async def test_what_never_comes_is_stale_within_its_time(datastore_url: str) -> None:
    future = str(2 * 10**17)
    for split in (False, True):
        async with opened(datastore_url, split=split, stale_seconds=0.3) as running:
            before = time.monotonic()
            for answer in await asyncio.gather(
                ask(running, CAKE, minAsOf=future),
                ask(running, CAKE, minAsOf=future, onStale="FRESH"),
                ask(running, CAKES, minAsOf=future),
            ):
                assert code(answer) == "STALE"
                assert "data" not in answer
            assert time.monotonic() - before < 5
            async with GraphQLWSClient.to_app(running.app, "/graphql", timeout=30) as client:
                await client.init()
                id = await client.subscribe(
                    'subscription { cakePage(id: "apple") { slices } }', extensions={"bff": {"minAsOf": future}}
                )
                with pytest.raises(OperationFailed) as failed:
                    await client.next(id)
                assert "STALE" in str(failed.value.errors)


async def test_where_nobody_projects_views_are_stale_or_built_afresh(datastore_url: str) -> None:
    async with unprojected(datastore_url, stale_seconds=0.2) as running:
        committed = told(await ask(running, 'mutation { drop(id: "apple") }'))["committedAt"]
        assert code(await ask(running, CAKE, minAsOf=committed)) == "STALE"
        assert (await ask(running, CAKE))["data"]["cakePage"]["slices"] == 100
        table = await ask(running, TABLE, minAsOf=committed, onStale="FRESH", asOf=True)
        assert table["data"]["tablePage"]["cakes"] == [{"slices": 98}]
        assert int(told(table)["asOf"]) >= int(committed)
        # Which views there are cannot be built.
        assert code(await ask(running, CAKES, minAsOf=committed, onStale="FRESH")) == "STALE"
        one, none = '{ cakePage(id: "apple") { slices } }', '{ cakePage(id: "none") { slices } }'
        assert (await ask(running, one, minAsOf=committed, onStale="FRESH"))["data"]["cakePage"]["slices"] == 98
        assert (await ask(running, none, minAsOf=committed, onStale="FRESH"))["data"]["cakePage"] is None


async def test_a_subscription_begins_afresh_where_nobody_projects(datastore_url: str) -> None:
    async with unprojected(datastore_url, stale_seconds=0.2) as running:
        committed = told(await ask(running, 'mutation { drop(id: "apple") }'))["committedAt"]
        async with GraphQLWSClient.to_app(running.app, "/graphql", timeout=30) as client:
            await client.init()
            asked = {"bff": {"minAsOf": committed, "onStale": "FRESH"}}
            id = await client.subscribe('subscription { tablePage(id: "t1") { cakes { slices } } }', extensions=asked)
            assert (await client.next(id))["data"]["tablePage"]["cakes"] == [{"slices": 98}]
            # What a live list begins with is stored, as what a list query finds is.
            id = await client.subscribe("subscription { cakePages { kind } }", extensions=asked)
            with pytest.raises(OperationFailed) as failed:
                await client.next(id)
            assert [error["extensions"]["code"] for error in failed.value.errors] == ["STALE"]


async def test_as_of_is_told_on_request_only(running: AppHarness) -> None:
    assert "extensions" not in await ask(running, CAKE)
    seen = told(await ask(running, CUT))["committedAt"]
    before = int(told(await ask(running, CAKE, asOf=True, minAsOf=seen))["asOf"])
    committed = told(await ask(running, CUT, asOf=True))
    assert int(committed["asOf"]) >= before
    await ask(running, CAKE, minAsOf=committed["committedAt"])
    assert int(told(await ask(running, CAKE, asOf=True))["asOf"]) >= int(committed["committedAt"])


async def test_where_nothing_was_ever_projected_as_of_is_null(datastore_url: str) -> None:
    async with AppHarness(app, settings=settings(datastore_url, role="web", stale_seconds=0.2), timeout=30) as running:
        await fill()
        answer = await ask(running, CAKE, asOf=True)
        assert answer["data"] == {"cakePage": {"slices": 100}}
        assert told(answer) == {"asOf": None}
        assert code(await ask(running, CAKE, minAsOf="1")) == "STALE"


async def test_each_event_tells_its_own_as_of(running: AppHarness) -> None:
    asked = {"bff": {"asOf": True, "minAsOf": told(await ask(running, CUT))["committedAt"]}}
    async with (
        running.watch('subscription { cakePage(id: "apple") { slices } }', extensions=asked) as cake,
        running.watch('subscription { tablePage(id: "t1") { cakes { slices } } }', extensions=asked) as table,
    ):
        first, linked = await cake.next(), await table.next()
        committed = told(await ask(running, CUT))["committedAt"]
        later = await cake.until(lambda state: state["data"]["cakePage"]["slices"] == 98)
        assert int(told(later)["asOf"]) >= int(committed) > int(told(first)["asOf"]) >= int(asked["bff"]["minAsOf"])
        # Its link shows what another view had been told of by then: no more is promised than at the beginning.
        changed = await table.until(lambda state: state["data"]["tablePage"]["cakes"] == [{"slices": 98}])
        assert int(told(changed)["asOf"]) >= int(told(linked)["asOf"])


async def test_every_view_that_changes_was_said_to_be_affected(running: AppHarness) -> None:
    """Whatever is done: what the projector then makes of the stored views, the mutation had told of."""
    chance = random.Random(7)
    tables, orders = ["t1", "t2"], ["o1"]

    async def stored() -> dict[str, int]:
        datastore = running.runtime.datastore
        async with datastore.snapshot() as snapshot:
            found = [one for name in ("CakePage", "TablePage") for one in await snapshot.query(Query(name))]
        return {one.path.replace("/", ":"): one.update_time for one in found}

    before = await stored()
    changes = 0
    for number in range(25):
        cake, table = chance.choice(["apple", "nut"]), chance.choice(tables)
        order = chance.choice(orders) if orders else None
        match chance.choice(["cut", "name", "seat", "bring", "move", "clear"]):
            case "cut":
                document = f'cakeCut(id: "{cake}") {{ id }}'
            case "name":
                document = f'updateCakePage(id: "{cake}", input: {{name: "{number}"}}) {{ id }}'
            case "move" if order is not None:
                document = f'move(orderId: "{order}", toId: "{table}") {{ id }}'
            case "clear" if order is not None:
                document = f'clear(orderId: "{order}") {{ result }}'
                orders.remove(order)
            case "bring":
                document = f'bring(tableId: "{table}", cakeId: "{cake}", orderId: "n{number}") {{ id }}'
                orders.append(f"n{number}")
            case _:
                document = f'seat(tableId: "s{number}", number: {number}) {{ id }}'
                tables.append(f"s{number}")
        keyed = {"idempotencyKey": f"k{number}"} if number % 2 else {}
        answer = told(await ask(running, f"mutation {{ {document} }}", **keyed))
        await ask(running, CAKE, minAsOf=answer["committedAt"])
        after = await stored()
        changed = {view for view in {*before, *after} if before.get(view) != after.get(view)}
        assert changed <= {f"{one['view']}:{one['id']}" for one in answer["affects"]}, document
        changes += len(changed)
        before = after
    assert changes > 20
