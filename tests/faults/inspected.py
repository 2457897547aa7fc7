"""What a server under test says of itself and has done to it, by signals: there is no other way into its process.

SIGUSR1: it writes down its tasks, async generators, calls of the datastore and blocks of memory. SIGUSR2: its event loop is
blocked for FAULTS_BLOCK seconds. SIGHUP: its clock is moved by as many seconds as are in the file FAULTS_CLOCK.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import AsyncGeneratorType

from tests.faults.killing import KillingDatastore

__all__ = ["BLOCK", "CLOCK", "REPORT", "inspect_on_signals"]

REPORT = "FAULTS_REPORT"
"""Names the environment variable of the file that is written; without it, signals do what they always do."""

BLOCK = "FAULTS_BLOCK"
CLOCK = "FAULTS_CLOCK"

_time, _time_ns = time.time, time.time_ns


def inspect_on_signals(datastore: KillingDatastore) -> None:
    """Answer signals from now on, where FAULTS_REPORT says where to."""
    place = os.environ.get(REPORT)
    if place is None:
        return
    report = Path(place)

    def write_down(number: int, frame: object) -> None:
        gc.collect()
        generators = Counter(
            one.__qualname__ for one in gc.get_objects() if isinstance(one, AsyncGeneratorType) and one.ag_frame is not None
        )
        tasks = Counter(_named(task) for task in asyncio.all_tasks())
        told = {"tasks": tasks, "generators": generators, "calls": datastore.calls, "blocks": sys.getallocatedblocks()}
        unfinished = report.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(told))
        unfinished.rename(report)

    def block(number: int, frame: object) -> None:
        time.sleep(float(os.environ[BLOCK]))

    def move_clock(number: int, frame: object) -> None:
        offset = int(Path(os.environ[CLOCK]).read_text())
        # The datastore of one file, the sweep, tokens: all take it from here. Deadlines are measured by the monotonic clock.
        time.time = lambda: _time() + offset
        time.time_ns = lambda: _time_ns() + offset * 1_000_000_000

    signal.signal(signal.SIGUSR1, write_down)
    signal.signal(signal.SIGUSR2, block)
    signal.signal(signal.SIGHUP, move_clock)


def _named(task: asyncio.Task[object]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_coro()))
