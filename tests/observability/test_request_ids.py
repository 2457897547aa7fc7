"""Request ids: taken or made, in what answers the request, in its errors, and in its log records."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest

from bff import App, DomainModel, Store, ViewModel, field, reference
from bff.observability.json_log import JSONFormatter, TextFormatter, log_config
from bff.observability.request_id import RequestIdFilter, current_request_id, request_id_of
from bff.supervisor import Supervisor
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Fuse(DomainModel, collection="fuses"):
    blown: bool = False


class FuseStore(Store):
    fuse = reference(Fuse)


class FuseView(ViewModel):
    store: FuseStore

    @field
    def state(self) -> str:
        if self.store.fuse.blown:
            raise ValueError("secret: smoke")
        return "fine"


STATE = "query ($id: ID!) { fuseView(id: $id) { state } }"
NOW = '{ fuseView(id: "blown") { state } }'


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged from WARNING on, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    handler.addFilter(RequestIdFilter())
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("bff")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_an_id_that_is_given_comes_back_also_from_a_plan() -> None:
    async with AppHarness(App(views=[FuseView])) as running:
        await Fuse(id="f1").save()
        for number in range(4):  # from the second on, a plan answers
            body = {"query": STATE, "variables": {"id": "f1"}}
            response = await running.http.post("/graphql", json=body, headers={"X-Request-Id": f"id-{number}"})
            assert response.json()["data"] == {"fuseView": {"state": "fine"}}
            assert response.headers.get_list("x-request-id") == [f"id-{number}"]
        assert (await running.http.get("/healthz", headers={"X-Request-Id": "h"})).headers["x-request-id"] == "h"


async def test_an_id_is_made_where_none_is_given_or_it_is_none() -> None:
    given = [[], [(b"x-request-id", b"a b")], [(b"x-request-id", b"x" * 129)], [(b"x-request-id", b"")]]
    given.append([(b"x-request-id", b"a"), (b"x-request-id", b"b")])
    made = {request_id_of(headers) for headers in given}
    assert len(made) == len(given)
    assert all(len(id) == 32 for id in made)
    assert request_id_of([(b"x-request-id", b"x" * 128)]) == "x" * 128


async def test_it_is_in_errors_that_are_not_the_clients_and_in_their_log_records(written: io.StringIO) -> None:
    async with AppHarness(App(views=[FuseView])) as running:
        await Fuse(id="blown", blown=True).save()
        await running.settled()
        written.truncate(0), written.seek(0)
        response = await running.http.post("/graphql", json={"query": NOW}, headers={"X-Request-Id": "mine"})
        [error] = response.json()["errors"]
        assert error["extensions"]["requestId"] == "mine"
        logged = [record for record in records(written) if error["extensions"]["id"] in str(record["message"])]
        assert [record["requestId"] for record in logged] == ["mine"]
        assert logged[0]["level"] == "warning"
        assert "secret: smoke" not in response.text

        async with GraphQLWSClient.to_app(running.app, headers={"X-Request-Id": "socket"}) as client:
            await client.init()
            result = await client.execute(NOW)
            assert result["errors"][0]["extensions"]["requestId"] == "socket"
            with pytest.raises(OperationFailed) as failed:
                await client.next(await client.subscribe("subscription " + NOW))
            assert failed.value.errors[0]["extensions"]["requestId"] == "socket"
    assert current_request_id.get() is None


async def test_what_a_request_starts_and_outlives_it_has_no_id() -> None:
    seen: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        seen.set_result(current_request_id.get())

    token = current_request_id.set("short-lived")
    async with Supervisor("test") as supervisor:
        supervisor.start("run", run)
        assert await seen is None
    current_request_id.reset(token)


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("bff.test").makeRecord("bff.test", logging.INFO, "f.py", 1, message, (), None, extra=extra or None)
    RequestIdFilter().filter(made)
    return made


def test_records_as_json() -> None:
    token = current_request_id.set("r1")
    said = json.loads(JSONFormatter().format(record('a "quoted"\nline', view="CityView", count=2)))
    current_request_id.reset(token)
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info",
        "logger": "bff.test",
        "message": 'a "quoted"\nline',
        "requestId": "r1",
        "view": "CityView",
        "count": 2,
    }
    assert "requestId" not in json.loads(JSONFormatter().format(record("outside")))
    try:
        raise KeyError("x")
    except KeyError as error:
        failing = record("it failed")
        failing.exc_info = (KeyError, error, error.__traceback__)
    line = JSONFormatter().format(failing)
    assert "\n" not in line
    assert json.loads(line)["error"]["type"] == "KeyError"


def test_records_as_text() -> None:
    token = current_request_id.set("r1")
    assert TextFormatter().format(record("hello")) == "INFO:     bff.test: hello [request r1]"
    current_request_id.reset(token)
    assert TextFormatter().format(record("hello")) == "INFO:     bff.test: hello"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_configuration_is_one(form: str) -> None:
    assert logging.config.dictConfigClass(log_config(form)).config["root"]["level"] == "INFO"  # type: ignore[arg-type]
