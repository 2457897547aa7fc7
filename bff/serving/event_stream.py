"""``text/event-stream``: the messages of graphql-sse.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, on https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from bff.serving.http_stream import Form
from bff.serving.multiplex import Wording
from bff.serving.results import Result

__all__ = ["COMPLETE", "EVENT_STREAM", "FORM", "OF_MANY", "failed", "next_result"]

EVENT_STREAM: Final = "text/event-stream"

# A comment, so that proxies and clients see the response begin. Where the server restarts the stream ends without ``complete``:
# clients connect again.
FORM: Final = Form(f"{EVENT_STREAM}; charset=utf-8", opening=":\n\n", heartbeat=":\n\n", restarting="")

COMPLETE: Final = "event: complete\ndata:\n\n"


def next_result(result: Result) -> str:
    """A result of the only operation of its stream. Raises TypeError where it cannot be written as JSON."""
    text = f"event: next\ndata: {orjson.dumps(result.payload).decode()}\n\n"
    # The specification ignores an id with a NUL, and a line break would end it.
    if result.version is None or not result.version.isprintable():
        return text
    return f"id: {result.version}\n{text}"


def failed(errors: list[dict[str, Any]]) -> str:
    """The end of an operation that has no result."""
    return next_result(Result({"errors": errors})) + COMPLETE


def _next_of(id: str, payload: Mapping[str, Any]) -> str:
    return f"event: next\ndata: {orjson.dumps({'id': id, 'payload': payload}).decode()}\n\n"


def _failed_of(id: str, errors: list[dict[str, Any]]) -> str:
    return _next_of(id, {"errors": errors}) + _complete_of(id)


def _complete_of(id: str) -> str:
    return f"event: complete\ndata: {orjson.dumps({'id': id}).decode()}\n\n"


OF_MANY: Final = Wording(_next_of, _failed_of, _complete_of)
"""How it is said which of the operations of a stream a message is of."""
