"""The published clients, as people use them, against a real server: see ``node/package.json`` for which ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.npm import install, need_node, run_tests
from tests.serve import BffServer, seed

PROJECT = Path(__file__).parent / "node"
APP = "tests.clients.counted:app"


# The first run installs packages.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", sorted(PROJECT.glob("*.test.mjs")), ids=lambda file: file.name.partition(".")[0])
def test_published_clients_query_mutate_subscribe_and_reconnect(file: Path, tmp_path: Path) -> None:
    """Query, mutation, subscription, and a server that is killed and restarted on the same SQLite file."""
    need_node()
    install(PROJECT)
    url = f"sqlite:///{tmp_path / 'meeting_room.db'}"
    seed(url)
    run_tests(file, {"BFF_TEST_SERVER": BffServer(APP, url).described()})
