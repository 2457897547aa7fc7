"""A graphql-sse client for tests, in both of its modes: it queues what arrives, and every wait has a deadline.

::

    async with GraphQLSSEClient.to_app(app) as client:
        async with client.stream('subscription { results(id: "p1") { total } }') as stream:
            assert await stream.next() == {"data": {"results": {"total": 1}}}
        async with client.stream("subscription …", last_event_id=stream.last_event_id) as stream:
            ...                                     # only what is newer
        async with client.single_connection() as single:
            id = await single.subscribe("subscription …")
            await single.next(id)

``GraphQLSSEClient.to_url("http://127.0.0.1:8000/graphql")`` drives a server over the network in the same way.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from bff.testing.http_client import StreamClient
from bff.testing.http_inbox import Ended, Inbox, Refused

__all__ = ["Ended", "Event", "EventStream", "GraphQLSSEClient", "Refused", "SingleConnection"]

TOKEN = "X-GraphQL-Event-Stream-Token"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of an event stream. ``data`` is parsed JSON, None where there is none."""

    event: str
    data: Any
    id: str | None = None


class EventStream:
    """The stream of one operation. ``next`` gives its results, as GraphQL has them."""

    def __init__(self, inbox: Inbox[Event]) -> None:
        self.inbox = inbox
        self.last_event_id: str | None = None

    async def next(self) -> dict[str, Any]:
        """The next result. Raises Ended where the stream completes or ends, and TimeoutError."""
        event = await self.inbox.next(lambda each: True, "a result")
        if event.event != "next":
            raise Ended(f"a result did not come: {event}")
        if event.id is not None:
            self.last_event_id = event.id
        result: dict[str, Any] = event.data
        return result

    async def expect_complete(self) -> None:
        """The next event is ``complete``. Raises Ended, TimeoutError."""
        event = await self.inbox.next(lambda each: True, "the completion")
        if event.event != "complete":
            raise Ended(f"the completion did not come: {event}")


class SingleConnection:
    """One reserved stream for many operations."""

    def __init__(self, client: GraphQLSSEClient, token: str, inbox: Inbox[Event]) -> None:
        self.token = token
        self.inbox = inbox
        self._client = client
        self._ids = itertools.count(1)

    async def subscribe(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> str:
        """Start an operation of any kind; its id. Raises Refused where it is not accepted."""
        id = id if id is not None else str(next(self._ids))
        await self._client.execute(self.token, id, query, variables, extensions)
        return id

    async def next(self, id: str) -> dict[str, Any]:
        """The operation's next result. Raises Ended where it has completed, or the stream has ended, and TimeoutError."""
        event = await self.inbox.next(lambda each: each.data["id"] == id, f"a result of operation {id}")
        if event.event != "next":
            raise Ended(f"a result of operation {id} did not come: {event}")
        result: dict[str, Any] = event.data["payload"]
        return result

    async def expect_complete(self, id: str) -> None:
        """The operation's next event is ``complete``. Raises Ended, TimeoutError."""
        event = await self.inbox.next(lambda each: each.data["id"] == id, f"the completion of operation {id}")
        if event.event != "complete":
            raise Ended(f"the completion of operation {id} did not come: {event}")

    async def stop(self, id: str) -> None:
        """Stop an operation. Raises Refused."""
        await self._client.stop(self.token, id)


class GraphQLSSEClient(StreamClient):
    """``timeout`` seconds is the deadline of every wait."""

    @asynccontextmanager
    async def stream(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        extensions: Mapping[str, Any] | None = None,
        last_event_id: str | None = None,
    ) -> AsyncIterator[EventStream]:
        """Execute an operation of any kind in a stream of its own (distinct connections mode). Raises Refused."""
        headers = {"Accept": "text/event-stream"} | ({} if last_event_id is None else {"Last-Event-ID": last_event_id})
        body = {"query": query, "variables": dict(variables or {}), "extensions": dict(extensions or {})}
        request = self.http.build_request("POST", self.url, json=body, headers=headers, timeout=None)
        async with self._opened(request) as inbox:
            yield EventStream(inbox)

    @asynccontextmanager
    async def single_connection(self) -> AsyncIterator[SingleConnection]:
        """Reserve a stream and open it (single connection mode). Raises Refused."""
        token = await self.reserve()
        async with self.open(token) as inbox:
            yield SingleConnection(self, token, inbox)

    async def reserve(self) -> str:
        """A token for a stream. Raises Refused."""
        return (await self._expect(201, await self.http.put(self.url))).text

    @asynccontextmanager
    async def open(self, token: str) -> AsyncIterator[Inbox[Event]]:
        """Open the stream of a token. Raises Refused."""
        headers = {"Accept": "text/event-stream", TOKEN: token}
        async with self._opened(self.http.build_request("GET", self.url, headers=headers, timeout=None)) as inbox:
            yield inbox

    async def execute(
        self,
        token: str,
        id: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        """Have an operation executed; its results come in the stream of the token. Raises Refused."""
        body = {"query": query, "variables": dict(variables or {}), "extensions": {**(extensions or {}), "operationId": id}}
        await self._expect(202, await self.http.post(self.url, json=body, headers={TOKEN: token}))

    async def stop(self, token: str, id: str) -> None:
        """Stop an operation. Raises Refused."""
        await self._expect(200, await self.http.delete(self.url, params={"operationId": id}, headers={TOKEN: token}))

    @asynccontextmanager
    async def _opened(self, request: httpx.Request) -> AsyncIterator[Inbox[Event]]:
        response = await self.http.send(request, stream=True)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            await response.aread()
            raise Refused(response.status_code, response.text)
        inbox = Inbox(response, _parse, timeout=self.timeout)
        try:
            yield inbox
        finally:
            await inbox.close()

    @staticmethod
    async def _expect(status: int, response: httpx.Response) -> httpx.Response:
        if response.status_code != status:
            raise Refused(response.status_code, response.text)
        return response


def _parse(buffer: str) -> tuple[list[Event], str]:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, of lines that end with LF."""
    *blocks, rest = buffer.split("\n\n")
    events = []
    for block in blocks:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
        if fields:
            data = fields.get("data")
            events.append(Event(fields.get("event", "message"), json.loads(data) if data else None, fields.get("id")))
    return events, rest
