"""`subscribers.c` in Python, where there is no C compiler: the same arguments, commands, checks and answers.

It takes some 15 µs a message: what it measures is itself where a server is faster than that, which ``load cpu`` near 100 tells.
"""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import sys
import time

__all__ = ["Subscribers", "main"]

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
ID = re.compile(rb'"id": ?"?(\d+)')
MARKER = re.compile(rb'"view (\d{4}) change (\d{10}) at (\d{19})"')
SETTLE_SECONDS = 60.0
START_SECONDS = 90.0
OPENING_AT_ONCE = 64


class View:
    """What is known of one view, and how many of its subscribers have the newest state."""

    __slots__ = ("have_newest", "newest", "pending", "subscribers", "tail")

    def __init__(self) -> None:
        self.newest = -1
        self.have_newest = 0
        self.subscribers = 0
        self.pending = False
        self.tail: bytes | None = None


class Subscribers:
    """All of them, in one thread."""

    def __init__(self, port: int, path: str, control_port: int, sockets: int, per_socket: int, views: int, query: str) -> None:
        self._port, self._path, self._per_socket, self._query = port, path, per_socket, query
        self._control = socket.create_connection(("127.0.0.1", control_port))
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._epoll = select.epoll()
        self._sockets: dict[int, tuple[int, socket.socket]] = {}
        self._rests: dict[int, bytes] = {}
        self._greeted: set[int] = set()
        self._changes = [-1] * (sockets * per_socket)
        self._views = [View() for _ in range(views)]
        for owner in range(sockets * per_socket):
            self._views[owner % views].subscribers += 1
        self._flooding = False
        self._noted: list[int] | None = None
        self.waiting, self.opening = sockets * per_socket, 0
        self.deliveries = self.bytes = self.asked = 0
        self.tokens: list[str] = []

    def open(self, index: int) -> None:
        opened = socket.create_connection(("127.0.0.1", self._port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.sendall(HANDSHAKE.format(path=self._path).encode())
        opened.setblocking(False)
        self._sockets[opened.fileno()] = index, opened
        self._epoll.register(opened.fileno(), select.EPOLLIN)
        self.opening += 1

    def turn(self, seconds: float) -> None:
        for fd, _ in self._epoll.poll(max(0.0, seconds)):
            index, peer = self._sockets[fd]
            received = peer.recv(1 << 20)
            if not received:
                raise ValueError("the server closed a connection")
            self._take(index, peer, self._rests.pop(fd, b"") + received)

    def flood(self, seconds: float) -> dict[str, float]:
        self._flooding = True
        for number in range(len(self._views)):
            self._ask(number)
        before, cpu, begun = (self.deliveries, self.bytes, self.asked), used_cpu(), time.monotonic()
        while time.monotonic() < begun + seconds:
            self.turn(0.01)
        self._flooding = False
        figures = self._figures(before, begun, cpu)
        counted, ended = self.deliveries, time.monotonic()
        self.settle()
        return {**figures, "settling_seconds": time.monotonic() - ended, "settling_deliveries": self.deliveries - counted}

    def paced(self, rate: float, seconds: float) -> dict[str, float]:
        noted: list[int] = []
        self._noted = noted
        before, cpu, begun = (self.deliveries, self.bytes, self.asked), used_cpu(), time.monotonic()
        for change in range(int(rate * seconds) + 1):
            while (left := begun + change / rate - time.monotonic()) > 0:
                self.turn(left)
            if change < int(rate * seconds):
                self._ask(change % len(self._views))
        self.settle()
        self._noted = None
        noted.sort()
        parts = {"p50_ms": len(noted) // 2, "p99_ms": len(noted) * 99 // 100, "max_ms": len(noted) - 1}
        return {**self._figures(before, begun, cpu), **{name: noted[place] / 1e6 for name, place in parts.items()}}

    def settle(self) -> None:
        """Until every subscription has the newest state that its view was asked to take. Raises ValueError."""
        stop = time.monotonic() + SETTLE_SECONDS
        while any(view.pending or view.have_newest < view.subscribers for view in self._views):
            if time.monotonic() > stop:
                raise ValueError(f"after {SETTLE_SECONDS:.0f} s somebody still lacks the newest state of a view")
            self.turn(0.1)

    def _figures(self, before: tuple[int, int, int], begun: float, cpu: float) -> dict[str, float]:
        deliveries, received, asked = before
        return {
            "seconds": time.monotonic() - begun,
            "cpu_seconds": used_cpu() - cpu,
            "deliveries": self.deliveries - deliveries,
            "bytes": self.bytes - received,
            "changes": self.asked - asked,
        }

    def _greeting(self, index: int) -> bytes:
        if not self.tokens:
            return b'{"type":"connection_init"}'
        return json.dumps({"type": "connection_init", "payload": {"token": self.tokens[index % len(self.tokens)]}}).encode()

    def _ask(self, number: int) -> None:
        self._views[number].pending = True
        self.asked += 1
        self._control.sendall(b"%d\n" % number)

    def _take(self, index: int, peer: socket.socket, data: bytes) -> None:
        at = 0
        if index not in self._greeted:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4 or not data.startswith(b"HTTP/1.1 101"):
                raise ValueError(f"no WebSocket: {data!r:.200}")
            self._greeted.add(index)
            send(peer, self._greeting(index))
        while len(data) - at >= 2:
            head, length = 2, data[at + 1] & 127
            if length > 125:
                head = 4 if length == 126 else 10
                if len(data) - at < head:
                    break
                length = int.from_bytes(data[at + 2 : at + head], "big")
            if len(data) - at < head + length:
                break
            payload = data[at + head : at + head + length]
            if data[at] == 0x81:
                self._take_message(index, peer, payload)
            elif data[at] == 0x89:
                send(peer, payload, 0x8A)
            else:
                raise ValueError(f"a frame that begins with {data[at]:#x}: {payload!r:.200}")
            at += head + length
        if at < len(data):
            self._rests[peer.fileno()] = data[at:]

    def _take_message(self, index: int, peer: socket.socket, message: bytes) -> None:
        ends = message[:120] + message[-40:]
        if b'"next"' in ends:
            self._take_state(index, message)
        elif b'"connection_ack"' in ends:
            self.opening -= 1
            for slot in range(self._per_socket):
                number = (index * self._per_socket + slot) % len(self._views)
                payload = f'{{"query":{self._query},"variables":{{"id":"m{number:06}"}}}}'
                send(peer, f'{{"id":"{slot + 1}","type":"subscribe","payload":{payload}}}'.encode())
        elif b'"ping"' in ends:
            send(peer, b'{"type":"pong"}')
        else:
            raise ValueError(f"the server sent: {message!r:.1000}")

    def _take_state(self, index: int, message: bytes) -> None:
        id, marker = ID.search(message), MARKER.search(message)
        if id is None or marker is None:
            raise ValueError(f"a message without an id or a marker: {message!r:.400}")
        owner = index * self._per_socket + int(id[1]) - 1
        number, change = owner % len(self._views), int(marker[2])
        view = self._views[number]
        if int(marker[1]) != number or change <= self._changes[owner]:
            raise ValueError(f"view {number} after change {self._changes[owner]}: {marker[0]!r} came")
        tail = message[marker.end() :]
        view.tail = view.tail or tail
        if tail != view.tail:
            raise ValueError(f"the content is not the one of the first message: {message!r:.3000}")
        self.waiting -= self._changes[owner] < 0
        self._changes[owner] = change
        self.deliveries += 1
        self.bytes += len(message)
        if self._noted is not None:
            self._noted.append(time.monotonic_ns() - int(marker[3]))
        if change > view.newest:
            view.newest, view.have_newest, view.pending = change, 0, False
        view.have_newest += change == view.newest
        if self._flooding and not view.pending and view.have_newest >= (view.subscribers + 1) // 2:
            self._ask(number)


def send(peer: socket.socket, payload: bytes, first: int = 0x81) -> None:
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    peer.sendall(bytes([first]) + length + bytes(4) + payload)  # masked with zeros


def used_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(
    port: str,
    path: str,
    control_port: str,
    sockets: str,
    per_socket: str,
    views: str,
    subprotocol: str,
    query: str,
    tokens: str | None = None,
) -> None:
    with open(query) as file:
        text = file.read().strip()
    looking = Subscribers(int(port), path, int(control_port), int(sockets), int(per_socket), int(views), text)
    if tokens is not None:
        with open(tokens) as file:
            looking.tokens = file.read().split()
    begun, opened = time.monotonic(), 0
    while looking.waiting:
        while opened < int(sockets) and looking.opening < OPENING_AT_ONCE:
            looking.open(opened)
            opened += 1
        looking.turn(0.1)
        if time.monotonic() > begun + START_SECONDS:
            raise ValueError(f"{looking.waiting} subscriptions have no state after {START_SECONDS:.0f} s")
    say("ready " + json.dumps({"seconds": time.monotonic() - begun}))
    looking.settle()
    while True:
        while not select.select([sys.stdin], [], [], 0)[0]:
            looking.turn(0.02)
        match sys.stdin.readline().split():
            case ["flood", seconds]:
                say(json.dumps(looking.flood(float(seconds))))
            case ["paced", rate, seconds]:
                say(json.dumps(looking.paced(float(rate), float(seconds))))
            case _:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
