"""Real servers of the city."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.serve import BffServer, serve

APP = "tests.security.served_city:app"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BffServer]:
    """``bff serve`` as it comes. Whatever was sent to it, it has logged no error, and ends as it is asked to."""
    with serve(f"sqlite:///{tmp_path_factory.mktemp('city') / 'bff.db'}", APP) as running:
        yield running
        _check(running)


@pytest.fixture(scope="module")
def deflating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BffServer]:
    """One that compresses WebSocket messages."""
    url = f"sqlite:///{tmp_path_factory.mktemp('city') / 'bff.db'}"
    with serve(url, APP, {"BFF_WEBSOCKET_COMPRESSION": "true"}) as running:
        yield running
        _check(running)


def _check(running: BffServer) -> None:
    said = running.output()
    assert "Traceback" not in said, said
    assert "ERROR" not in said, said
    assert running.stop() in (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent
