"""Datastore → projector → relay → broadcast → hub, all of it, while everything that may happen does.

What is checked, see ``World``: every stored view is a build of the documents of one timepoint; versions only rise; whoever looks
on sees nothing that was not so; when writes stop, everything stored and everything seen is what the documents make of it.

A long run: ``BFF_STATEFUL_EXAMPLES=2000 BFF_STATEFUL_STEPS=60 pytest tests/stateful --timeout=0``, with ``-k`` for one of them.
A failing example is printed as it was found, with the blob that repeats it; ``BFF_STATEFUL_SHRINK=1`` has it made smaller first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.machine import Machine, profile


def run(datastore_url: Callable[[], str], broadcast_url: str, *, examples: int, steps: int) -> None:
    class Example(Machine):
        def __init__(self) -> None:
            super().__init__(datastore_url(), broadcast_url)

    run_state_machine_as_test(Example, settings=profile(examples, steps))


def files_in(directory: Path) -> Callable[[], str]:
    return lambda: f"sqlite:///{directory / uuid.uuid4().hex}.db"


def projects_on(emulator: str) -> Callable[[], str]:
    return lambda: f"firestore://test-{uuid.uuid4().hex[:16]}?emulator={emulator}"


def test_sqlite_and_memory(tmp_path: Path) -> None:
    run(files_in(tmp_path), "memory://", examples=30, steps=25)


def test_sqlite_and_redis(tmp_path: Path, redis_url: str) -> None:
    run(files_in(tmp_path), redis_url, examples=12, steps=25)


def test_firestore_and_memory(firestore_emulator: str) -> None:
    run(projects_on(firestore_emulator), "memory://", examples=10, steps=15)


def test_firestore_and_redis(firestore_emulator: str, redis_url: str) -> None:
    run(projects_on(firestore_emulator), redis_url, examples=5, steps=15)
