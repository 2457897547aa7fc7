"""Connections that nobody uses are closed, and no others are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from bff.serving.idle_timer import IdleTimer

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


@pytest.mark.anyio
async def test_a_connection_that_nobody_uses_is_closed(listen: Any) -> None:
    async with listen(plain) as (host, server):
        server.config.timeout_keep_alive = 1
        reader, writer = await asyncio.open_connection(*host.split(":"))
        async with asyncio.timeout(10):
            for pipelined in (1, 3, 1):
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * pipelined)
                for _ in range(pipelined):
                    assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
            assert await reader.read() == b""  # it was closed, and nobody has asked for that
        assert not server.server_state.connections
        assert server.server_state.total_requests == 5
        writer.close()
