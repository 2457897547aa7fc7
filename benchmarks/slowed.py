"""The benchmark's app with a fault planted, which bench-smoke must see: a request costs ``BENCH_SLOWER`` µs of CPU time more."""

from __future__ import annotations

import os
import time

from starlette.types import Receive, Scope, Send

import bff
from benchmarks.domain import Door, MeetingSession, PersonAgenda

__all__ = ["SlowedApp", "app"]


class SlowedApp(bff.App):
    """It works for nothing before it answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        until = time.thread_time() + float(os.environ["BENCH_SLOWER"]) / 1e6
        while time.thread_time() < until:
            pass
        await super().__call__(scope, receive, send)


app = SlowedApp(views=[MeetingSession, PersonAgenda], mediators=[Door])
