"""Requests and frames that are nearly right, at random: whatever is sent is the sender's mistake, and nobody else's.

CWE-20, CWE-248, CWE-755; in the way of schemathesis (what the schema takes, with what it does not) and of atheris (bytes).
No answer is a 500 or INTERNAL, nothing is an error in the log, and others go on. tests/serving/test_fuzz.py does the same to the
protocol alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.settings import Settings
from bff.testing.asgi_streams import StreamingASGITransport
from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.harness import AppHarness
from tests.faults.chaos import scaled
from tests.security.city import TOKENS, city, reset
from tests.security.tap import Tap
from tests.security.tenants import MUTATIONS, QUERIES, SUBSCRIPTIONS
from tests.security.wire import connected, frame, handshake, upgraded
from tests.serve import BffServer

pytestmark = [
    # As in test_tenants.py: graphql-core leaves coroutines behind where a field beside them fails at once.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ANSWERS = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429}
"""What docs/errors.md and docs/http.md have of statuses, but for those of a server that is not well."""

CLOSES = {1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4409, 4429}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["n0", "", "\x00", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["eq", "in", "field", "x"]), inner, max_size=3),
    max_leaves=6,
)
names = ["id", "sign", "block", "text", "rank", "lock", "first", "after", "direction", "another", "f"]
texts = st.sampled_from([*QUERIES.values(), *MUTATIONS.values(), *SUBSCRIPTIONS.values()])
pieces = st.sampled_from(
    [
        "{",
        "}",
        "(",
        ")",
        "...",
        "@skip(if: true)",
        "$id",
        '"',
        '"""',
        "#",
        "\\",
        "\x00",
        "!",
        "[",
        "a: ",
        "on NoteView",
        "é",
        "&",
        "-1e999",
        "first: -1",
        "first: 501",
        'after: "AAAA"',
        "__typename",
        "...F",
        "fragment F on Query { __typename }",
        "null",
        "\ufeff",
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """One that the schema takes, or one with something taken out, or put in, here and there."""
    text: str = draw(texts)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(pieces) + text[at + draw(st.integers(0, 12)) :]
    return text


variables = st.dictionaries(st.sampled_from(names), json_values, max_size=6) | json_values
extensions = st.one_of(
    st.none(),
    json_values,
    st.fixed_dictionaries(
        {
            "bff": st.dictionaries(
                st.sampled_from(["asOf", "minAsOf", "since", "patch", "idempotencyKey", "x"]), json_values, max_size=3
            )
        }
    ),
    st.fixed_dictionaries(
        {"persistedQuery": json_values | st.fixed_dictionaries({"version": st.just(1), "sha256Hash": json_values})}
    ),
)
operations = st.fixed_dictionaries(
    {"query": documents() | json_values},
    optional={"variables": variables, "extensions": extensions, "operationName": json_values, "documentId": json_values},
)
bodies = st.one_of(
    operations.map(lambda each: json.dumps(each).encode()),
    operations.map(lambda each: json.dumps(each).encode()),
    st.lists(operations, max_size=3).map(lambda each: json.dumps(each).encode()),
    json_values.map(lambda each: json.dumps(each).encode()),
    st.binary(max_size=30),
)
plain = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)
headers = st.dictionaries(
    st.sampled_from(
        [
            "Accept",
            "Content-Type",
            "Content-Encoding",
            "Authorization",
            "If-None-Match",
            "Idempotency-Key",
            "Origin",
            "X-Request-Id",
            "X-GraphQL-Event-Stream-Token",
            "Last-Event-ID",
            "Sec-Fetch-Site",
            "Accept-Encoding",
            "Cookie",
            "traceparent",
            "X-A",
        ]
    ),
    plain
    | st.sampled_from(
        [
            "application/json",
            "application/json; charset=utf-16",
            "text/event-stream",
            'multipart/mixed;subscriptionSpec="1.0"',
            "*/*",
            "*;q=0",
            "gzip;q=x, br",
            'W/"1", *',
            '"k"',
            "null",
            "http://[",
            "same-origin",
            "Bearer ",
            f"Bearer {TOKENS['east'][0]}",
        ]
    ),
    max_size=4,
)
methods = st.sampled_from(["POST", "POST", "POST", "GET", "GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"])
parameters = st.dictionaries(
    st.sampled_from(["query", "variables", "extensions", "operationName", "documentId", "token", "operationId"]),
    documents() | json_values.map(json.dumps) | st.sampled_from(["graphql-sse-x", "{", "\x00"]),
    max_size=4,
)


class Listened(logging.Handler):
    """What is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@contextmanager
def nothing_logged() -> Iterator[None]:
    listened = Listened()
    logging.getLogger().addHandler(listened)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(listened)
    assert not listened.said, listened.said[:3]


def fuzzing(short: int, long: int) -> Any:
    return settings(
        max_examples=scaled(short, long),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


@pytest.mark.timeout(scaled(120, 7200))
def test_cwe_755_no_request_is_a_fault_of_ours() -> None:
    async def ask(http: httpx.AsyncClient, method: str, given: Any) -> None:
        body, asked, sent = given
        sent = {"Content-Type": "application/json", **sent} if method == "POST" else sent
        request = http.build_request(method, "/graphql", content=body, params=asked, headers=sent)
        async with asyncio.timeout(20):
            response = await http.send(request, stream=True)
            assert response.status_code in ANSWERS, (response.status_code, request)
            first = b""
            if not response.headers.get("content-type", "").startswith(("text/event-stream", "multipart/mixed")):
                first = await response.aread()
            await response.aclose()
        assert b'"INTERNAL"' not in first, (request, first)

    with asyncio.Runner() as loop, nothing_logged():
        harness = AppHarness(city(), settings=Settings(datastore_url="sqlite://", broadcast_url="memory://", batch_operations=3))
        run = loop.run(harness.__aenter__())  # type: ignore[arg-type]
        tap = Tap(run.app)
        http = httpx.AsyncClient(transport=StreamingASGITransport(tap), base_url="http://app.test")
        loop.run(reset())  # type: ignore[arg-type]
        try:

            @fuzzing(120, 50_000)
            @given(methods, st.tuples(bodies, parameters, headers))
            def play(method: str, given: Any) -> None:
                loop.run(ask(http, method, given))
                assert not tap.faults, tap.faults

            play()
        finally:
            loop.run(harness.__aexit__(None, None, None))  # type: ignore[arg-type]


@pytest.mark.timeout(scaled(120, 7200))
def test_cwe_755_no_frame_is_felt_by_others() -> None:
    frames = st.one_of(
        operations.map(lambda each: {"type": "subscribe", "payload": each}),
        operations.map(lambda each: {"type": "subscribe", "payload": each}),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["ping", "complete", "connection_init"])}, optional={"payload": json_values}
        ),
    )

    async def play_frames(run: AppHarness, other: GraphQLWSClient, token: str | None, sent: list[dict[str, Any]]) -> None:
        given = {} if token is None else {"token": token}
        async with GraphQLWSClient.to_app(run.app) as client:
            await client.init(given)
            for number, message in enumerate(sent):
                await client.send({"id": str(number), **message})
            await client.send({"type": "ping", "payload": {"the": "last"}})
            pong = asyncio.create_task(client.expect("pong"))
            closed = asyncio.create_task(client.expect_close(*CLOSES))
            done, rest = await asyncio.wait([pong, closed], return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(pong, closed, return_exceptions=True)
            if closed in done:
                closed.result()
            assert "INTERNAL" not in str(client.waiting())
        assert await other.execute("{ __typename }") == {"data": {"__typename": "Query"}}

    with asyncio.Runner() as loop, nothing_logged():
        harness = AppHarness(city())
        run = loop.run(harness.__aenter__())  # type: ignore[arg-type]
        other = GraphQLWSClient.to_app(run.app)
        loop.run(other.__aenter__())  # type: ignore[arg-type]
        try:
            loop.run(reset())  # type: ignore[arg-type]
            loop.run(other.init())  # type: ignore[arg-type]

            @fuzzing(80, 20_000)
            @given(st.sampled_from([None, *TOKENS["east"]]), st.lists(frames, min_size=1, max_size=6))
            def play(token: str | None, sent: list[dict[str, Any]]) -> None:
                loop.run(play_frames(run, other, token, sent))

            play()
        finally:
            loop.run(other.__aexit__(None, None, None))  # type: ignore[arg-type]
            loop.run(harness.__aexit__(None, None, None))  # type: ignore[arg-type]


_POST = b"POST /graphql HTTP/1.1\r\nHost: city.test\r\nContent-Type: application/json\r\n"
REQUEST = _POST + b'Content-Length: 27\r\n\r\n{"query": "{ __typename }"}'
CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
bytes_pieces = st.binary(max_size=8) | st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\x00",
        b":",
        b" ",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"HTTP/0.9",
        b"\xff" * 8,
        b"PRI * HTTP/2.0\r\n\r\n",
    ]
)


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(whole)))
        whole = whole[:at] + draw(bytes_pieces) + whole[at + draw(st.integers(0, 20)) :]
    return whole


socket_frames = st.builds(
    lambda payload, opcode, final, packed: frame(payload, opcode, final=final, packed=packed),
    st.binary(max_size=130) | st.sampled_from([b'{"type":"connection_init"}', b'{"type":"ping"}', b"\x03\xe8", b"\xff\xff"]),
    st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9, 9, 10, 15]),
    st.sampled_from([True, True, False]),
    st.sampled_from([False, False, False, True]),
)


@pytest.mark.timeout(scaled(120, 7200))
def test_cwe_20_no_bytes_are_felt_by_others(server: BffServer) -> None:
    """At a real server's port. What it has logged is looked at when it ends: no error, no exception."""

    async def play_bytes(other: GraphQLWSClient, sent: bytes) -> None:
        async with connected(server) as peer:
            await peer.rest_after(sent)
        assert await other.ping({"still": "here"}) == {"still": "here"}

    async def play_frames(other: GraphQLWSClient, sent: list[bytes]) -> None:
        async with upgraded(server) as peer:
            await peer.rest_after(b"".join(sent))
        assert await other.ping({"still": "here"}) == {"still": "here"}

    with asyncio.Runner() as loop:
        other = GraphQLWSClient.to_url(f"ws://127.0.0.1:{server.port}/graphql")
        loop.run(other.__aenter__())  # type: ignore[arg-type]
        try:
            loop.run(other.init())  # type: ignore[arg-type]

            @fuzzing(60, 20_000)
            @given(st.one_of(broken(REQUEST), broken(CHUNKED), broken(REQUEST + REQUEST), broken(handshake())))
            def play(sent: bytes) -> None:
                loop.run(play_bytes(other, sent))

            @fuzzing(40, 20_000)
            @given(st.lists(socket_frames, min_size=1, max_size=6))
            def play_socket(sent: list[bytes]) -> None:
                loop.run(play_frames(other, sent))

            play()
            play_socket()
        finally:
            loop.run(other.__aexit__(None, None, None))  # type: ignore[arg-type]
