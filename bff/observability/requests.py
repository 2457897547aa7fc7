"""In front of an application: gives each request its id."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from bff.observability.request_id import HEADER, current_request_id, request_id_of
from bff.observability.tracing import NO_TRACING, Tracing

__all__ = ["with_request_ids"]

_ANSWERS = frozenset({"http.response.start", "websocket.accept"})


def with_request_ids(app: ASGIApp, tracing: Tracing = NO_TRACING) -> ASGIApp:
    """Serve ``app`` such that each request has an id: in its log records (``RequestIdFilter``), and in ``X-Request-Id`` of what
    answers it. What it makes ``tracing`` record belongs to the trace that it comes with."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        id = request_id_of(scope["headers"])
        line = (HEADER, id.encode())

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] in _ANSWERS:
                message["headers"] = [*message.get("headers", ()), line]
            await send(message)

        token = current_request_id.set(id)
        try:
            with tracing.incoming(scope["headers"]):
                await app(scope, receive, answer)
        finally:
            current_request_id.reset(token)

    return serve
