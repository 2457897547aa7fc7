"""A client of live lists: applies each event, and checks what it says of the neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, create_source_event_stream, execute, parse

from bff.request_extensions import RequestExtensions
from bff.resolvers.context import Context
from bff.serving.context import Response

PATIENCE = 60.0

EDGE = "cursor node {{ {fields} }}"
EVENT = "kind id cursor previous next node {{ {fields} }} page {{ edges {{ " + EDGE + " }} pageInfo {{ hasNextPage }} }}"


class LiveClient:
    """``window`` is the list as its reader sees it: cursors and nodes, in order."""

    def __init__(self, schema: GraphQLSchema, new_context: Callable[[], Context], name: str, arguments: str, fields: str) -> None:
        self.window: list[dict[str, Any]] = []
        self.kinds: list[str] = []
        self.version: str | None = None
        self._schema = schema
        self._new_context = new_context
        self._name = name
        called = f"{name}({arguments})" if arguments else name
        self._live = parse(f"subscription {{ {called} {{ {EVENT.format(fields=fields)} }} }}")
        self._fresh = parse(f"{{ {called} {{ edges {{ {EDGE.format(fields=fields)} }} }} }}")

    @asynccontextmanager
    async def following(self, *, again: bool = False) -> AsyncIterator[LiveClient]:
        """While entered, events come; ``again`` goes on from what it holds, as after a lost connection."""
        context = self._new_context()
        context.asked = RequestExtensions(given=True, since=self.version if again else None)
        source: Any = await create_source_event_stream(self._schema, self._live, None, context)
        if isinstance(source, ExecutionResult):
            assert source.errors
            raise source.errors[0]
        self._context, self._source = context, source
        try:
            yield self
        finally:
            await source.aclose()

    async def next(self, meanwhile: Callable[[], Awaitable[None]] | None = None) -> dict[str, Any]:
        """The next event that is sent, applied; ``meanwhile`` happens before it is executed."""
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await anext(self._source)
                if meanwhile is not None:
                    await meanwhile()
                response = await self._context.event(partial(self._execute, self._live, self._context, event))
                if not self._context.seen():
                    break
        assert "errors" not in response, response["errors"]
        self.version = response["extensions"]["bff"].get("version")
        change: dict[str, Any] = response["data"][self._name]
        self._apply(change)
        return change

    async def until_fresh(self) -> list[str]:
        """Apply events until the window is what a fresh query finds; the kinds and keys of the events."""
        before = len(self.kinds)
        fresh = await self.fresh()
        while self.window != fresh or not self.kinds:
            try:
                await self.next()
            except TimeoutError:
                raise AssertionError(f"it stays {self.window}\nand should be {fresh}\nafter {self.kinds[before:]}") from None
        return self.kinds[before:]

    async def fresh(self) -> list[dict[str, Any]]:
        response = await self._execute(self._fresh, self._new_context())
        assert "errors" not in response, response["errors"]
        edges: list[dict[str, Any]] = response["data"][self._name]["edges"]
        return edges

    async def _execute(self, document: Any, context: Context, root: Any = None) -> Response:
        executing = execute(self._schema, document, root, context)
        result = await executing if isawaitable(executing) else executing
        errors: list[GraphQLError] = result.errors or []
        return {"data": result.data, **({"errors": errors} if errors else {})}

    def _apply(self, change: dict[str, Any]) -> None:
        kind, key = change["kind"], change["id"]
        self.kinds.append(kind if key is None else f"{kind} {key}")
        if kind == "CURRENT":
            assert all(change[name] is None for name in ("id", "node", "cursor", "previous", "next"))
            self.window = change["page"]["edges"]
            return
        assert change["page"] is None
        keys = [edge["node"]["id"] for edge in self.window]
        if kind == "REMOVED":
            assert all(change[name] is None for name in ("node", "cursor", "previous", "next"))
            del self.window[keys.index(key)]
            return
        edge = {"cursor": change["cursor"], "node": change["node"]}
        assert edge["node"]["id"] == key
        if kind == "MODIFIED":
            self.window[keys.index(key)] = edge
        else:
            if kind == "MOVED":
                del self.window[keys.index(key)]
                keys.remove(key)
            assert key not in keys
            self.window.insert(0 if change["previous"] is None else keys.index(change["previous"]) + 1, edge)
        keys = [edge["node"]["id"] for edge in self.window]
        place = keys.index(key)
        assert change["previous"] == (keys[place - 1] if place else None)
        assert change["next"] == (keys[place + 1] if place + 1 < len(keys) else None)
