"""A GraphQL-over-HTTP client for tests, straight into an ASGI application."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from starlette.types import ASGIApp

__all__ = ["GraphQLHTTPClient"]


class GraphQLHTTPClient:
    """``execute`` for results, ``http`` (an httpx.AsyncClient) for everything else. The application's lifespan is the caller's.

    ::

        async with GraphQLHTTPClient(app) as client:
            result = await client.execute('mutation { meetingClose(id: "m1") { inSession } }')
    """

    def __init__(self, app: ASGIApp, path: str = "/graphql", *, headers: Mapping[str, str] | None = None) -> None:
        self.path = path
        transport = httpx.ASGITransport(app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=dict(headers or {}))

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, traceback)

    async def execute(
        self, query: str, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> dict[str, Any]:
        """POST a query or a mutation; the whole response, errors included."""
        parameters = {"query": query, "variables": variables, "operationName": operation_name}
        response = await self.http.post(self.path, json={name: value for name, value in parameters.items() if value is not None})
        result: dict[str, Any] = response.json()
        return result
