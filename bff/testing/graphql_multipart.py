"""A client of multipart subscriptions, Apollo's protocol, for tests.

::

    async with GraphQLMultipartClient.to_app(app) as client:
        async with client.stream('subscription { results(id: "p1") { total } }') as stream:
            assert await stream.next() == {"data": {"results": {"total": 1}}}
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bff.testing.http_client import StreamClient
from bff.testing.http_inbox import Ended, Inbox, Refused

__all__ = ["Ended", "GraphQLMultipartClient", "MultipartStream", "Refused"]

ACCEPT = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/graphql-response+json,application/json'
_BOUNDARY = "\r\n--graphql"
_END: dict[str, Any] = {"end": True}


class MultipartStream:
    """One subscription. Heartbeats are left out."""

    def __init__(self, inbox: Inbox[dict[str, Any]]) -> None:
        self.inbox = inbox

    async def next(self) -> dict[str, Any]:
        """The next result, as GraphQL has it. Raises Ended where there is none any more, and TimeoutError."""
        part = await self.part()
        if part.get("payload") is None:
            raise Ended(f"a result did not come: {part}")
        result: dict[str, Any] = part["payload"]
        return result

    async def part(self) -> dict[str, Any]:
        """The next part that is not a heartbeat; ``{"end": True}`` for the final boundary. Raises Ended, TimeoutError."""
        return await self.inbox.next(bool, "a part")

    async def heartbeat(self) -> None:
        """Wait for a heartbeat. Raises Ended, TimeoutError."""
        await self.inbox.next(lambda each: each == {}, "a heartbeat")

    async def expect_complete(self) -> None:
        """What comes next is the final boundary. Raises Ended, TimeoutError."""
        part = await self.part()
        if part != _END:
            raise Ended(f"the final boundary did not come: {part}")


class GraphQLMultipartClient(StreamClient):
    """``timeout`` seconds is the deadline of every wait."""

    @asynccontextmanager
    async def stream(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        extensions: Mapping[str, Any] | None = None,
        accept: str = ACCEPT,
    ) -> AsyncIterator[MultipartStream]:
        """Subscribe. Raises Refused where the answer is not a multipart response."""
        body = {"query": query, "variables": dict(variables or {}), "extensions": dict(extensions or {})}
        request = self.http.build_request("POST", self.url, json=body, headers={"Accept": accept}, timeout=None)
        response = await self.http.send(request, stream=True)
        if not response.headers.get("content-type", "").startswith("multipart/mixed"):
            await response.aread()
            raise Refused(response.status_code, response.text)
        inbox = Inbox(response, _parse, timeout=self.timeout)
        try:
            yield MultipartStream(inbox)
        finally:
            await inbox.close()


def _parse(buffer: str) -> tuple[list[dict[str, Any]], str]:
    *parts, rest = buffer.split(_BOUNDARY)
    read = [json.loads(part.partition("\r\n\r\n")[2]) for part in parts if part]
    if rest == "--\r\n":
        return [*read, _END], ""
    # What is left begins behind a boundary, which is not repeated: an empty part stands for it.
    return read, rest
