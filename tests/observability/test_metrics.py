"""/metrics: what a running app tells of itself."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from bff import App, DomainModel, Store, ViewModel, field, mutation, reference
from bff.observability.exposition import counter, gauge, render
from bff.observability.tally import MOST_CODES, OTHER, Tally
from bff.settings import Settings
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

LINE = re.compile(r"^(?P<name>[a-z_]+)(?P<labels>\{.*\})? (?P<value>\S+)$")


class Lamp(DomainModel, collection="lamps"):
    on: bool = False

    @mutation
    def switch(self) -> None:
        self.on = not self.on

    @mutation
    async def dim(self) -> None:
        self.on = not self.on
        reached.set()
        await gate.wait()


reached, gate = asyncio.Event(), asyncio.Event()


class LampStore(Store):
    lamp = reference(Lamp)


class LampView(ViewModel):
    store: LampStore

    @field
    def on(self) -> bool:
        return self.store.lamp.on


LIT = '{ lampView(id: "l1") { on } }'
SWITCH = 'mutation { lampSwitch(id: "l1") { __typename } }'


async def scraped(running: AppHarness) -> dict[str, float]:
    """The values by name and labels, as they stand in the text."""
    response = await running.http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values: dict[str, float] = {}
    for line in response.text.splitlines():
        if not line.startswith("#"):
            found = LINE.match(line)
            assert found is not None, line
            values[found["name"] + (found["labels"] or "")] = float(found["value"])
    return values


async def test_a_running_app_tells_what_it_does() -> None:
    app = App(views=[LampView])
    async with AppHarness(app) as running:
        await Lamp(id="l1").save()
        await running.settled()
        async with running.watch('subscription { lampView(id: "l1") { on } }') as states:
            assert await states.next() == {"data": {"lampView": {"on": False}}}
            for _ in range(3):
                assert (await running.execute(LIT))["data"] == {"lampView": {"on": False}}
            assert "errors" not in await running.execute(SWITCH)
            await states.until(lambda state: state["data"]["lampView"]["on"] is True)
            await running.settled()
            assert "errors" in await running.execute("{ nobody }")
            assert "errors" in await running.execute("{" + " ".join(["a: __typename"] * 3000) + "}")
            values = await scraped(running)
    assert values["bff_projection_lag_seconds"] == 0
    assert values["bff_projection_as_of_timestamp_seconds"] > 1e9
    assert values['bff_projection_views{state="waiting"}'] == values["bff_projection_failing_views"] == 0
    assert values['bff_builds_total{view="LampView"}'] >= 2
    assert values["bff_sockets"] == values["bff_subscriptions"] == values["bff_socket_operations"] == 1
    assert values["bff_streams"] == values["bff_socket_queued_bytes"] == 0
    assert values['bff_operations_total{type="query"}'] == 3
    assert values['bff_operations_total{type="mutation"}'] == values['bff_operations_total{type="subscription"}'] == 1
    assert values['bff_http_responses_total{status="200",type="query"}'] == 3
    assert values['bff_http_responses_total{status="200",type="mutation"}'] == 1
    assert values['bff_http_responses_total{status="200",type="none"}'] == 2
    assert values['bff_errors_total{code="GRAPHQL_VALIDATION_FAILED"}'] == 1
    assert values['bff_limit_refusals_total{limit="query_tokens"}'] == 1
    assert values['bff_cache_hits_total{of="view"}'] >= 1
    assert values['bff_task_failing_seconds{part="projector",task="follow"}'] == 0
    assert values['bff_task_failing_seconds{part="relay",task="listen"}'] == 0


async def test_a_mutation_that_was_begun_again_is_a_conflict() -> None:
    reached.clear(), gate.clear()
    async with AppHarness(App(views=[LampView])) as running:
        await Lamp(id="l1").save()
        dimming = asyncio.create_task(running.execute('mutation { lampDim(id: "l1") { __typename } }'))
        await reached.wait()
        assert "errors" not in await running.execute(SWITCH)
        gate.set()
        assert "errors" not in await dimming
        assert (await scraped(running))["bff_mutation_conflicts_total"] == 1


async def test_each_running_app_counts_for_itself() -> None:
    app = App(views=[LampView])
    for _ in range(2):
        async with AppHarness(app) as running:
            await running.execute("{ nobody }")
            assert (await scraped(running))['bff_errors_total{code="GRAPHQL_VALIDATION_FAILED"}'] == 1


@pytest.mark.parametrize("path", ["", "/internal/metrics"])
async def test_where_it_is_served_is_a_setting(path: str) -> None:
    settings = Settings(datastore_url="sqlite://", metrics_path=path)
    async with AppHarness(App(views=[LampView]), settings=settings) as running:
        assert (await running.http.get("/metrics")).status_code == 404
        if path:
            assert (await running.http.get(path)).status_code == 200


async def test_a_process_without_graphql_has_metrics(tmp_path: Path) -> None:
    settings = Settings(datastore_url=f"sqlite:///{tmp_path / 'lamps.db'}", role="projector")
    async with AppHarness(App(views=[LampView]), settings=settings) as running:
        await Lamp(id="l1").save()
        await running.settled()
        values = await scraped(running)
    assert values['bff_builds_total{view="LampView"}'] >= 1
    assert "bff_sockets" not in values


async def test_prometheus_reads_it_and_every_metric_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    documented = {name for line in page.splitlines() if line.startswith("| `bff_") for name in re.findall(r"`(bff_\w+)`", line)}
    async with AppHarness(App(views=[LampView])) as running:
        await Lamp(id="l1").save()
        await running.settled()
        text = (await running.http.get("/metrics")).text
    families = {family.name + ("_total" if family.type == "counter" else ""): family for family in parse(text)}
    assert families["bff_task_failing_seconds"].type == "gauge"
    alone = {"bff_outbox_waiting", "bff_outbox_failing"}  # there is no effect in this app
    assert set(families) == documented - alone


async def test_the_text_format() -> None:
    metrics = [gauge("bff_a", "What\nit is.", 1.5), counter("bff_b_total", "Others.", [({"of": 'a "b"\\\n'}, 2)])]
    [a, b] = parse(render(lambda: metrics).decode())
    assert (a.name, a.type, [(one.name, one.value) for one in a.samples]) == ("bff_a", "gauge", [("bff_a", 1.5)])
    assert (b.type, [tuple(one[:3]) for one in b.samples]) == ("counter", [("bff_b_total", {"of": 'a "b"\\\n'}, 2.0)])


async def test_codes_that_resolvers_make_up_are_bounded() -> None:
    tally = Tally()
    for number in range(2 * MOST_CODES):
        tally.failed([{"extensions": {"code": f"CODE_{number}"}}])
    tally.failed([{"extensions": {"code": "CODE_1"}}, {"extensions": {"code": 5}}, {}, {"extensions": {"code": "x" * 100}}])
    assert len(tally.errors) <= MOST_CODES + 1
    assert tally.errors["CODE_1"] == 2
    assert tally.errors[OTHER] == MOST_CODES + 3
