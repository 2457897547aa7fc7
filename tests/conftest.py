"""What every test shares: the event loop, and the real servers that the ports are tested against."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bff.testing.emulators import firestore_emulator as run_firestore_emulator
from bff.testing.emulators import redis_server as run_redis_server

REQUIRE_ALL = os.environ.get("BFF_TEST_REQUIRE_ALL") == "1"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def one_event_loop(anyio_backend: str) -> AsyncIterator[None]:
    """All tests of a session share an event loop: anyio keeps it as long as a fixture is on it.

    gRPC completes calls that were cancelled a moment later, on whatever loop runs by then: where theirs is closed, another test
    fails with "Event loop is closed".
    """
    yield  # noqa: PT022 - what yields stays on the loop until the session ends


@pytest.fixture(autouse=True)
async def no_mark_of_a_cancellation(one_event_loop: None) -> AsyncIterator[None]:
    """All tests share a task, too: one that leaves it marked as being cancelled is found here, and not by another test."""
    yield
    task = asyncio.current_task()
    assert task is not None
    marks = task.cancelling()
    while task.cancelling():
        task.uncancel()
    assert not marks, "the task of the tests still counts as being cancelled"


def need(program: str, why: str) -> None:
    """Skip the test where the program it needs is absent; under BFF_TEST_REQUIRE_ALL=1 fail instead."""
    if shutil.which(program) is not None:
        return
    message = f"{program} is not on PATH: {why}"
    if REQUIRE_ALL:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[str]:
    """``host:port`` of the official Firestore emulator: the one in FIRESTORE_EMULATOR_HOST, or one started for this session."""
    running = os.environ.get("FIRESTORE_EMULATOR_HOST")
    if running:
        yield running
        return
    need("gcloud", "the Firestore emulator is started through it")
    with run_firestore_emulator() as host:
        yield host


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a real redis-server."""
    need("redis-server", "the redis:// broadcast is tested against it")
    with run_redis_server() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "firestore"])
def datastore_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty datastore, once on each adapter."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bff.db'}"
    host = request.getfixturevalue("firestore_emulator")
    return f"firestore://test-{uuid.uuid4().hex[:16]}?emulator={host}"


@pytest.fixture(params=["memory", "redis"])
def broadcast_url(request: pytest.FixtureRequest) -> str:
    """A broadcast channel, once on each adapter."""
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))
