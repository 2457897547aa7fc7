"""Where the time of one query goes, from the ASGI scope to the bytes: ``python -m benchmarks.stages``.

CPU time of this thread, the best of several rounds: no server, no sockets, no kernel. The query, its variables and its answer are
those of the benchmark of queries by id.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import httpx
import orjson
from graphql import parse, specified_rules, validate

from benchmarks import data
from benchmarks.domain import Meeting, Room, Ticket, app
from benchmarks.operations import SESSION
from bff import ANONYMOUS
from bff.serving.shortcut import Shortcut
from bff.testing.harness import AppHarness

ROUNDS: Final = 7
ROUND_SECONDS: Final = 0.1

Do = Callable[[], object]


async def microseconds(do: Do, between: Callable[[], Awaitable[object]]) -> float:
    """CPU time of one call. ``between`` the rounds everything else of the process has its turn: a hub that hears nothing for too
    long trusts nothing that it keeps."""
    calls, best = 1, float("inf")
    while _seconds(do, calls) < ROUND_SECONDS / 10:
        calls *= 2
    calls *= 10
    for _ in range(ROUNDS):
        await between()
        best = min(best, _seconds(do, calls) / calls)
    return best * 1e6


def _seconds(do: Do, calls: int) -> float:
    began = time.thread_time()
    for _ in range(calls):
        do()
    return time.thread_time() - began


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """To its end, which it comes to without waiting."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("it has waited for something")


async def write_meeting() -> None:
    one = data.meeting(0)
    room = Room(id="r", address=one.address, latitude=one.latitude, longitude=one.longitude)
    meeting = Meeting(id=one.id, title=one.title, region=one.region, room=room.ref, in_session=one.in_session)
    tickets = [
        Ticket(
            id=each.id,
            meeting=meeting.ref,
            name=each.name,
            organization=each.organization,
            hearing_aid_requested=each.hearing_aid_requested,
        )
        for each in one.attendees
    ]
    for document in (room, meeting, *tickets):
        await document.save()


def stages(shortcut: Shortcut, scope: dict[str, Any], body: bytes) -> dict[str, Do]:
    """Each step of the short way by itself."""
    parameters = orjson.loads(body)
    text, given = parameters["query"], parameters["variables"]
    headers = dict(scope["headers"])
    document = shortcut._persisted.known(text)
    assert document is not None
    operation = document.choose("Session")
    plan = operation.query_plan
    assert plan is not None, "the operation has no plan"
    variables = plan.variables(given)
    assert variables is not None
    schema = operation._schema
    return {
        "headers: a dictionary": lambda: dict(scope["headers"]),
        "headers: what they ask for": lambda: shortcut._media_type(scope, headers),
        "the body from JSON": lambda: orjson.loads(body),
        "its document, by its text": lambda: shortcut._persisted.known(orjson.loads(body)["query"]),
        "the variables, coerced": lambda: plan.variables(given),
        "the plan's answer": lambda: plan.answer(variables),
        "from the body to the answer": lambda: shortcut._planned(body, ANONYMOUS),
        "once for each document: parse": lambda: parse(text),
        "once for each document: validate": lambda: validate(schema, document.node, specified_rules),
        "once for each document: plan": lambda: operation._plans and operation._plans.plan(operation.document, operation.node),
    }


async def main() -> None:
    async with AppHarness(app) as running:
        await write_meeting()
        await running.settled()
        request = {"query": SESSION.document, "operationName": "Session", "variables": {"id": data.meeting(0).id}}
        body = orjson.dumps(request)

        async def ask() -> httpx.Response:
            return await running.http.post("/graphql", content=body, headers={"content-type": "application/json"})

        for _ in range(3):
            await ask()
        answer = await ask()
        headers = [
            (b"host", b"127.0.0.1:8000"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "root_path": "", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            pass

        async def bare(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer.content})

        shortcut = app._shortcut
        assert shortcut is not None
        said = [f"{len(body)} bytes in, {len(answer.content)} bytes out; microseconds of CPU time"]
        steps = stages(shortcut, scope, body)
        steps["the short way, whole"] = lambda: run(app(scope, receive, send))
        steps["an ASGI application that sends constant bytes"] = lambda: run(bare(scope, receive, send))
        said += [f"{await microseconds(do, ask):8.2f}  {name}" for name, do in steps.items()]
        sys.stdout.write("\n".join(said) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
