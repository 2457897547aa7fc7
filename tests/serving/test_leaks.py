"""The text of an exception that was not written for clients leaves the server on no path, and is in the log under an id."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed, Unexpected
from bff.testing.websocket_wires import Closed

pytestmark = pytest.mark.anyio

SECRET = "secret"


class Unspeakable:
    """What no scalar can write."""

    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__


def nothing(harbour: Any) -> None:
    """The operation fails by itself."""


def no_context(harbour: Any) -> None:
    def fail(connection: Any, operation: Any) -> Any:
        raise RuntimeError(SECRET)

    harbour.context = fail


def late_context(harbour: Any) -> None:
    async def fail(connection: Any, operation: Any) -> Any:
        await asyncio.sleep(0)
        raise RuntimeError(SECRET)

    harbour.context = fail


def odd_value(harbour: Any) -> None:
    harbour.anything = Unspeakable()


def odd_number(harbour: Any) -> None:
    harbour.docked = SECRET


def failing_source(harbour: Any) -> None:
    harbour.topics["t"].put_nowait(1)
    harbour.topics["t"].put_nowait(RuntimeError(SECRET))


def odd_event(harbour: Any) -> None:
    harbour.topics["t"].put_nowait(SECRET)
    harbour.topics["t"].put_nowait(StopAsyncIteration)


def odd_json_event(harbour: Any) -> None:
    harbour.topics["t"].put_nowait(Unspeakable())
    harbour.topics["t"].put_nowait(StopAsyncIteration)


Prepare = Callable[[Any], None]

ANSWERED: dict[str, tuple[str, Prepare]] = {
    "a resolver": ('{ fail(how: "other") }', nothing),
    "a resolver that was cancelled": ('{ fail(how: "cancelled") }', nothing),
    "an argument's use": ('{ fail(how: "unavailable") }', nothing),
    "a build": ('{ fail(how: "build") }', nothing),
    "a value that JSON cannot hold": ("{ anything }", odd_value),
    "an extension that JSON cannot hold": ('{ fail(how: "odd") }', odd_value),
    "a context factory": ("{ greeting }", no_context),
    "an async context factory": ("{ greeting }", late_context),
}
CHANGED: dict[str, tuple[str, Prepare]] = {
    "a number that is none": ("mutation { undock }", odd_number),
    "a context factory of a mutation": ("mutation { undock }", no_context),
}
FOLLOWED: dict[str, tuple[str, Prepare]] = {
    "a source that does not open": ('subscription { refuse(how: "other") }', nothing),
    "a source that breaks off": ('subscription { ticks(topic: "t") }', failing_source),
    "an event that is no number": ('subscription { ticks(topic: "t") }', odd_event),
    "an event that JSON cannot hold": ('subscription { anythings(topic: "t") }', odd_json_event),
    "a context factory of a subscription": ('subscription { ticks(topic: "t") }', no_context),
}
HTTP = {
    "json": "application/json",
    "graphql response": "application/graphql-response+json",
    "event stream": "text/event-stream",
    "multipart": 'multipart/mixed;subscriptionSpec="1.0", application/json',
}


async def over_http(app: Any, source: str, accept: str, method: str) -> str:
    """Everything that is sent, head and body."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://harbour.test") as client:
        headers = {"accept": accept}
        async with asyncio.timeout(10):
            if method == "GET":
                response = await client.get("/", params={"query": source}, headers=headers)
            else:
                response = await client.post("/", json={"query": source}, headers=headers)
    return f"{response.headers} {response.text}"


async def over_websocket(app: Any, source: str) -> str:
    """Everything that is sent until the operation has ended, errors and close frames included."""
    async with GraphQLWSClient.to_app(app, "/", timeout=10) as client:
        await client.init()
        id = await client.subscribe(source)
        heard: list[Any] = []
        try:
            while True:
                heard.append(await client.next(id))
        except OperationFailed as failed:
            heard.append(failed.errors)
        except (Closed, Unexpected) as ended:
            # The socket was closed, or the operation is complete.
            heard.append(str(ended))
    return json.dumps(heard)


def told(caplog: pytest.LogCaptureFixture, sent: str) -> None:
    assert SECRET not in sent
    assert "10.0.0.7" not in sent
    assert "Traceback" not in sent
    ids = [record.getMessage().rpartition("[")[2].rstrip("]") for record in caplog.records]
    assert any(f'"id":"{id}"' in sent.replace(" ", "") for id in ids if id), (ids, sent)


@pytest.mark.parametrize("accept", HTTP)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", ANSWERED)
async def test_of_a_query(
    serve: Any, harbour: Any, caplog: pytest.LogCaptureFixture, case: str, method: str, accept: str
) -> None:
    source, prepare = ANSWERED[case]
    prepare(harbour)
    with caplog.at_level(logging.WARNING, "bff.serving"):
        told(caplog, await over_http(serve(), source, HTTP[accept], method))


@pytest.mark.parametrize("accept", HTTP)
@pytest.mark.parametrize("case", CHANGED)
async def test_of_a_mutation(serve: Any, harbour: Any, caplog: pytest.LogCaptureFixture, case: str, accept: str) -> None:
    source, prepare = CHANGED[case]
    prepare(harbour)
    with caplog.at_level(logging.WARNING, "bff.serving"):
        told(caplog, await over_http(serve(), source, HTTP[accept], "POST"))


@pytest.mark.parametrize("accept", ["event stream", "multipart"])
@pytest.mark.parametrize("case", FOLLOWED)
async def test_of_a_subscription_over_http(
    serve: Any, harbour: Any, caplog: pytest.LogCaptureFixture, case: str, accept: str
) -> None:
    source, prepare = FOLLOWED[case]
    prepare(harbour)
    with caplog.at_level(logging.WARNING, "bff.serving"):
        told(caplog, await over_http(serve(), source, HTTP[accept], "POST"))


@pytest.mark.parametrize("case", [*ANSWERED, *CHANGED, *FOLLOWED])
async def test_over_websocket(serve: Any, harbour: Any, caplog: pytest.LogCaptureFixture, case: str) -> None:
    source, prepare = {**ANSWERED, **CHANGED, **FOLLOWED}[case]
    prepare(harbour)
    with caplog.at_level(logging.WARNING, "bff.serving"):
        told(caplog, await over_websocket(serve(), source))
