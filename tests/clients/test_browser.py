"""The meeting room's page in real Chromium windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.npm import build, install, need_node, run_tests
from tests.conftest import need
from tests.serve import EXAMPLES, BffServer, seed

PROJECT = Path(__file__).parent / "browser"
APP = "tests.clients.counted:app"
PAGE = EXAMPLES / "meeting_room" / "web"


# The first run installs packages and builds the page.
@pytest.mark.timeout(700)
@pytest.mark.parametrize("file", sorted(PROJECT.glob("*.test.mjs")), ids=lambda file: file.name.partition(".")[0])
def test_the_page_in_a_real_browser(file: Path, tmp_path: Path) -> None:
    """Windows see each other's changes, and recover from a server that was killed and from a network that was cut."""
    need_node()
    if "BFF_TEST_CHROMIUM" not in os.environ:
        need("chromium", "the page is tested in it; BFF_TEST_CHROMIUM names another one")
    install(PROJECT)
    build(PAGE)
    url = f"sqlite:///{tmp_path / 'meeting_room.db'}"
    seed(url)
    run_tests(file, {"BFF_TEST_SERVER": BffServer(APP, url).described()})
