"""How long a principal holds: by a clock that may be set while timers run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.auth import standing
from bff.auth.standing import Standing
from bff.principal import Principal

pytestmark = pytest.mark.anyio


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


async def test_a_clock_that_is_set_is_noticed(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_LOOK_SECONDS", 0.005)
    warned, over = asyncio.Event(), asyncio.Event()
    told: list[float] = []

    def warn(expires_at: float) -> None:
        told.append(expires_at)
        warned.set()

    principal = Principal(id="ada", expires_at=clock.now + 3600)
    held = Standing(principal, None, over.set, warn, warn_seconds=60, clock=clock)
    assert not held.expired
    clock.now += 3550
    await soon(warned)
    assert told == [principal.expires_at]
    assert not over.is_set()
    clock.now += 50
    assert held.expired
    await soon(over)
    assert len(told) == 1
    held.close()


async def test_one_that_is_closed_calls_nobody(clock: Any) -> None:
    called: list[str] = []
    held = Standing(Principal(id="ada", expires_at=clock.now), None, lambda: called.append("over"), clock=clock)
    held.close()
    turned = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, turned.set)
    await soon(turned)
    assert called == []


async def test_one_that_does_not_expire_has_no_timer(clock: Any) -> None:
    held = Standing(Principal(id="ada"), None, lambda: None, clock=clock)
    assert not held.expired
    assert held._timer is None
    held.close()
