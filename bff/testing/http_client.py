"""What the clients of streams over HTTP have in common: where they connect to."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx
from starlette.types import ASGIApp

from bff.testing.asgi_streams import StreamingASGITransport

__all__ = ["StreamClient"]


class StreamClient:
    """``timeout`` seconds is the deadline of every wait."""

    def __init__(self, http: httpx.AsyncClient, url: str, *, timeout: float = 10.0) -> None:
        self.http = http
        self.url = url
        self.timeout = timeout

    @classmethod
    def to_url(cls, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> Self:
        """A client of a server that listens: ``http://host:port/path``."""
        limits = httpx.Limits(max_connections=None)
        return cls(httpx.AsyncClient(headers=headers, timeout=timeout, limits=limits, trust_env=False), url, timeout=timeout)

    @classmethod
    def to_app(
        cls, app: ASGIApp, path: str = "/graphql", *, headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> Self:
        """A client of an ASGI application in this event loop. The application's lifespan is the caller's."""
        http = httpx.AsyncClient(transport=StreamingASGITransport(app), headers=headers, base_url="http://app.test")
        return cls(http, path, timeout=timeout)

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, traceback)
