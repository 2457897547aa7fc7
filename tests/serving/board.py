"""A board of states that plans show, and that graphql-core shows where they cannot."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
from graphql import DocumentNode, FieldNode, GraphQLSchema, OperationDefinitionNode, build_schema

from bff.principal import ANONYMOUS, Principal

__all__ = ["STATE", "Board"]

STATE = 'subscription State($key: String! = "a") { state(key: $key) { key number text } }'

SDL = """
type State { key: String!, number: Int!, text: String! }
type Query { state(key: String!): State!, greeting: String! }
type Subscription { state(key: String!): State! }
"""


class _Watching:
    """One open subscription, as ``bff.serving.planning.Watching``."""

    def __init__(self, board: Board, key: str, wake: Callable[[], None]) -> None:
        self.board = board
        self.key = key
        self.wake = wake
        self.given = -1
        self.ended = False
        board.watched[key].append(self)
        board.moved()

    def take(self) -> bytes | None:
        number = self.board.numbers[self.key]
        if number == self.given:
            return None
        self.given = number
        if number in self.board.unsayable:
            raise LookupError("graphql-core has to say it")
        return self.board.payload(self.key)

    def close(self) -> None:
        if self in self.board.watched[self.key]:
            self.board.watched[self.key].remove(self)
            self.board.moved()


class _Plan:
    """Of a query or a subscription to one state, by the variable ``key``."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return given

    def answer(self, variables: Mapping[str, Any], principal: Principal = ANONYMOUS) -> Any:
        board = self.board
        if board.numbers[variables.get("key", "a")] in board.unsayable:
            return None
        answer = board.payload(variables.get("key", "a"))
        return board.later(answer) if board.answers_later else answer

    async def watch(self, variables: Mapping[str, Any], wake: Callable[[], None], _: object = None) -> _Watching | None:
        board = self.board
        await board.opening.wait()
        if board.failing is not None:
            raise board.failing
        return _Watching(board, variables.get("key", "a"), wake) if board.opens else None


class Board:
    """``change`` a state, and who follows it is told. It is what ``graphql_app`` takes as ``plans``."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = defaultdict(int)
        self.unsayable: set[int] = set()  # the numbers that plans cannot show
        self.filling = ""
        self.watched: dict[str, list[_Watching]] = defaultdict(list)
        self.executed = 0  # how many contexts were made: a plan needs none
        self.opens = True
        self.answers_later = False
        self.failing: Exception | None = None
        self.opening = asyncio.Event()
        self.opening.set()
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()
        self.schema = self._schema()

    @property
    def open(self) -> int:
        """How many planned subscriptions are open."""
        return sum(len(each) for each in self.watched.values())

    def moved(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def until_open(self, count: int) -> None:
        """Wait until so many planned subscriptions are open."""
        async with asyncio.timeout(10):
            while self.open != count:
                await self._moved.wait()

    def change(self, key: str = "a") -> int:
        self.numbers[key] += 1
        for watching in list(self.watched[key]):
            watching.wake()
        self._changed.set()
        self._changed = asyncio.Event()
        return self.numbers[key]

    def end(self) -> None:
        """There are no live updates any more."""
        for watched in self.watched.values():
            for watching in list(watched):
                watching.ended = True
                watching.wake()

    def state(self, key: str) -> dict[str, Any]:
        return {"key": key, "number": self.numbers[key], "text": self.filling}

    def payload(self, key: str) -> bytes:
        return orjson.dumps({"data": {"state": self.state(key)}})

    def plan(self, document: DocumentNode, operation: OperationDefinitionNode) -> Any:
        field = operation.selection_set.selections[0]
        return _Plan(self) if isinstance(field, FieldNode) and field.name.value == "state" else None

    def context(self, connection: Any, operation: Any) -> Any:
        self.executed += 1
        return connection

    async def later(self, answer: bytes) -> bytes:
        await asyncio.sleep(0)
        return answer

    async def _states(self, key: str) -> AsyncIterator[dict[str, Any]]:
        given = -1
        while True:
            if (number := self.numbers[key]) != given:
                given = number
                yield self.state(key)
            else:
                await self._changed.wait()

    def _schema(self) -> GraphQLSchema:
        schema = build_schema(SDL)
        query, subscription = schema.query_type, schema.subscription_type
        assert query is not None
        assert subscription is not None
        query.fields["state"].resolve = lambda _, info, key: self.state(key)
        query.fields["greeting"].resolve = lambda _, info: "hello"
        subscription.fields["state"].subscribe = lambda _, info, key: self._states(key)
        subscription.fields["state"].resolve = lambda event, info, key: event
        return schema
