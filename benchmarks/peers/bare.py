"""The limit: an ASGI app that sends constant bytes, the right answer to the first request of ``BENCH_OPERATION``.

It reads nothing of the request, parses nothing and writes nothing as JSON.
"""

from __future__ import annotations

import json
import os
from typing import Any

from benchmarks.operations import OPERATIONS

__all__ = ["app"]

OPERATION = OPERATIONS[os.environ["BENCH_OPERATION"]]
BODY = json.dumps({"data": OPERATION.answer(OPERATION.variables[0])}, separators=(",", ":"), ensure_ascii=False).encode()
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
END = {"type": "http.response.body", "body": BODY}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send(START)
        await send(END)
