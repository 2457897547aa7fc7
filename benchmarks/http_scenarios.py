"""Queries and mutations over HTTP: bff, the limit of what an ASGI app can do, and what people would pick instead."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.guarded import KEY, write_key_and_tokens
from benchmarks.harness import Bench, Metric, Scenario, Server, Target, Unavailable, Wrong, free_port, ratio
from benchmarks.operations import AGENDA, ATTEND, REGION, SESSION, UNKNOWN, Operation, without_cursors
from benchmarks.processes import PYTHON
from benchmarks.smoke import Check

__all__ = ["SCENARIOS", "SMOKE", "HttpScenario", "Open", "loaded"]

HERE = Path(__file__).parent
NODE = HERE / "node"
LOAD = HERE / "load"
CONNECTIONS = 32
MOST_CHECKED = 200
PATH = "/graphql"

BARE = "bare ASGI, constant bytes"
SIGNED_IN, USERS = "bff, with JWT and readers", 100
STARLETTE = "Starlette + orjson"
ARIADNE, ARIADNE_CACHED = "Ariadne, as shipped", "Ariadne, cached"
GRAPHENE, GRAPHENE_CACHED = "graphene on Ariadne, as shipped", "graphene on Ariadne, cached"
STRAWBERRY, STRAWBERRY_CACHED = "Strawberry, as shipped", "Strawberry, cached"
JIT, MERCURIUS, APOLLO, YOGA = "mercurius with JIT", "mercurius", "Apollo Server", "GraphQL Yoga"
C = "C over epoll, constant bytes"
CACHED = ("bff", BARE, STARLETTE, JIT, MERCURIUS, APOLLO, YOGA, ARIADNE_CACHED, STRAWBERRY_CACHED, GRAPHENE_CACHED)
AS_SHIPPED = (ARIADNE, STRAWBERRY, GRAPHENE)

PYTHON_PEERS: Mapping[str, tuple[str, Mapping[str, str], Sequence[str]]] = {
    BARE: ("bare", {}, ()),
    STARLETTE: ("starlette_orjson", {}, ()),
    ARIADNE: ("ariadne_peer", {}, ()),
    ARIADNE_CACHED: ("ariadne_peer", {"BENCH_CACHES": "1"}, ()),
    GRAPHENE: ("ariadne_peer", {"BENCH_SCHEMA": "graphene"}, ()),
    GRAPHENE_CACHED: ("ariadne_peer", {"BENCH_SCHEMA": "graphene", "BENCH_CACHES": "1"}, ()),
    STRAWBERRY: ("strawberry_peer", {}, ("strawberry",)),
    STRAWBERRY_CACHED: ("strawberry_peer", {"BENCH_CACHES": "1"}, ("strawberry",)),
}
"""The module, its environment, and what must be installed beside what bff needs."""

NODE_PEERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    JIT: ("mercurius.js", {"BENCH_JIT": "1"}),
    MERCURIUS: ("mercurius.js", {}),
    APOLLO: ("apollo.js", {}),
    YOGA: ("yoga.js", {}),
}


@dataclass(frozen=True, slots=True)
class Open:
    """A contender that is served, was checked, and is warm. ``sizes`` are the shortest and the longest answer, heads included.

    ``tokens`` is a file with those that requests are sent with, in turns, one a line.
    """

    server: Server
    path: str
    bodies: Path
    sizes: tuple[int, int]
    tokens: Path | None = None


@contextmanager
def served(bench: Bench, contender: str, operation: Operation) -> Iterator[Server]:
    """The contender, listening. Raises Unavailable where it cannot be had on this machine."""
    if contender == "bff":
        with bench.bff() as server:
            yield server
        return
    if contender == SIGNED_IN:
        key, _ = write_key_and_tokens(bench.folder, USERS)
        with bench.bff("benchmarks.guarded:app", env={KEY: str(key)}) as server:
            yield server
        return
    port = free_port()
    if contender in PYTHON_PEERS:
        module, environment, needed = PYTHON_PEERS[contender]
        if missing := [package for package in needed if find_spec(package) is None]:
            raise Unavailable(f"{', '.join(missing)} is not installed: pip install -e '.[bench]'")
        argv = [PYTHON, "-m", "uvicorn", f"benchmarks.peers.{module}:app", "--port", str(port)]
        argv += ["--no-access-log", "--log-level", "warning"]
        with bench.start(argv, port=port, env={"BENCH_OPERATION": operation.name, **environment}) as server:
            yield server
    elif contender in NODE_PEERS:
        script, environment = NODE_PEERS[contender]
        if shutil.which("node") is None or not (NODE / "node_modules").is_dir():
            raise Unavailable("Node.js or its packages are not installed: npm ci in benchmarks/node")
        environment = {"NODE_ENV": "production", "BENCH_DATA": str(_node_data(bench)), **environment}
        with bench.start(["node", str(NODE / script), str(port)], port=port, env=environment) as server:
            yield server
    else:
        with bench.start([str(_compiled(bench)), str(port), str(_constant(bench, operation))], port=port) as server:
            yield server


def _node_data(bench: Bench) -> Path:
    path = bench.folder / "peers.json"
    if not path.exists():
        bench.run([PYTHON, "-m", "benchmarks.prepared", str(path)])
    return path


def _compiled(bench: Bench) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unavailable("there is no C compiler")
    path = bench.folder / "answer"
    if not path.exists():
        subprocess.run([compiler, "-O2", "-o", str(path), str(LOAD / "answer.c")], check=True)
    return path


def _constant(bench: Bench, operation: Operation) -> Path:
    path = bench.folder / f"{operation.name}.json"
    path.write_text(json.dumps({"data": operation.answer(operation.variables[0])}, separators=(",", ":")))
    return path


def checked(
    server: Server, path: str, operation: Operation, *, constant: bool = False, tokens: Path | None = None
) -> tuple[int, int]:
    """How long the shortest and the longest body of its answers are. Raises Wrong where one is not the right answer.

    ``constant``: it has but one answer, to the first request. ``tokens``: who shows none of these is shown nothing.
    """
    token = None if tokens is None else tokens.read_text().split()[0]
    sizes = []
    requests = list(operation.requests())
    for body, right in requests[:: max(1, len(requests) // MOST_CHECKED)]:
        status, answer = server.post(path, body, token=token)
        expected = without_cursors({"data": requests[0][1] if constant else right})
        given = json.loads(answer) if status == 200 else None
        extensions = given.pop("extensions", None) if isinstance(given, dict) else None
        if status != 200 or without_cursors(given) != expected or (extensions is not None and "errors" in extensions):
            raise Wrong(f"{body['variables']} was answered {status}: {answer[:600]!r}")
        sizes.append(len(answer))
    if tokens is not None and server.post(path, requests[0][0]) != (200, b'{"data":{"meetingSession":null}}'):
        raise Wrong("who has not signed in is shown something")
    return min(sizes), max(sizes)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a load generator says, and what it took."""

    rate: float
    p50: float
    p99: float
    server_cpu: float
    load_cpu: float
    server_seconds_each: float


HEAD_BYTES = (60, 400)
"""What the head of an answer has, at least and at most: beyond the body's length, a body is another one than was checked."""


def loaded(bench: Bench, opened: Open, seconds: float) -> Counted:
    """Load it for so long. Raises Wrong where there was an error, or answers were not as long as the right ones are."""
    whole = max(1, round(seconds))
    if not bench.smoke:
        if shutil.which("wrk") is None:
            raise Wrong("wrk is not installed: apt-get install wrk")
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "-s", str(LOAD / "post.lua"), opened.server.url + opened.path]
        argv += ["--", str(opened.bodies)]
        argv += [] if opened.tokens is None else [str(opened.tokens)]
    else:
        argv = [PYTHON, str(LOAD / "post.py"), str(opened.server.port), opened.path, str(opened.bodies), str(whole)]
        argv += [str(CONNECTIONS)]
        argv += [] if opened.tokens is None else [str(opened.tokens)]
    ran = bench.load(argv, server=opened.server)
    said: dict[str, Any] = json.loads(ran.output.strip().splitlines()[-1])
    if said["errors"] or not said["requests"]:
        raise Wrong(f"{said['errors']} errors in {said['requests']} requests")
    each = said["bytes"] / said["requests"]
    low, high = opened.sizes[0] + HEAD_BYTES[0], opened.sizes[1] + HEAD_BYTES[1]
    # The last answers of a run are cut off: they are counted by their bytes alone.
    if not low <= each <= high * (1 + CONNECTIONS / said["requests"]):
        raise Wrong(f"answers have {each:.0f} bytes under load, and were checked to have {low} to {high}")
    cpu = ran.cpu()
    return Counted(
        rate=said["requests"] / said["seconds"],
        p50=said["p50_ms"],
        p99=said["p99_ms"],
        server_cpu=cpu["server cpu"],
        load_cpu=cpu["load cpu"],
        server_seconds_each=ran.server_cpu_seconds / said["requests"],
    )


class HttpScenario(Scenario):
    """One operation, sent as fast as it is answered, on 32 connections."""

    metrics = (
        Metric("rate", "requests/s"),
        Metric("p50", "ms", higher_is_better=False, compared=False),
        Metric("p99", "ms", higher_is_better=False, compared=False),
        Metric("server µs", "CPU µs a request", higher_is_better=False, compared=False),
        Metric("server cpu", "%", compared=False),
        Metric("load cpu", "%", compared=False),
    )

    def __init__(
        self,
        name: str,
        title: str,
        about: str,
        operation: Operation,
        contenders: Sequence[str] = CACHED,
        targets: Sequence[Target] = (),
    ) -> None:
        self.name = name
        self.title = title
        self.about = about
        self.operation = operation
        self.contenders = tuple(contenders)
        self.targets = tuple(targets)

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Open]:
        constant = contender in {BARE, C}
        with served(bench, contender, self.operation) as server:
            path = _path(contender)
            tokens = write_key_and_tokens(bench.folder, USERS)[1] if contender == SIGNED_IN else None
            sizes = checked(server, path, self.operation, constant=constant, tokens=tokens)
            bodies = self.operation.write_bodies(bench.folder / f"{self.name}.jsonl")
            opened = Open(server, path, bodies, sizes, tokens)
            loaded(bench, opened, bench.warm_seconds)
            yield opened
            if not self.operation.writes:
                # As right afterwards as before.
                checked(server, path, self.operation, constant=constant, tokens=tokens)

    def measure(self, bench: Bench, contender: str, opened: Open) -> dict[str, float]:
        found = loaded(bench, opened, bench.seconds)
        return {
            "rate": found.rate,
            "p50": found.p50,
            "p99": found.p99,
            "server µs": found.server_seconds_each * 1e6,
            "server cpu": found.server_cpu,
            "load cpu": found.load_cpu,
        }


def _path(contender: str) -> str:
    return "/" if contender == APOLLO else PATH


ASKED_IN_FULL = "Each request carries the full text and its variables as JSON; nothing is compressed, nothing is answered 304."

SCENARIOS: list[Scenario] = [
    HttpScenario(
        "load",
        "The load generator",
        "wrk, one thread, 32 connections, against a C program that sends the same 1.9 kB from memory over epoll: what the load "
        "generator can do when the server costs next to nothing. Below, `load cpu` is how busy wrk's core was, `server cpu` the "
        "server's: a server at 100 with a load below is what was measured.",
        SESSION,
        (C, BARE),
    ),
    HttpScenario(
        "query",
        "Query by id",
        "A `MeetingSession` with 20 attendees, 1.9 kB of JSON, going round 100 ids. "
        + ASKED_IN_FULL
        + f" “{SIGNED_IN}” is the same "
        "view with `readers`, and a field with readers of its own, asked for by 100 users in turns, each with a token (RS256). "
        "No target: it says what that costs.",
        SESSION,
        (*CACHED, SIGNED_IN, *AS_SHIPPED),
        targets=[
            Target("≥ 0.75 × bare ASGI", ratio("query", "rate", BARE), at_least=0.75),
            Target("≥ 1.3 × mercurius with JIT", ratio("query", "rate", JIT), at_least=1.3),
            Target(
                "≥ 10 × Ariadne or Strawberry with all their caches",
                ratio("query", "rate", ARIADNE_CACHED, STRAWBERRY_CACHED),
                at_least=10.0,
            ),
        ],
    ),
    HttpScenario(
        "list",
        "List of 50",
        "The first 50 of the 60 meetings of a region, five fields each, with cursors and `pageInfo`, 10.6 kB, going round four "
        "regions. " + ASKED_IN_FULL,
        REGION,
        targets=[
            Target(
                "≥ 5 × the best GraphQL server in Python",
                ratio("list", "rate", ARIADNE_CACHED, STRAWBERRY_CACHED, GRAPHENE_CACHED),
                at_least=5.0,
            ),
            Target("≥ 1.2 × mercurius with JIT", ratio("list", "rate", JIT), at_least=1.2),
        ],
    ),
    HttpScenario(
        "links",
        "A view with links to 20 others",
        "Somebody's agenda: a view, and five fields of each of the 20 views that it links to, 2.8 kB, going round 100 ids. "
        + ASKED_IN_FULL,
        AGENDA,
        targets=[
            Target(
                "≥ 5 × the best GraphQL server in Python",
                ratio("links", "rate", ARIADNE_CACHED, STRAWBERRY_CACHED, GRAPHENE_CACHED),
                at_least=5.0,
            ),
            Target("≥ 1.2 × mercurius with JIT", ratio("links", "rate", JIT), at_least=1.2),
        ],
    ),
    HttpScenario(
        "unknown",
        "Query by id, in a text that is not known",
        "The same query, going round 3,000 texts that differ in an alias: each is parsed and validated, and planned or compiled "
        "where that is done, for it is not in the cache any more. No target: it says what the caches are worth.",
        UNKNOWN,
        ("bff", JIT, MERCURIUS, APOLLO, ARIADNE, STRAWBERRY),
    ),
    HttpScenario(
        "mutation",
        "Mutation",
        "Somebody leaves or comes, and the whole view is the answer. Ours commits it to SQLite, durably, and the view is rebuilt "
        "from 22 documents and pushed; the others set a value in memory and tell nobody. No target: it says what that costs.",
        ATTEND,
        ("bff", STARLETTE, JIT, APOLLO, ARIADNE_CACHED, STRAWBERRY_CACHED),
    ),
]

BY_ID, LIST = SCENARIOS[1], SCENARIOS[2]
SMOKE = [Check("query by id, bare ASGI", BY_ID, BARE), Check("list of 50, Starlette + orjson", LIST, STARLETTE)]
