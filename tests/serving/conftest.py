"""A harbour, served: a small schema whose every wait is in the test's hand."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import signature
from typing import Any

import pytest
import uvicorn
from graphql import GraphQLError, GraphQLSchema, build_schema

from bff.errors import BadUserInput, BuildError, DatastoreUnavailable, DomainError
from bff.serving.asgi import GraphQLApp, graphql_app
from bff.serving.limits import Limits
from bff.serving.operations import LATEST_WINS
from bff.serving.uvicorn_protocol import HTTPProtocol, WebSocketProtocol
from tests.serving.planned import ExecutedPlans

SDL = """
scalar Anything
input Cargo { tons: Int!, dangerous: Boolean }
type Ship { name: String!, captain: String, visits: Int! }
type Query {
  greeting(name: String = "you"): String!
  wait(gate: String!): String!
  ship: Ship!
  load(cargo: Cargo!): Int!
  fail(how: String!): String
  anything: Anything
  context: Anything
  big(size: Int!): String!
}
type Mutation { dock(gate: String): Int!, undock: Int! }
type Subscription {
  ticks(topic: String!): Int!
  states(topic: String!): String!
  count(to: Int!): Int!
  refuse(how: String = "domain"): Int!
  ship(topic: String!): Ship!
  anythings(topic: String!): Anything
  stubborn(topic: String!): Int!
}
"""


class HarbourFull(DomainError):
    """The harbour is full."""


class Loader:
    """Counts how often it was renewed: what a context with dataloaders does."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.renewals = 0

    def renew(self) -> None:
        self.renewals += 1


class Harbour:
    """The resolvers, and what tests look at."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.reached: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.topics: dict[str, asyncio.Queue[Any]] = defaultdict(lambda: asyncio.Queue(1000))
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.changed = asyncio.Condition()
        self.docked = 0
        self.anything: Any = None
        self.produced = 0
        self.contexts: list[Loader] = []
        self.schema = self._schema()

    def context(self, connection: Any, operation: Any) -> Loader:
        context = Loader(connection)
        self.contexts.append(context)
        return context

    @property
    def open(self) -> int:
        return self.opened.total() - self.closed.total()

    async def until(self, come: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something of the harbour has become true; it is looked at after each opening and closing."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(come)

    async def _note(self, counter: Counter[str], topic: str) -> None:
        counter[topic] += 1
        async with self.changed:
            self.changed.notify_all()

    async def source(self, topic: str) -> AsyncIterator[Any]:
        await self._note(self.opened, topic)
        try:
            while topic == "endless":
                yield 1
            while True:
                event = await self.topics[topic].get()
                if event is StopAsyncIteration:
                    return
                if isinstance(event, BaseException):
                    raise event
                self.produced += 1
                yield event
        finally:
            # A real source has something to say goodbye to: closing takes a turn of the loop.
            await asyncio.sleep(0)
            await asyncio.shield(self._note(self.closed, topic))

    async def stubborn(self, topic: str) -> AsyncIterator[int]:
        """A source that does not want to go at the first cancellation."""
        await self._note(self.opened, topic)
        try:
            yield 1
            try:
                await self.gates[topic].wait()
            except asyncio.CancelledError:
                await self.gates[topic].wait()
        finally:
            await asyncio.shield(self._note(self.closed, topic))

    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number

    async def wait(self, gate: str) -> str:
        self.reached[gate].set()
        await self.gates[gate].wait()
        return gate

    async def dock(self, gate: str | None) -> int:
        if gate is not None:
            await self.wait(gate)
        self.docked += 1
        if gate is not None:
            self.reached[f"{gate} done"].set()
        return self.docked

    def fail(self, how: str) -> str:
        raise {
            "domain": HarbourFull("pier 9 is taken"),
            "silent": HarbourFull(),
            "input": BadUserInput("not a name", ["input", "name"]),
            "unavailable": DatastoreUnavailable("10.0.0.7:8080 refused"),
            "build": BuildError("Ship.captain raised KeyError('secret')"),
            "graphql": GraphQLError("said on purpose", extensions={"code": "ON_PURPOSE"}),
            "group": ExceptionGroup("several", [HarbourFull("pier 8 is taken")]),
            "timeout": TimeoutError("secret"),
            "cancelled": asyncio.CancelledError("secret"),
            "odd": GraphQLError("said oddly", extensions={"code": "ODD", "what": object()}),
        }.get(how) or KeyError("secret")

    def _schema(self) -> GraphQLSchema:
        schema = build_schema(SDL)
        query, mutation, subscription = schema.query_type, schema.mutation_type, schema.subscription_type
        assert query is not None
        assert mutation is not None
        assert subscription is not None
        resolvers: dict[str, Any] = {
            "greeting": lambda _, info, name: f"hello {name}",
            "wait": lambda _, info, gate: self.wait(gate),
            "ship": lambda _, info: {"name": "Vega", "captain": self.fail, "visits": 3},
            "load": lambda _, info, cargo: cargo["tons"],
            "fail": lambda _, info, how: self.fail(how),
            "anything": lambda _, info: self.anything,
            "context": lambda _, info: getattr(info.context.connection.state, "connection_params", None),
            "big": lambda _, info, size: "x" * size,
        }
        for name, resolver in resolvers.items():
            query.fields[name].resolve = resolver
        query.fields["ship"].type.of_type.fields["captain"].resolve = lambda ship, info: self.fail("domain")
        query.fields["ship"].type.of_type.fields["visits"].resolve = lambda ship, info: info.context.renewals
        mutation.fields["dock"].resolve = lambda _, info, gate=None: self.dock(gate)
        mutation.fields["undock"].resolve = lambda _, info: self.docked
        for name in ("ticks", "states", "ship", "anythings"):
            subscription.fields[name].subscribe = lambda _, info, topic: self.source(topic)
        subscription.fields["stubborn"].subscribe = lambda _, info, topic: self.stubborn(topic)
        subscription.fields["count"].subscribe = lambda _, info, to: self.count(to)
        subscription.fields["refuse"].subscribe = lambda _, info, how: self.fail(how)
        for field in subscription.fields.values():
            field.resolve = lambda event, info, **_: event
        subscription.fields["states"].extensions[LATEST_WINS] = True
        return schema


Serve = Callable[..., GraphQLApp]
SERVING = {*signature(graphql_app).parameters} - {"limits"}


@pytest.fixture
def harbour() -> Harbour:
    return Harbour()


@pytest.fixture
def serve(harbour: Harbour) -> Serve:
    """An application of the harbour; limits by name, everything else as ``graphql_app`` takes it."""

    def build(**options: Any) -> GraphQLApp:
        own = {name: options.pop(name) for name in SERVING if name in options}
        return graphql_app(harbour.schema, harbour.context, limits=Limits(**options), **own)

    return build


@pytest.fixture(params=[False, True], ids=["executed", "planned"])
def either(request: pytest.FixtureRequest, harbour: Harbour, serve: Serve) -> Serve:
    """``serve``, once as it is and once with plans: for tests of what is the same either way."""
    if not request.param:
        return serve
    return lambda **options: serve(plans=ExecutedPlans(harbour.schema), **options)


class StartedServer(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


Listen = Callable[..., AbstractAsyncContextManager[tuple[str, StartedServer]]]


@pytest.fixture
def listen() -> Listen:
    """Serve an application with a real uvicorn: ``host:port`` and the server."""

    @asynccontextmanager
    async def listening(app: Any) -> AsyncIterator[tuple[str, StartedServer]]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            config = uvicorn.Config(
                app,
                http=HTTPProtocol,
                ws=WebSocketProtocol,
                ws_per_message_deflate=False,
                ws_ping_interval=None,
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=10,
            )
            server = StartedServer(config)
            task = asyncio.create_task(server.serve([listener]))
            try:
                async with asyncio.timeout(10):
                    await server.listening.wait()
                yield f"127.0.0.1:{listener.getsockname()[1]}", server
            finally:
                server.should_exit = True
                async with asyncio.timeout(15):
                    await task

    return listening
