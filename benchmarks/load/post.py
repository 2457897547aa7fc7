"""What stands in for wrk where it is not installed: sockets on epoll, one request at a time on each.

``python post.py PORT PATH BODIES SECONDS CONNECTIONS [TOKENS]``. It can be slower than what it measures: compare by the server's
CPU time.
"""

from __future__ import annotations

import json
import select
import socket
import statistics
import sys
import time
from pathlib import Path

__all__ = ["Connection", "main"]


class Connection:
    """One request after the other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._missing = 0
        self._head = b""

    def ask(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def take(self) -> tuple[int, bool | None]:
        """How many bytes came, and whether a whole answer is there and is 200; None while it is not whole."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise SystemExit("the server closed a connection")
        if self._missing:
            self._missing -= len(data)
            return len(data), True if self._missing == 0 else None
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return len(data), None
        head = self._head[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            raise SystemExit("an answer without content-length")
        length = int(head[at + 15 :].split(b"\r", 1)[0])
        self._missing = length - (len(self._head) - end - 4)
        ok = self._head.startswith(b"HTTP/1.1 200")
        self._head = b""
        return len(data), (ok if self._missing == 0 else (None if ok else False))


def main(port: int, path: str, bodies: Path, seconds: float, count: int, tokens: Path | None = None) -> dict[str, float]:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\naccept: application/json\r\n"
    shown = [""] if tokens is None else [f"authorization: Bearer {token}\r\n" for token in tokens.read_text().split()]
    requests = [
        f"{head}{shown[number % len(shown)]}content-length: {len(body)}\r\n\r\n".encode() + body
        for number, body in enumerate(bodies.read_bytes().splitlines())
        if body
    ]
    connections = {connection.socket.fileno(): connection for connection in (Connection(port) for _ in range(count))}
    poll = select.epoll()
    turn = size = done = errors = 0
    for number, connection in connections.items():
        poll.register(number, select.EPOLLIN)
        connection.ask(requests[turn % len(requests)])
        turn += 1
    latencies: list[float] = []
    started = now = time.perf_counter()
    while now - started < seconds:
        for number, _ in poll.poll(1.0):
            connection = connections[number]
            taken, whole = connection.take()
            size += taken
            if whole is not None:
                now = time.perf_counter()
                done += 1
                errors += not whole
                latencies.append(now - connection.began)
                connection.ask(requests[turn % len(requests)])
                turn += 1
        now = time.perf_counter()
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
    return {
        "requests": done,
        "seconds": now - started,
        "bytes": size,
        "errors": errors,
        "p50_ms": cuts[49] * 1e3,
        "p99_ms": cuts[98] * 1e3,
    }


if __name__ == "__main__":
    _, port, path, bodies, seconds, count, *tokens = sys.argv
    shown = Path(tokens[0]) if tokens else None
    sys.stdout.write(json.dumps(main(int(port), path, Path(bodies), float(seconds), int(count), shown)) + "\n")
