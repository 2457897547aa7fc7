"""``multipart/mixed; subscriptionSpec="1.0"``: the multipart subscriptions of Apollo's clients and router.

https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from bff.serving.http_stream import Form

__all__ = ["END", "FORM", "MULTIPART", "VERSION", "failed", "next_result"]

MULTIPART: Final = "multipart/mixed"
VERSION: Final = "1.0"

_BOUNDARY: Final = b"\r\n--graphql"

END: Final = b"--\r\n"


def next_result(payload: bytes, version: str | None = None) -> bytes:
    """A part with a result: its JSON. There is no place for its version but in it."""
    return _part(b'{"payload":%b}' % payload)


def failed(errors: list[dict[str, Any]]) -> bytes:
    """The end of a subscription that has no results, or no more of them. Raises TypeError for what JSON cannot hold."""
    return _part(orjson.dumps({"payload": {"data": None, "errors": errors}})) + END


def _part(content: bytes) -> bytes:
    # Clients take a part when they see the boundary behind it: it is sent with the part, not with the next one.
    return b"\r\nContent-Type: application/json\r\n\r\n%b%b" % (content, _BOUNDARY)


_RESTARTING: Final = {"message": "The service restarts.", "extensions": {"code": "SERVICE_RESTART"}}

FORM: Final = Form(
    f'{MULTIPART};boundary="graphql";subscriptionSpec="{VERSION}"',
    opening=_BOUNDARY,
    heartbeat=_part(b"{}"),
    # Errors beside the payload are of the connection, not of GraphQL: on those, Apollo's RetryLink subscribes again.
    restarting=_part(orjson.dumps({"payload": None, "errors": [_RESTARTING]})) + END,
)
