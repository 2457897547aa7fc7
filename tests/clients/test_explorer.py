"""The explorer in a real Chromium, which can reach the server and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.npm import install, need_node, run_tests
from tests.conftest import need
from tests.serve import BffServer

PROJECT = Path(__file__).parent / "browser"


# The first run installs packages.
@pytest.mark.timeout(500)
def test_the_explorer_works_offline(tmp_path: Path) -> None:
    need_node()
    if "BFF_TEST_CHROMIUM" not in os.environ:
        need("chromium", "the explorer is tested in it; BFF_TEST_CHROMIUM names another one")
    install(PROJECT)
    server = BffServer("tests.clients.explorer_app:app", f"sqlite:///{tmp_path / 'counters.db'}")
    run_tests(PROJECT / "explorer.mjs", {"BFF_TEST_SERVER": server.described()})
