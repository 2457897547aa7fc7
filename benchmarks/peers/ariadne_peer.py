"""Ariadne: as shipped, or with every cache it offers (``BENCH_CACHES=1``); on a graphene schema with ``BENCH_SCHEMA=graphene``.

What it offers are seams: a ``query_parser`` and a ``query_validator``, each with a cache by the text here.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ariadne import MutationType, QueryType, make_executable_schema
from ariadne.asgi import GraphQL
from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, validate

from benchmarks.peers import memory
from benchmarks.prepared import Object

__all__ = ["app"]

CACHES = os.environ.get("BENCH_CACHES") == "1"
GRAPHENE = os.environ.get("BENCH_SCHEMA") == "graphene"

query = QueryType()
mutation = MutationType()


@query.field("meetingSession")
def meeting_session(_: Any, info: Any, id: str) -> Object | None:
    return memory.MEETINGS.get(id)


@query.field("meetingSessions")
def meeting_sessions(_: Any, info: Any, filter: Any, first: int) -> Object:
    return memory.region(filter["region"]["eq"], first)


@query.field("personAgenda")
def person_agenda(_: Any, info: Any, id: str) -> Object | None:
    return memory.PERSONS.get(id)


@mutation.field("setAttendance")
def set_attendance(_: Any, info: Any, ticketId: str, attending: bool) -> Object:  # noqa: N803 - GraphQL's name
    return memory.set_attendance(ticketId, attending)


def schema() -> GraphQLSchema:
    if GRAPHENE:
        from benchmarks.peers.graphene_schema import SCHEMA

        return SCHEMA.graphql_schema
    return make_executable_schema((Path(__file__).parent / "schema.graphql").read_text(), query, mutation)


@lru_cache(maxsize=1_000)
def parsed(text: str) -> DocumentNode:
    return parse(text)


def parser(context: Any, data: Any) -> DocumentNode:
    return parsed(data["query"])


KNOWN: dict[int, list[GraphQLError]] = {}
"""By identity: `parsed` gives the same object for the same text, and keeps it."""


def validator(schema: GraphQLSchema, document: DocumentNode, *rules: Any, **limits: Any) -> list[GraphQLError]:
    found = KNOWN.get(id(document))
    if found is None:
        found = KNOWN[id(document)] = validate(schema, document, *rules, **limits)
    return found


app = GraphQL(schema(), query_parser=parser, query_validator=validator) if CACHES else GraphQL(schema())
