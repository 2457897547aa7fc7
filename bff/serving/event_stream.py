"""``text/event-stream``: the messages of graphql-sse.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, on https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from bff.serving.active import Wording
from bff.serving.http_stream import Form

__all__ = ["COMPLETE", "EVENT_STREAM", "FORM", "OF_MANY", "failed", "next_result"]

EVENT_STREAM: Final = "text/event-stream"

# A comment, so that proxies and clients see the response begin. Where the server restarts the stream ends without ``complete``:
# clients connect again.
FORM: Final = Form(f"{EVENT_STREAM}; charset=utf-8", opening=b":\n\n", heartbeat=b":\n\n", restarting=b"")

COMPLETE: Final = b"event: complete\ndata:\n\n"


def next_result(payload: bytes, version: str | None = None) -> bytes:
    """A result of the only operation of its stream: its JSON, and its version."""
    text = b"event: next\ndata: %b\n\n" % payload
    # The specification ignores an id with a NUL, and a line break would end it.
    if version is None or not version.isprintable():
        return text
    return b"id: %b\n%b" % (version.encode(), text)


def failed(errors: list[dict[str, Any]]) -> bytes:
    """The end of an operation that has no result. Raises TypeError where the errors cannot be written as JSON."""
    return next_result(orjson.dumps({"errors": errors})) + COMPLETE


def _before_result_of(id: str) -> bytes:
    return b'event: next\ndata: {"id":%b,"payload":' % orjson.dumps(id)


_AFTER_RESULT: Final = b"}\n\n"


def _failed_of(id: str, errors: list[dict[str, Any]]) -> bytes:
    return b"".join((_before_result_of(id), orjson.dumps({"errors": errors}), _AFTER_RESULT, _complete_of(id)))


def _complete_of(id: str) -> bytes:
    return b"event: complete\ndata: %b\n\n" % orjson.dumps({"id": id})


OF_MANY: Final = Wording(_before_result_of, _AFTER_RESULT, _failed_of, _complete_of)
"""How it is said which of the operations of a stream a message is of."""
