"""An endpoint written by hand for each operation: Starlette, JSON in and out by orjson. Nothing is parsed but JSON."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.operations import IN_LIST, IN_SESSION
from benchmarks.peers import memory
from benchmarks.prepared import Object

__all__ = ["app"]


def picked(meeting: Object, names: tuple[str, ...]) -> Object:
    return {name: meeting[name] for name in names}


def session(variables: Object) -> Object:
    return {"meetingSession": picked(memory.MEETINGS[variables["id"]], IN_SESSION)}


def region(variables: Object) -> Object:
    connection = memory.region(variables["region"], variables["first"])
    edges = [{"cursor": edge["cursor"], "node": picked(edge["node"], IN_LIST)} for edge in connection["edges"]]
    return {"meetingSessions": {"edges": edges, "pageInfo": connection["pageInfo"]}}


def agenda(variables: Object) -> Object:
    person = memory.PERSONS[variables["id"]]
    meetings = [picked(meeting, IN_LIST) for meeting in person["meetings"]]
    return {"personAgenda": {"id": person["id"], "name": person["name"], "meetings": meetings}}


def attend(variables: Object) -> Object:
    return {"setAttendance": picked(memory.set_attendance(variables["ticket"], variables["attending"]), IN_SESSION)}


ENDPOINTS = {"Session": session, "Region": region, "Agenda": agenda, "Attend": attend}


async def graphql(request: Request) -> Response:
    asked: dict[str, Any] = orjson.loads(await request.body())
    answer = ENDPOINTS[asked["operationName"]](asked["variables"])
    return Response(orjson.dumps({"data": answer}), media_type="application/json")


app = Starlette(routes=[Route("/graphql", graphql, methods=["POST"])])
