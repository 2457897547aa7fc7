"""The pump: who is written past the queue of its socket, who is not, and how much in one turn of the loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from bff.serving.documents import Documents
from bff.serving.limits import Limits
from bff.serving.messages import CloseCode
from bff.serving.operations import Operations
from bff.serving.pump import Pump
from bff.serving.session import Session
from bff.serving.wire import Disconnected
from tests.serving.board import STATE, Board

pytestmark = pytest.mark.anyio


class Texts(Board):
    """Each state has one text, as those of views have."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[tuple[str, int], bytes] = {}

    def payload(self, key: str) -> bytes:
        return self.texts.setdefault((key, self.numbers[key]), super().payload(key))


class Peer:
    """A Socket and its Frames, which notes each write."""

    def __init__(self, turn: Callable[[], int]) -> None:
        self.frames = self
        self.address = None
        self.can_write = self.direct = True
        self.broken = False
        self.writes: list[list[bytes]] = []  # what came with each write through the queue
        self.frames_written: list[bytes] = []
        self.turns: list[int] = []
        self.closed: int | None = None
        self._turn = turn
        self._call: Callable[[], None] | None = None
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()

    def connection(self) -> HTTPConnection:
        return HTTPConnection({"type": "websocket", "headers": []})

    def say(self, type: str, **message: Any) -> None:
        self._incoming.put_nowait(json.dumps({"type": type, **message}))

    def leave(self) -> None:
        self._incoming.put_nowait(None)

    async def receive(self) -> str:
        text = await self._incoming.get()
        if text is None:
            raise Disconnected
        return text

    async def send(self, text: bytes) -> None:
        raise AssertionError("it is written without being awaited")

    def write_messages(self, messages: Sequence[bytes]) -> int:
        self.writes.append([bytes(one) for one in messages])
        self.turns.append(self._turn())
        return sum(map(len, messages))

    def write(self, frame: bytes) -> int:
        if self.broken:
            raise RuntimeError("the transport is broken")
        self.frames_written.append(frame)
        self.turns.append(self._turn())
        return len(frame)

    def on_writable(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def stall(self) -> None:
        self.can_write = self.direct = False

    def drain(self) -> None:
        self.can_write = self.direct = True
        assert self._call is not None
        self._call()

    async def close(self, code: int, reason: str) -> None:
        self.closed = code

    def abort(self) -> None:
        raise AssertionError("nobody is to be given up here")


class Turns:
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.now = 0

    async def go_by(self, count: int = 30) -> None:
        for _ in range(count):
            await asyncio.sleep(0)
            self.now += 1


@asynccontextmanager
async def sockets(board: Board, count: int, ids: Sequence[str] = ("1",)) -> AsyncIterator[tuple[list[Peer], Turns]]:
    """So many sockets, each with a subscription to the same state for each of these ids, all of them told the present one."""
    limits, pump, turns = Limits(), Pump(), Turns()
    operations = Operations(board.schema, board.context, Documents(board.schema, limits, plans=board))
    peers = [Peer(lambda: turns.now) for _ in range(count)]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(turns.go_by)
        for peer in peers:
            running = asyncio.create_task(Session(peer, operations, limits, pump=pump).run())
            stack.callback(running.add_done_callback, lambda task: task.result())
            stack.callback(peer.leave)
            peer.say("connection_init")
        await turns.go_by()
        for peer in peers:
            for id in ids:
                peer.say("subscribe", id=id, payload={"query": STATE})
        await board.until_open(count * len(ids))
        await turns.go_by()
        for peer in peers:
            peer.writes.clear()
            peer.frames_written.clear()
            peer.turns.clear()
        yield peers, turns


def shown(frame: bytes) -> Any:
    return json.loads(frame[frame.index(b"{") :])


async def test_those_who_say_the_same_are_sent_one_frame() -> None:
    board = Texts()
    async with sockets(board, 50) as (peers, turns):
        board.change()
        await turns.go_by()
        [frame] = {id(frame): frame for peer in peers for frame in peer.frames_written}.values()
        assert shown(frame) == {"id": "1", "type": "next", "payload": {"data": {"state": {"key": "a", "number": 1, "text": ""}}}}
        assert all(len(peer.frames_written) == 1 and not peer.writes for peer in peers)


async def test_what_a_socket_of_several_operations_is_sent_is_one_write() -> None:
    board = Texts()
    async with sockets(board, 3, ids=["1", "2"]) as (peers, turns):
        board.change()
        await turns.go_by()
        for peer in peers:
            [messages] = peer.writes
            assert [json.loads(message)["id"] for message in messages] == ["1", "2"]
            assert not peer.frames_written
            peer.writes.clear()
            # One of them has gone: the other one is alone.
            peer.say("complete", id="1")
        await turns.go_by()
        board.change()
        await turns.go_by()
        assert [[shown(frame)["id"] for frame in peer.frames_written] for peer in peers] == [["2"]] * 3
        assert not any(peer.writes for peer in peers)


async def test_nothing_overtakes_what_waits() -> None:
    board = Texts()
    async with sockets(board, 1) as ([peer], turns):
        peer.stall()
        peer.say("ping")
        board.change()
        await turns.go_by()
        assert not peer.turns
        board.change()
        peer.drain()
        await turns.go_by()
        [messages] = peer.writes
        assert [json.loads(message)["type"] for message in messages] == ["pong", "next"]
        assert json.loads(messages[1])["payload"]["data"]["state"]["number"] == 2, "the newest, and it alone"
        assert not peer.frames_written


async def test_a_turn_of_the_loop_is_bounded_and_those_that_wait_have_half_of_it() -> None:
    board = Texts()
    async with sockets(board, 450) as (peers, turns):
        board.change()
        # Behind all those who are told of the change.
        for peer in peers[:60]:
            peer.say("ping")
        await turns.go_by()
        written = [turn for peer in peers for turn in peer.turns]
        assert len(written) == 450 + 60
        assert max(written.count(turn) for turn in set(written)) <= 160
        pongs = [peer.turns[-1] for peer in peers[:60]]
        assert max(pongs) < max(written), "a ping is answered in between"


async def test_one_that_cannot_be_written_ends_alone() -> None:
    board = Texts()
    async with sockets(board, 3) as (peers, turns):
        peers[1].broken = True
        board.change()
        await turns.go_by()
        assert [len(peer.frames_written) for peer in peers] == [1, 0, 1]
        assert [peer.closed for peer in peers] == [None, CloseCode.INTERNAL, None]
        assert board.open == 2
