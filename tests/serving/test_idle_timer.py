"""Connections that nobody uses are closed, and no others are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from bff.serving.idle_timer import IdleTimer
from bff.serving.uvicorn_protocol import HTTPProtocol

SECONDS = 5.0


class Clock:
    """The part of an event loop that is its clock, turned by hand."""

    def __init__(self) -> None:
        self._now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self, self._now + delay, call))
        return self.timers[-1]

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def turn(self, seconds: float) -> None:
        until = self._now + seconds
        while due := [timer for timer in self.timers if timer.at <= until]:
            self.timers.remove(due[0])
            self._now = due[0].at
            due[0].call()
        self._now = until


class Timer:
    def __init__(self, clock: Clock, at: float, call: Callable[[], None]) -> None:
        self._clock = clock
        self.at = at
        self.call = call

    def cancel(self) -> None:
        self._clock.timers.remove(self)


class Idle:
    """A timer, its clock, and when it has expired."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.expired: list[float] = []
        loop = cast(asyncio.AbstractEventLoop, self.clock)
        self.timer = IdleTimer(loop, SECONDS, lambda: self.expired.append(self.clock.time()))


@pytest.fixture
def one() -> Idle:
    return Idle()


def test_it_expires_once_when_a_pause_has_been_so_long(one: Idle) -> None:
    one.timer.idle()
    one.clock.turn(SECONDS - 0.1)
    assert not one.expired
    one.clock.turn(1000)
    assert one.expired == [100 + SECONDS]
    assert not one.clock.timers


def test_only_the_last_pause_counts_and_one_timer_is_enough_for_all(one: Idle) -> None:
    for _ in range(50):
        one.timer.idle()
        one.clock.turn(0.7)
        one.timer.busy()
        one.clock.turn(0.1)
        assert len(one.clock.timers) <= 1
    one.timer.idle()
    begun = one.clock.time()
    one.clock.turn(1000)
    assert one.expired == [pytest.approx(begun + SECONDS)]


def test_whatever_is_under_way_may_take_as_long_as_it_does(one: Idle) -> None:
    one.timer.idle()
    one.clock.turn(1)
    one.timer.busy()
    one.clock.turn(1000)
    assert not one.expired
    assert not one.clock.timers
    one.timer.idle()
    one.clock.turn(1000)
    assert one.expired == [100 + 1001 + SECONDS]


def test_nothing_expires_when_it_is_closed(one: Idle) -> None:
    one.timer.close()
    one.timer.idle()
    one.timer.close()
    assert not one.clock.timers
    one.clock.turn(1000)
    assert not one.expired


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Wire(asyncio.Transport):
    """Notes what a protocol does to its connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 6)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connection:
    """One of uvicorn's, whose time is turned by hand: what is overridden of its protocol is what it calls."""

    def __init__(self) -> None:
        self.clock, self.wire = Clock(), Wire()
        config = uvicorn.Config(plain, lifespan="off", log_config=None, timeout_keep_alive=int(SECONDS))
        self.protocol = HTTPProtocol(config, ServerState(), {}, _loop=cast(asyncio.AbstractEventLoop, self.clock))
        self.protocol.connection_made(self.wire)

    async def answered(self, request: bytes) -> None:
        self.protocol.data_received(request)
        await asyncio.gather(*self.protocol.tasks)


@pytest.mark.anyio
async def test_a_request_that_begins_in_time_is_answered_however_long_it_takes() -> None:
    connection = Connection()
    clock, wire = connection.clock, connection.wire
    await connection.answered(GET)
    clock.turn(SECONDS - 0.1)
    connection.protocol.data_received(GET[:20])
    clock.turn(1000)
    assert not wire.closed
    await connection.answered(GET[20:])
    assert wire.written.count(b"HTTP/1.1 200") == 2
    clock.turn(SECONDS - 0.1)
    assert not wire.closed
    clock.turn(0.2)
    assert wire.closed


@pytest.mark.anyio
async def test_a_connection_that_is_lost_leaves_no_timer() -> None:
    for error in (None, ConnectionResetError()):
        connection = Connection()
        await connection.answered(GET)
        assert connection.clock.timers
        connection.protocol.connection_lost(error)
        assert not connection.clock.timers


@pytest.mark.anyio
async def test_a_connection_that_nobody_uses_is_closed(listen: Any) -> None:
    async with listen(plain) as (host, server):
        server.config.timeout_keep_alive = 1
        reader, writer = await asyncio.open_connection(*host.split(":"))
        async with asyncio.timeout(10):
            writer.write(GET * 3)
            for _ in range(3):
                assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
            assert await reader.read() == b""  # it was closed, and nobody has asked for that
        assert server.server_state.total_requests == 3
        writer.close()
        await writer.wait_closed()
