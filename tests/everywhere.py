"""What is answered over each transport, as one text: for tests of what must hold on all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp

from bff.testing.graphql_sse import Ended, GraphQLSSEClient, Refused
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed, Unexpected
from bff.testing.websocket_wires import Closed

__all__ = ["EVERYWHERE", "FOR_SUBSCRIPTIONS", "said"]

_ACCEPT = {
    "POST": "application/json",
    "GraphQL response": "application/graphql-response+json",
    "GET": "application/json",
    "batch": "application/json",
    "event stream": "text/event-stream",
    "event stream of a GET": "text/event-stream",
    "multipart": 'multipart/mixed;subscriptionSpec="1.0", application/json',
}
EVERYWHERE = [*_ACCEPT, "graphql-transport-ws", "single connection"]
"""A batch needs the setting ``batch_operations``."""
FOR_SUBSCRIPTIONS = ["event stream", "event stream of a GET", "multipart", "graphql-transport-ws", "single connection"]


async def said(
    transport: str,
    app: ASGIApp,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    path: str = "/graphql",
    token: str | None = None,
) -> str:
    """Everything that is sent for an operation that ends, heads and close frames included. ``token`` says who asks."""
    async with asyncio.timeout(20):
        if transport == "graphql-transport-ws":
            return await _over_websocket(app, query, variables, path, token)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if transport == "single connection":
            return await _over_single_connection(app, query, variables, path, headers)
        return await _over_http(app, transport, query, variables, path, headers)


async def _over_http(
    app: ASGIApp, transport: str, query: str, variables: Mapping[str, Any] | None, path: str, headers: dict[str, str]
) -> str:
    headers = {**headers, "Accept": _ACCEPT[transport]}
    asked: dict[str, Any] = {"query": query, "variables": dict(variables or {})}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.test", headers=headers) as client:
        if "GET" in transport:
            asked["variables"] = json.dumps(asked["variables"])
            response = await client.get(path, params=asked)
        else:
            response = await client.post(path, json=[asked] if transport == "batch" else asked)
    return f"{response.status_code} {response.headers} {response.text}"


async def _over_single_connection(
    app: ASGIApp, query: str, variables: Mapping[str, Any] | None, path: str, headers: dict[str, str]
) -> str:
    heard: list[Any] = []
    async with GraphQLSSEClient.to_app(app, path) as client:
        client.http.headers.update(headers)
        try:
            async with client.single_connection() as single:
                id = await single.subscribe(query, variables)
                while True:
                    heard.append(await single.next(id))
        except (Refused, Ended) as ended:
            heard.append(str(ended))
    return json.dumps(heard)


async def _over_websocket(app: ASGIApp, query: str, variables: Mapping[str, Any] | None, path: str, token: str | None) -> str:
    heard: list[Any] = []
    async with GraphQLWSClient.to_app(app, path, timeout=10) as client:
        try:
            await client.init(None if token is None else {"token": token})
            id = await client.subscribe(query, variables)
            while True:
                heard.append(await client.next(id))
        except OperationFailed as failed:
            heard.append(failed.errors)
        except (Closed, Unexpected) as ended:
            # The socket was closed, or the operation is complete.
            heard.append(str(ended))
    return json.dumps(heard)
