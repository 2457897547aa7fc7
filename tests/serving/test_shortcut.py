"""The short way of a query over HTTP answers what the long way does: the same status, headers and bytes."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.errors import DatastoreUnavailable
from bff.serving.asgi import GraphQLApp
from tests.serving.planned import ExecutedPlans

pytestmark = pytest.mark.anyio

JSON = b"application/json"
GRAPHQL = b"application/graphql-response+json"
GREETING = "query A($n: String) { greeting(name: $n) }"
BIG = "{ big(size: 3000) }"
LIMIT = 2_000

Headers = list[tuple[bytes, bytes]]
Part = bytes | None


@dataclass
class Asked:
    """A request. ``parts`` are those of its body, None is a pause; then the client is ``gone``, or silent."""

    parts: Sequence[Part]
    headers: Headers = field(default_factory=lambda: [(b"content-type", JSON)])
    method: str = "POST"
    query_string: bytes = b""
    gone: bool = False


async def ask(app: GraphQLApp, asked: Asked) -> list[dict[str, Any]]:
    """What the application sends."""
    sent: list[dict[str, Any]] = []
    waiting = list(asked.parts)

    async def receive() -> dict[str, Any]:
        while waiting and waiting[0] is None:
            waiting.pop(0)
            await asyncio.sleep(0)
        if waiting:
            part = waiting.pop(0)
            more = asked.gone or any(part is not None for part in waiting)
            return {"type": "http.request", "body": part, "more_body": more}
        if not asked.gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": asked.method,
        "path": "/graphql",
        "query_string": asked.query_string,
        "headers": list(asked.headers),
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return sent


class Both:
    """One application with plans, one without; what ``same`` is asked, both answer the same."""

    def __init__(self, harbour: Any, serve: Any, **options: Any) -> None:
        self.plans = ExecutedPlans(harbour.schema)
        self.short: GraphQLApp = serve(plans=self.plans, **options)
        self.long: GraphQLApp = serve(**options)

    async def know(self, *texts: str) -> None:
        for text in texts:
            await ask(self.short, Asked([json.dumps({"query": text}).encode()]))

    async def same(self, asked: Asked, *, short: bool | None = None) -> list[dict[str, Any]]:
        """Ask both; ``short`` says which way it is to be answered."""
        before = self.plans.answered
        answers = await ask(self.short, asked), await ask(self.long, asked)
        assert answers[0] == answers[1]
        if short is not None:
            assert (self.plans.answered > before) == short
        return answers[0]


@pytest.fixture
async def both(harbour: Any, serve: Any) -> Both:
    both = Both(harbour, serve, body_bytes=LIMIT, body_seconds=1)
    await both.know(GREETING, BIG, "{ ship { name } }", "query A { greeting } query B { x: greeting }", "mutation { undock }")
    return both


def body(query: Any = GREETING, **parameters: Any) -> bytes:
    return json.dumps({"query": query, **parameters}).encode()


def header(**lines: str) -> Headers:
    return [(b"content-type", JSON), *((name.replace("_", "-").encode(), value.encode()) for name, value in lines.items())]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"variables": None, "operationName": None, "extensions": None, "documentId": None},
        {"variables": {"n": "é🚢"}, "operationName": "A", "extensions": {"trace": 1}},
        {"query": BIG},
        {"query": "query A { greeting } query B { x: greeting }", "operationName": "B"},
    ],
)
@pytest.mark.parametrize("accept", [None, "*/*", "application/graphql-response+json"])
@pytest.mark.parametrize("encoding", [None, "gzip", "br;q=0.5, gzip;q=0.1", "zstd"])
async def test_a_plain_query_goes_the_short_way(both: Both, parameters: Any, accept: str | None, encoding: str | None) -> None:
    lines = {"accept": accept, "accept_encoding": encoding}
    asked = Asked([body(**parameters)], header(**{name: value for name, value in lines.items() if value is not None}))
    for _ in range(2):
        start, answer = await both.same(asked, short=True)
        assert start["status"] == 200
        assert (b"content-length", b"%d" % len(answer["body"])) in start["headers"]


@pytest.mark.parametrize(
    "asked",
    [
        Asked([body('{ fail(how: "domain") }')]),
        Asked([body("{ nope }")]),
        Asked([body("{")]),
        Asked([body("mutation { undock }")]),
        Asked([body("subscription { count(to: 1) }")]),
        Asked([body("query A { greeting } query B { x: greeting }")]),
        Asked([body(operationName="B")]),
        Asked([body(operationName="")]),
        Asked([body(operationName=["A"])]),
        Asked([body(variables=[])]),
        Asked([body(variables={"n": 1})]),
        Asked([body(extensions=[])]),
        Asked([body(extensions={"bff": {"asOf": True}})]),
        Asked([body(extensions={"bff": {"nope": True}})]),
        Asked([body(extensions={"persistedQuery": {"version": 1, "sha256Hash": sha256(GREETING.encode()).hexdigest()}})]),
        Asked([body(extensions={"persistedQuery": {"version": 1, "sha256Hash": "0"}})]),
        Asked([body(None, documentId="a")]),
        Asked([body(documentId=1)]),
        Asked([b"[%s]" % body()]),
        Asked([b""]),
        Asked([b"{"]),
        Asked([b'{"query": "\\ud800"}']),
        Asked([b"[" * 1500]),
        Asked([body()], []),
        Asked([body()], [(b"content-type", b"text/plain")]),
        Asked([body()], header(accept="text/html")),
        Asked([body()], header(accept="text/event-stream")),
        Asked([body()], header(accept="text/event-stream;q=0.1, */*")),
        Asked([body()], header(accept='multipart/mixed;subscriptionSpec="1.0", application/json')),
        Asked([body()], header(content_encoding="gzip")),
        Asked([body()], header(x_graphql_event_stream_token="a")),
        Asked([body()], query_string=b"token=graphql-sse-x"),
        Asked([body()], query_string=b"%74oken=graphql-sse-x"),
        Asked([body()], [(b"content-type", b"text/plain"), (b"content-type", JSON)]),
        Asked([body()], header(content_length=str(LIMIT + 1))),
        Asked([body() + b" " * LIMIT]),
        Asked([body(), *[b" " * 100] * 30]),
        Asked([body(), None, *[b" " * 100] * 30]),
        Asked([None, body(), *[b" " * 100] * 30]),
        Asked([], gone=True),
        Asked([b"{"], gone=True),
        Asked([None, b"{", None], gone=True),
        Asked([], method="GET", query_string=b"query={greeting}"),
        Asked([], method="HEAD"),
        Asked([], method="OPTIONS"),
        Asked([], method="PATCH"),
    ],
)
async def test_everything_else_is_answered_as_ever(both: Both, asked: Asked) -> None:
    await both.same(asked)


async def test_lines_that_say_nothing_new_are_no_reason_for_the_long_way(both: Both) -> None:
    await both.same(Asked([body()], query_string=b"op=Greeting", headers=header(content_length="99")), short=True)


@pytest.mark.parametrize(
    "parts", [[None, body()], [body()[:9], body()[9:]], [None, body()[:9], None, b"", body()[9:], b""], [body(), None, b""]]
)
async def test_a_body_may_come_in_parts(both: Both, parts: list[Part]) -> None:
    await both.same(Asked(parts), short=True)
    both.plans.answered = 0
    await both.same(Asked([b"{", *parts]), short=False)


@pytest.mark.parametrize("parts", [[], [None, None], [b"{"], [b"{", None, b" "]])
async def test_a_body_that_does_not_arrive_is_given_up(harbour: Any, serve: Any, parts: list[Part]) -> None:
    both = Both(harbour, serve, body_seconds=0.01)

    async def asked(app: GraphQLApp) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        waiting = list(parts)

        async def receive() -> dict[str, Any]:
            while waiting:
                part = waiting.pop(0)
                if part is not None:
                    return {"type": "http.request", "body": part, "more_body": True}
                await asyncio.sleep(0)
            await asyncio.Event().wait()
            return {}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": header()}
        async with asyncio.timeout(10):
            await app(scope, receive, send)
        return sent

    short, long = await asked(both.short), await asked(both.long)
    assert short == long
    assert short[0]["status"] == 408


async def test_a_plan_is_made_once_and_none_for_what_is_asked_once(both: Both) -> None:
    assert both.plans.made == []
    for _ in range(3):
        await both.same(Asked([body()]), short=True)
    assert len(both.plans.made) == 1


async def test_a_plan_may_have_to_wait(both: Both, harbour: Any) -> None:
    query = '{ wait(gate: "a") }'
    harbour.gates["a"].set()
    await both.know(query)
    await both.same(Asked([body(query)]), short=True)


@pytest.mark.parametrize("query", [GREETING, '{ wait(gate: "a") }'])
async def test_a_plan_that_fails_is_no_answer(both: Both, harbour: Any, caplog: pytest.LogCaptureFixture, query: str) -> None:
    harbour.gates["a"].set()
    await both.know(query)
    both.plans.error = DatastoreUnavailable("10.0.0.7 refused")
    with caplog.at_level(logging.WARNING, "bff.serving"):
        await both.same(Asked([body(query)]), short=False)
    assert caplog.text == ""
    both.plans.error = KeyError("secret")
    with caplog.at_level(logging.ERROR, "bff.serving"):
        await both.same(Asked([body(query)]), short=False)
    assert "a plan has failed" in caplog.text


async def test_trusted_documents_go_the_long_way(harbour: Any, serve: Any) -> None:
    from bff.serving.manifest import PersistedDocument

    for only in (True, False):
        trusted = [PersistedDocument("greeting", GREETING)]
        both = Both(harbour, serve, trusted_documents=trusted, trusted_documents_only=only)
        await both.know("{ greeting }")
        for asked in (body(), body(None, documentId="greeting")):
            await both.same(Asked([asked]), short=False)
        await both.same(Asked([body("{ greeting }")]), short=not only)


def test_more_header_values_than_are_kept() -> None:
    from bff.serving.memo import ENTRIES, LENGTH, Memo

    asked: list[str | None] = []

    def find(value: str | None) -> str | None:
        asked.append(value)
        return value

    memo = Memo(find)
    for _ in range(2):
        assert memo[None] is None
        assert memo[b"\xe9"] == "é"
    assert asked == [None, "é"]
    for number in range(2 * ENTRIES):
        assert memo[b"%d" % number] == str(number)
        assert len(memo) <= ENTRIES
    assert memo[b"x" * (LENGTH + 1)] == "x" * (LENGTH + 1)
    assert b"x" * (LENGTH + 1) not in memo


async def test_thousands_of_operations_leave_nothing_behind(harbour: Any, serve: Any) -> None:
    both = Both(harbour, serve, cached_documents=50)
    for number in range(300):
        for _ in range(2):
            await ask(both.short, Asked([body(f"{{ a{number}: greeting }}")]))
    assert len(both.plans.made) == both.plans.answered == 300
    import gc
    import weakref

    left = [weakref.ref(plan) for plan in both.plans.made]
    both.plans.made.clear()
    gc.collect()
    assert sum(plan() is not None for plan in left) == 50


values = st.sampled_from(
    [None, {}, [], "", "A", 1, True, {"n": "x"}, {"n": None}, {"n": 1}, {"m": 1}, {"bff": None}, {"bff": {}}]
)
parameters = st.fixed_dictionaries(
    {
        "query": st.sampled_from(
            [GREETING, GREETING, BIG, "{ ship { name } }", "{ nope }", "{", "mutation { undock }", "", " ", 1, None]
        )
    },
    optional={"variables": values, "operationName": values, "extensions": values, "documentId": values, "more": values},
)
bodies = st.one_of(parameters.map(json.dumps).map(str.encode), st.binary(max_size=8), st.just(body(variables={"n": "é"})))
ranges = st.sampled_from(
    ["application/json", "application/graphql-response+json", "*/*", "application/*", "text/html", "text/event-stream", "q", ""]
)
qualities = st.sampled_from(["", ";q=0", ";q=0.5", "; q=1", ";q=x", "; charset=utf-8"])
accepts = st.lists(st.tuples(ranges, qualities).map("".join), max_size=3).map(", ".join)
encodings = st.lists(st.tuples(st.sampled_from(["gzip", "br", "*", "identity", "zstd"]), qualities).map("".join), max_size=3).map(
    ",".join
)
types = st.sampled_from(
    ["application/json", "Application/JSON; charset=utf-8", "application/json; charset=latin-1", "text/plain", ""]
)
odd = st.text(st.characters(max_codepoint=255), max_size=8)
lines = st.one_of(
    st.tuples(st.just("accept"), accepts | odd),
    st.tuples(st.just("accept-encoding"), encodings | odd),
    st.tuples(
        st.just("content-length"), st.sampled_from(["10", "1999", "2000", "2001", "99999999999999999999999", "x", "-1"]) | odd
    ),
    st.tuples(st.just("content-encoding"), st.sampled_from(["identity", "gzip"])),
    st.tuples(st.just("x-graphql-event-stream-token"), st.just("x")),
    st.tuples(st.sampled_from(["if-none-match", "origin", "cookie", "idempotency-key", "content-type"]), odd),
)


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in places if place < len(text)), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=bodies,
    places=st.lists(st.integers(0, 60), max_size=2),
    pauses=st.booleans(),
    content_type=types,
    more=st.lists(lines, max_size=3),
    query_string=st.sampled_from([b"", b"", b"op=A", b"token=a", b"token=graphql-sse-a", b"%74oken=graphql-sse-a", b"\xff&=%"]),
    gone=st.sampled_from([False] * 9 + [True]),
)
async def test_whatever_is_asked_both_ways_answer_the_same(
    both: Both,
    text: bytes,
    places: list[int],
    pauses: bool,
    content_type: str,
    more: list[tuple[str, str]],
    query_string: bytes,
    gone: bool,
) -> None:
    headers = [("content-type", content_type), *more]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    parts: list[Part] = []
    for part in cut(text, places):
        parts += [None, part] if pauses else [part]
    await both.same(Asked(parts, raw, query_string=query_string, gone=gone))


async def test_on_a_real_server(harbour: Any, serve: Any, listen: Any) -> None:
    both = Both(harbour, serve)
    async with listen(both.short) as (short, _), listen(both.long) as (long, _), httpx.AsyncClient() as client:
        for query in (BIG, "{ greeting }", "{ nope }"):
            for encoding in ("identity", "gzip"):
                answers = []
                for _ in range(2):
                    for host in (short, long):
                        headers = {"accept-encoding": encoding}
                        answer = await client.post(f"http://{host}/graphql", json={"query": query}, headers=headers)
                        answers.append(
                            (answer.status_code, [line for line in answer.headers.raw if line[0] != b"date"], answer.text)
                        )
                assert answers[0] == answers[1] == answers[2] == answers[3]
        assert both.plans.answered == 6


async def test_what_is_compressed_is_the_answer(both: Both) -> None:
    _, answer = await both.same(Asked([body(BIG)], header(accept_encoding="gzip")), short=True)
    assert json.loads(gzip.decompress(answer["body"])) == {"data": {"big": "x" * 3000}}
