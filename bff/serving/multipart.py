"""``multipart/mixed; subscriptionSpec="1.0"``: the multipart subscriptions of Apollo's clients and router.

https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from bff.serving.http_stream import Form
from bff.serving.results import Result

__all__ = ["END", "FORM", "MULTIPART", "VERSION", "failed", "next_result"]

MULTIPART: Final = "multipart/mixed"
VERSION: Final = "1.0"

_BOUNDARY: Final = "\r\n--graphql"

END: Final = "--\r\n"


def next_result(result: Result) -> str:
    """A part. Raises TypeError where it cannot be written as JSON."""
    return _part({"payload": result.payload})


def failed(errors: list[dict[str, Any]]) -> str:
    """The end of a subscription that has no results, or no more of them."""
    return _part({"payload": {"data": None, "errors": errors}}) + END


def _part(content: Mapping[str, Any]) -> str:
    # Clients take a part when they see the boundary behind it: it is sent with the part, not with the next one.
    return f"\r\nContent-Type: application/json\r\n\r\n{orjson.dumps(content).decode()}{_BOUNDARY}"


_RESTARTING: Final = {"message": "The service restarts.", "extensions": {"code": "SERVICE_RESTART"}}

FORM: Final = Form(
    f'{MULTIPART};boundary="graphql";subscriptionSpec="{VERSION}"',
    opening=_BOUNDARY,
    heartbeat=_part({}),
    # Errors beside the payload are of the connection, not of GraphQL: on those, Apollo's RetryLink subscribes again.
    restarting=_part({"payload": None, "errors": [_RESTARTING]}) + END,
)
