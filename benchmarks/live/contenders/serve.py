"""Serve a Python contender as fast as uvicorn can: ``python -m benchmarks.live.contenders.serve MODULE PORT``.

uvloop, httptools, the fastest WebSocket protocol it has, no compression of messages, no access log.
"""

from __future__ import annotations

import sys

import uvicorn

__all__ = ["main"]


def main(module: str, port: str) -> None:
    uvicorn.run(
        f"{module}:app",
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
