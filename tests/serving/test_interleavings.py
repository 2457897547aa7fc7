"""Subscriptions, changes, and a peer that reads or does not, in any order: the newest state arrives, and never an older one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from bff.serving.documents import Documents
from bff.serving.limits import Limits
from bff.serving.operations import Operations
from bff.serving.pump import Pump
from bff.serving.session import Session
from bff.serving.wire import Disconnected
from tests.serving.board import STATE, Board

KEYS = ["a", "b"]
NAMES = ["one", "zwölf"]


class Peer:
    """A Socket, and its Frames where ``pumped``, that reads when it is told to: everything, or no more than a buffer holds."""

    def __init__(self, *, pumped: bool) -> None:
        self.frames = self if pumped else None
        self.address = None
        self.incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.can_write = True
        self._reads = asyncio.Event()
        self._reads.set()
        self._call: Callable[[], None] | None = None

    def connection(self) -> HTTPConnection:
        return HTTPConnection({"type": "websocket", "headers": []})

    async def receive(self) -> str:
        frame = await self.incoming.get()
        if frame is None:
            raise Disconnected
        return frame

    async def send(self, text: bytes) -> None:
        await self._reads.wait()
        self.sent.append(json.loads(text))

    def write_messages(self, messages: Sequence[bytes]) -> int:
        assert self.can_write, "written to a peer that does not read"
        self.sent += [json.loads(message) for message in messages]
        return sum(map(len, messages))

    @property
    def direct(self) -> bool:
        return self.can_write

    def write(self, frame: bytes) -> int:
        """What the pump writes past the queue: frames of up to 64 KiB."""
        start = 2 if frame[1] < 126 else 4
        return self.write_messages([frame[start:]])

    def on_writable(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def stall(self) -> None:
        self.can_write = False
        self._reads.clear()

    def drain(self) -> None:
        self._reads.set()
        if not self.can_write:
            self.can_write = True
            if self._call is not None:
                self._call()

    async def close(self, code: int, reason: str) -> None:
        pass

    def abort(self) -> None:
        raise AssertionError("nobody is to be given up here")

    def say(self, type: str, **message: Any) -> None:
        self.incoming.put_nowait(json.dumps({"type": type, **message}))


class Client:
    """A client of the session, and what it expects of each of its subscriptions. No id is used twice."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.ids: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.newest: dict[str, int] = {}
        self.completed: set[str] = set()
        self.looked_at = 0

    def subscribe(self, name: str, key: str) -> None:
        if name not in self.ids:
            id = self.ids[name] = f"{name}{len(self.keys)}"
            self.keys[id] = key
            self.newest[id] = -1
            self.peer.say("subscribe", id=id, payload={"query": STATE, "variables": {"key": key}})

    async def complete(self, name: str) -> None:
        id = self.ids.pop(name, None)
        if id is not None:
            self.peer.say("complete", id=id)
            await turns()
            self.look()
            # Of a message that has been given to the server, nobody can say any more that it is not to be sent.
            if self.peer.frames is not None or self.peer.can_write:
                self.completed.add(id)

    def look(self) -> None:
        """Whatever has arrived is of a subscription of ours, shows its state, and is newer than what it has shown before."""
        for message in self.peer.sent[self.looked_at :]:
            if message["type"] == "connection_ack":
                continue
            assert message["type"] == "next", message
            id, state = message["id"], message["payload"]["data"]["state"]
            assert id not in self.completed
            assert state["key"] == self.keys[id]
            assert state["number"] > self.newest[id]
            self.newest[id] = state["number"]
        self.looked_at = len(self.peer.sent)


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


Step = tuple[str, str, str, int]
"""What happens, to which subscription, or to which state; and how many turns of the loop go by before the next."""

KINDS = ["subscribe", "complete", "change", "change", "unsayable", "stall", "drain", "open slowly", "open"]
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(NAMES), st.sampled_from(KEYS), st.sampled_from([0, 1, 30])),
    min_size=4,
    max_size=30,
)


async def play(steps: list[Step], *, pumped: bool) -> None:
    board, peer = Board(), Peer(pumped=pumped)
    limits = Limits()
    operations = Operations(board.schema, board.context, Documents(board.schema, limits, plans=board))
    tasks = asyncio.all_tasks()
    session = asyncio.create_task(Session(peer, operations, limits, pump=Pump()).run())
    client = Client(peer)
    peer.say("connection_init")
    await turns()
    at_once: dict[str, Callable[[], Any]] = {
        "stall": peer.stall,
        "drain": peer.drain,
        "open slowly": board.opening.clear,
        "open": board.opening.set,
    }
    for kind, name, key, passing in [("subscribe", "one", "a", 0), *steps]:
        if kind == "subscribe":
            client.subscribe(name, key)
        elif kind == "complete":
            await client.complete(name)
        elif kind in at_once:
            at_once[kind]()
        else:
            if kind == "unsayable":
                board.unsayable.add(board.numbers[key] + 1)
            board.change(key)
        await turns(passing)
        client.look()
    board.opening.set()
    peer.drain()
    await turns(200)
    client.look()
    for id in client.ids.values():
        assert client.newest[id] == board.numbers[client.keys[id]]
    peer.incoming.put_nowait(None)
    await session
    assert board.open == 0
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize("pumped", [True, False])
@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_the_newest_state_always_arrives_and_never_an_older_one_behind_it(pumped: bool, steps: list[Step]) -> None:
    asyncio.run(play(steps, pumped=pumped))
